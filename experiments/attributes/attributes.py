"""Compare the sources of an attribute on held-out LFW faces.

    python experiments/attributes/attributes.py --faces FOLDER --out experiments/attributes \
        [--sheets FOLDER]

FOLDER contains `lfw/`, a gallery. Every face is edited with each attribute in each way of `WAYS`,
at the default settings of the command line:

- with one guide, the mean of five guides, or five guides patch by patch;
- with the difference between a hundred faces that have the attribute and a hundred that lack it;
- with the direction that ships, everywhere or in the attribute's region only.

Guides never show the reference's person.

The script reports the gain of the network's own attribute logit, the cosines of its descriptor to
the reference and to the closest guide, the share of results that are closer to the reference than
any other held-out person, and the share that dlib's network, which takes no part in the edit,
still accepts as the same person.
"""

import json
import platform
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tyro

from facegen_jax.descent.batch import run_batch
from facegen_jax.descent.problem import stack
from facegen_jax.edit.guides import Pool, open_pool
from facegen_jax.edit.material import assemble, gather, program
from facegen_jax.edit.record import edit_scores
from facegen_jax.edit.request import Request, resolve
from facegen_jax.edit.settings import Edit
from facegen_jax.faces import image
from facegen_jax.faces.strip import strip
from facegen_jax.gallery.labels import Choice, Gallery, load_gallery, others
from facegen_jax.gallery.sample import held_out
from facegen_jax.network.checkpoint import load_network
from facegen_jax.network.protocol import Network
from facegen_jax.types import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "small_network"))
from prepare import SAME_PERSON, embed_aligned

WAYS: dict[str, dict[str, Any]] = {
    "guide": {"k": 1},
    "mean of 5": {"target": "mean"},
    "patches of 5": {},
    "difference": {"target": "difference"},
    "direction": {"gallery": None, "region": "none"},
    "direction in region": {"gallery": None},
}
"""Options of each way to get an attribute; a gallery is used unless they say otherwise."""


@dataclass
class Config:
    """Compare the sources of an attribute."""

    faces: Path
    out: Path = Path("experiments/attributes")
    """Folder for results.json."""
    sheets: Path | None = None
    """Folder for contact sheets (they show the photos: keep them out of the repository)."""
    count: int = 12
    """Number of held-out people."""
    attributes: tuple[str, ...] = (
        "Eyeglasses",
        "Smiling",
        "Mouth Slightly Open",
        "Mustache",
        "Senior",
    )
    ways: tuple[str, ...] = tuple(WAYS)
    result: str = "results.json"
    """Name of the results file."""


def one_photo_each(gallery: Gallery, chosen: Choice, count: int) -> list[int]:
    """Return the rows of one photo each of `count` people, or of all, spread over the table."""
    first: dict[str, int] = {}
    for row in np.flatnonzero(chosen).tolist():
        first.setdefault(gallery.identities[row] or gallery.filenames[row], row)
    rows = list(first.values())
    return [rows[i] for i in np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]


def references(folder: Path, count: int) -> list[Path]:
    """Return one photo each of `count` held-out people, spread over the alphabet."""
    gallery = load_gallery(folder)
    return [gallery.path(row) for row in one_photo_each(gallery, held_out(gallery), count)]


def edit_request(config: Config, path: Path, attribute: str, way: str) -> Request:
    """Return the edit of one face."""
    options = Edit(path, Path("out.png"), attribute=attribute, gallery=config.faces / "lfw")
    options = replace(options, **WAYS[way])
    if options.gallery and attribute != "Mustache":  # no woman in LFW has a mustache
        options = replace(options, match=("Male",))
    return resolve(options)


def edit_faces(
    network: Network, pool: Pool, requests: list[Request]
) -> tuple[list[Image], list[Image], list[dict[str, Any]]]:
    """Solve edits together; return their aligned references, results and scores."""
    materials = [
        gather(request, network, pool if request.options.gallery else None) for request in requests
    ]
    problems = [
        assemble(request, network, material)
        for request, material in zip(requests, materials, strict=True)
    ]
    solver = program(requests[0], network)
    solutions = run_batch(solver, network, stack(problems), batch_size=6)
    results: list[Image] = [solution.image for solution in solutions]
    scores: list[dict[str, Any]] = []
    for result, (reference, source, _) in zip(results, materials, strict=True):
        guides = [guide.image for guide in source.guides]
        scores.append(edit_scores(network, result, reference.image, source.heads, guides))
    return [material.reference.image for material in materials], results, scores


def best_impostors(pool: Pool, paths: list[Path]) -> np.ndarray:
    """Return, for each face, its largest cosine to a photo of another held-out person."""
    gallery, described = pool
    rows = {gallery.path(row): row for row in range(len(gallery.filenames))}
    cosines = []
    for row in (rows[path] for path in paths):
        impostors = held_out(gallery) & others(gallery, gallery.identities[row])
        cosines.append(float((described.features[impostors] @ described.features[row]).max()))
    return np.array(cosines)


def summary(
    faces: list[Image], results: list[Image], scores: list[dict[str, Any]], impostors: np.ndarray
) -> dict[str, float]:
    """Return medians of the scores, and the shares of faces that pass a test."""
    before, after = embed_aligned(faces), embed_aligned(results)
    gains = np.array([each["attribute_gain"] for each in scores])
    identity = np.array([each["identity_similarity"] for each in scores])
    values = {
        "gain": np.median(gains),
        "rose": np.mean(gains > 0),
        "identity": np.median(identity),
        "above_best_impostor": np.mean(identity > impostors),
        "same_person_dlib": np.mean(np.linalg.norm(before - after, axis=-1) < SAME_PERSON),
    }
    if "guide_similarity" in scores[0]:
        values["guide"] = np.median([each["guide_similarity"] for each in scores])
    return {name: round(float(value), 3) for name, value in values.items()}


def save_sheet(path: Path, columns: list[tuple[str, list[Image]]]) -> None:
    """Draw a row for each face and a column for the reference and each way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        strip([(title, images[row]) for title, images in columns], height=150)
        for row in range(len(columns[0][1]))
    ]
    image.save(path, np.concatenate(rows))


def main(config: Config) -> None:
    network, paths = load_network(), references(config.faces / "lfw", config.count)
    pool = open_pool(edit_request(config, paths[0], "Male", "patches of 5"), network)
    assert pool
    impostors = best_impostors(pool, paths)
    rows: dict[str, dict[str, dict[str, float]]] = {}
    for attribute in config.attributes:
        columns: list[tuple[str, list[Image]]] = []
        for way in config.ways:
            requests = [edit_request(config, path, attribute, way) for path in paths]
            faces, results, scores = edit_faces(network, pool, requests)
            row = summary(faces, results, scores, impostors)
            rows.setdefault(attribute, {})[way] = row
            print(f"{attribute:22} {way:20} {row}", flush=True)
            columns = columns or [("reference", faces)]
            columns.append((way, results))
        if config.sheets:
            save_sheet(config.sheets / f"{attribute.replace(' ', '_')}.png", columns)
    record = {
        "network": network.sha256,
        "machine": f"{platform.processor() or platform.machine()}, {jax.devices()[0].device_kind}",
        "faces": [path.name for path in paths],
        "rows": rows,
    }
    (config.out / config.result).write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Config))
