"""Measure identity against attribute over strengths, for one way to edit.

    python experiments/curve/curve.py --gallery FOLDER --way Interpolation [--sheets FOLDER]

FOLDER is any gallery with identities. People of the half `--people` who lack an attribute are
edited at every strength of the way, and judged by networks outside the descent (see
experiments/judge). The rows go to `rows/WAY.PEOPLE.json`; `table.py` makes the table of them.
Sheets show the photos: keep them out of the repository.
"""

import json
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).parents[1] / "judge"))
from edits import Case, choose_cases, edit_over_strengths, label, of_half
from judge import Bench, load_judge, opinion
from measure import kernel_distance, scores
from people import Half
from ways import ATTRIBUTES, WAYS

from facegen_jax.bars import progress_bar
from facegen_jax.edit.pool import Pool
from facegen_jax.faces import align, image
from facegen_jax.faces.strip import strip
from facegen_jax.gallery.features import describe
from facegen_jax.gallery.labels import having, load_gallery
from facegen_jax.network.checkpoint import load_network
from facegen_jax.network.protocol import Network
from facegen_jax.types import Image

REAL_FACES = 60
"""Real faces with each attribute that results are compared with as a set."""


@dataclass
class Config:
    """Measure one way to edit."""

    gallery: Path
    way: str
    params: str = "small"
    people: Half = "choosing"
    count: int = 12
    """People for each attribute."""
    attributes: tuple[str, ...] = ATTRIBUTES
    strengths: tuple[float, ...] = ()
    """Other strengths than those of the way."""
    steps: int = 100
    out: Path = Path("experiments/curve/rows")
    sheets: Path | None = None
    """Folder for contact sheets."""


def real_features(config: Config, pool: Pool, bench: Bench, size: int) -> dict[str, np.ndarray]:
    """Return the judge's features of real faces with each attribute, of the same half's people."""
    (gallery, described), features = pool, {}
    mine = of_half(gallery, config.people)
    for attribute in config.attributes:
        rows = np.flatnonzero(mine & having(gallery, label(gallery, attribute)))
        rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), REAL_FACES)).astype(int)]
        faces = [
            align.load_face(gallery.path(row), size, "auto", described.pick(row), centre=True).image
            for row in rows.tolist()
        ]
        features[attribute] = opinion(bench.judge, np.stack(faces)).features
    return features


def save_sheets(folder: Path, cases: list[Case], columns: list[tuple[str, list[Image]]]) -> None:
    """Draw a sheet for each attribute: a row for each face, a column for each strength."""
    folder.mkdir(parents=True, exist_ok=True)
    for attribute in {case.attribute for case in cases}:
        rows = [
            strip([(title, images[index]) for title, images in columns], height=150)
            for index, case in enumerate(cases)
            if case.attribute == attribute
        ]
        image.save(folder / f"{attribute}.png".replace(" ", "_"), np.concatenate(rows))


def measure(config: Config, network: Network, pool: Pool) -> dict:
    """Edit and judge all cases at every strength of the way."""
    way, bench = WAYS[config.way], load_judge()
    way = way._replace(strengths=config.strengths or way.strengths)
    cases = choose_cases(pool.gallery, config.attributes, config.people, config.count)
    real = real_features(config, pool, bench, network.size)
    rows, columns, began = [], [], time.perf_counter()
    for strength, references, results in edit_over_strengths(
        way, network, pool, cases, config.steps
    ):
        found, features = scores(bench, cases, references, results)
        distances = [
            kernel_distance(features[[case.attribute == name for case in cases]], faces)
            for name, faces in real.items()
        ]
        row = {name: np.round(values, 4).tolist() for name, values in found.items()}
        rows.append(
            {"strength": strength, "kernel_distance": round(float(np.mean(distances)), 5), **row}
        )
        means = {name: round(float(np.mean(values)), 3) for name, values in found.items()}
        print(f"{config.way} {strength:g}: {means}", flush=True)
        columns = columns or [("reference", references)]
        columns.append((f"{strength:g}", results))
    if config.sheets:
        save_sheets(config.sheets / config.way, cases, columns)
    return {
        "way": config.way,
        "network": network.sha256,
        "machine": f"{platform.machine()}, {jax.devices()[0].device_kind}",
        "people": config.people,
        "steps": config.steps,
        "seconds": round(time.perf_counter() - began),
        "cases": [(case.attribute, pool.gallery.identities[case.row]) for case in cases],
        "strengths": rows,
    }


def main(config: Config) -> None:
    if config.way not in WAYS:
        sys.exit(f"--way {config.way}: unknown; expected {', '.join(WAYS)}")
    network, gallery = load_network(config.params), load_gallery(config.gallery)
    with progress_bar("faces described") as progress:
        pool = Pool(gallery, describe(gallery, network, progress=progress))
    config.out.mkdir(parents=True, exist_ok=True)
    path = config.out / f"{config.way.replace(' ', '_')}.{config.people}.json"
    path.write_text(json.dumps(measure(config, network, pool)) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Config))
