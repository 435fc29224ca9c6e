"""Put the paper's claims to the test, and say where edits fail.

    python experiments/claims/claims.py --gallery FOLDER --study identity-term
    python experiments/claims/claims.py --gallery FOLDER --study optimizers
    python experiments/claims/claims.py --gallery FOLDER --study failures --count 40

FOLDER is any gallery with identities. The choosing people are edited at strength 1 and judged by
networks outside the descent (see experiments/judge). Numbers go to `STUDY.json`, a table to the
terminal. That identity is kept while an attribute comes, by guides and by tuning, is the subject of
experiments/curve.
"""

import json
import platform
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).parents[1] / "judge"))
sys.path.insert(0, str(Path(__file__).parents[1] / "curve"))
from edits import Case, choose_cases, images, of_half, request_of, solve
from failures import GROUPS, SHARPNESS, blurred_copy
from judge import Bench, load_judge
from measure import scores
from ways import ATTRIBUTES, WAYS, Way

from facegen_jax.bars import progress_bar
from facegen_jax.edit.pool import Pool
from facegen_jax.edit.request import Request
from facegen_jax.gallery.features import describe
from facegen_jax.gallery.labels import load_gallery
from facegen_jax.network.checkpoint import load_network
from facegen_jax.network.protocol import Network

Study = Literal["identity-term", "optimizers", "failures"]
HERE = Path(__file__).parent
OBJECTIVES = HERE / "objectives.py"
PAPER = WAYS["paper, five guides"].options
LAYERS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3")
IDENTITY_TERMS = {
    "none": {**PAPER, "objective": f"{OBJECTIVES}:none"},
    **{layer: {**PAPER, "objective": f"{OBJECTIVES}:{layer}"} for layer in LAYERS},
    "conv3_3 to conv5_3 (paper)": {**PAPER, "objective": f"{OBJECTIVES}:paper"},
}
OPTIMIZERS = {
    f"{name}, {steps} steps": {**PAPER, "optimizer": name, "steps": steps}
    for name in ("sgd", "adam", "lbfgs")
    for steps in (25, 100)
}


@dataclass
class Config:
    """Run one study."""

    gallery: Path
    study: Study
    params: str = "small"
    count: int = 4
    """People for each attribute."""
    attributes: tuple[str, ...] = ATTRIBUTES
    out: Path = HERE


def compare(
    config: Config, network: Network, pool: Pool, bench: Bench, ways: dict[str, dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yield a row of means for each way to edit the same people."""
    cases = choose_cases(pool.gallery, config.attributes, "choosing", config.count)
    for name, options in ways.items():
        requests = [request_of(Way(options), pool, case) for case in cases]
        found = judged(network, pool, bench, cases, requests)
        yield {"way": name, **{key: round(float(each.mean()), 3) for key, each in found.items()}}


def judged(
    network: Network, pool: Pool, bench: Bench, cases: list[Case], requests: list[Request]
) -> dict[str, np.ndarray]:
    """Return scores by name, one number for each case; `objective` relative to the start's."""
    references, solutions = solve(network, pool, requests)
    found, _ = scores(bench, cases, references, images(solutions))
    totals = [each.trace["total"] for each in solutions]
    found["objective"] = np.array([float(np.nanmin(each) / each[0]) for each in totals])
    return found


def failures(
    config: Config, network: Network, pool: Pool, bench: Bench
) -> Iterator[dict[str, Any]]:
    """Yield a row of means for each group of people, and for photos that lost resolution."""
    cases = choose_cases(pool.gallery, config.attributes, "choosing", config.count)
    way = WAYS["named attribute"]
    plain = [request_of(way, pool, case) for case in cases]
    found = judged(network, pool, bench, cases, plain)
    mine, rows = of_half(pool.gallery, "choosing"), np.array([case.row for case in cases])
    for name, group in GROUPS.items():
        chosen = (group(pool) & mine)[rows]
        means = {key: round(float(each[chosen].mean()), 3) for key, each in found.items()}
        yield {"way": name, "edits": int(chosen.sum()), **means}
    few = choose_cases(pool.gallery, config.attributes, "choosing", max(1, config.count // 8))
    sharp = [request_of(way, pool, case) for case in few]
    for share in SHARPNESS:
        with tempfile.TemporaryDirectory() as folder:
            requests = [at_resolution(each, share, Path(folder)) for each in sharp]
            found = judged(network, pool, bench, few, requests)
        means = {key: round(float(each.mean()), 3) for key, each in found.items()}
        yield {"way": f"resolution x {share:g}", "edits": len(few), **means}


def at_resolution(request: Request, share: float, folder: Path) -> Request:
    """Return an edit of a photo that lost resolution."""
    photo = blurred_copy(request.options.reference, share, folder)
    return replace(request, options=replace(request.options, reference=photo))


def main(config: Config) -> None:
    network, gallery = load_network(config.params), load_gallery(config.gallery)
    with progress_bar("faces described") as progress:
        pool = Pool(gallery, describe(gallery, network, progress=progress))
    bench, rows = load_judge(), list[dict[str, Any]]()
    if config.study == "failures":
        found = failures(config, network, pool, bench)
    else:
        ways = IDENTITY_TERMS if config.study == "identity-term" else OPTIMIZERS
        found = compare(config, network, pool, bench, ways)
    for row in found:
        rows.append(row)
        print("| " + " | ".join(f"{each}" for each in row.values()) + " |", flush=True)
    print("columns: " + ", ".join(rows[0]))
    record = {
        "network": network.sha256,
        "machine": f"{platform.machine()}, {jax.devices()[0].device_kind}",
        "people for each attribute": config.count,
        "rows": rows,
    }
    path = config.out / f"{config.study.replace('-', '_')}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Config))
