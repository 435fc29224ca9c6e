"""Compare the sources of an attribute on held-out LFW faces, as the command line edits them.

    python experiments/attributes/attributes.py --faces FOLDER --out experiments/attributes [--sheets FOLDER]

FOLDER holds `lfw/` (a gallery). For each attribute and each way of asking, every face is edited with the default settings: by the best of five
guides, by five guides' mean, by five guides patch by patch, by the difference of a hundred with and a hundred without, by the shipped direction, and by
that in the attribute's region. Guides are never of the same person. Measured are the gain of the network's own score for the attribute (logit), the cosine of the
network's descriptor to the reference and to the closest guide, how many results are closer to the reference than any other held-out person is, and how
many are still the reference by dlib's network, which takes no part.
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
from facegen_jax.edit import attribute
from facegen_jax.edit.material import assemble, gather, program
from facegen_jax.edit.record import edit_scores
from facegen_jax.edit.settings import Edit
from facegen_jax.faces import align, image
from facegen_jax.faces.strip import strip
from facegen_jax.gallery.labels import load_gallery
from facegen_jax.gallery.sample import held_out
from facegen_jax.network.checkpoint import Network, load_network

sys.path.insert(0, str(Path(__file__).parents[1] / "small_network"))
from prepare import embed

WAYS: dict[str, dict[str, Any]] = {
    "guide": {"k": 1},
    "mean of 5": {"target": "mean"},
    "patches of 5": {},
    "difference": {"target": "difference"},
    "direction": {"gallery": None, "region": "none"},
    "direction in region": {"gallery": None},
}
SAME_PERSON = 0.6
"""dlib's own threshold on the distance of its embeddings."""


@dataclass
class Config:
    """Compare the sources of an attribute."""

    faces: Path
    out: Path = Path("experiments/attributes")
    """Folder for results.json."""
    sheets: Path | None = None
    """Folder for contact sheets, to look at (they show the photos: keep them out of the repository)."""
    count: int = 12
    """Held-out people."""
    attributes: tuple[str, ...] = (
        "Eyeglasses",
        "Smiling",
        "Mouth Slightly Open",
        "Mustache",
        "Senior",
    )
    ways: tuple[str, ...] = tuple(WAYS)
    result: str = "results.json"
    """Name of the file of results."""


def references(folder: Path, count: int) -> list[Path]:
    """One photo of each of some held-out people, spread over the alphabet."""
    gallery = load_gallery(folder)
    first: dict[str, int] = {}
    for place in np.flatnonzero(held_out(gallery)).tolist():
        first.setdefault(gallery.identities[place], place)
    places = list(first.values())
    return [gallery.path(places[i]) for i in np.linspace(0, len(places) - 1, count).astype(int)]


def edits(
    config: Config, network: Network, pool: attribute.Pool, name: str, way: str, paths: list[Path]
) -> tuple[list[align.Face], list[np.ndarray], list[dict]]:
    """References, results and scores of one attribute asked for in one way, all solved together."""
    materials, problems, solver = [], [], None
    for path in paths:
        asked = replace(
            Edit(path, Path("out.png"), attribute=name, gallery=config.faces / "lfw"), **WAYS[way]
        )
        if asked.gallery and name != "Mustache":  # no woman of the set has one
            asked = replace(asked, match=("Male",))
        materials.append(gather(asked, network, pool if asked.gallery else None))
        problems.append(assemble(asked, network, materials[-1]))
        solver = program(asked, network)
    assert solver is not None
    results = [
        solution.image
        for solution in run_batch(solver, network.params, stack(problems), batch_size=6)
    ]
    scores = [
        edit_scores(
            network, result, reference.image, source.heads, [guide.image for guide in source.guides]
        )
        for result, (reference, source, _) in zip(results, materials, strict=True)
    ]
    return [material.reference for material in materials], results, scores


def best_impostors(pool: attribute.Pool, paths: list[Path]) -> np.ndarray:
    """For each face, the largest cosine to anybody else of the held-out people."""
    gallery, described = pool
    places = [
        [gallery.path(i) for i in range(len(gallery.filenames))].index(path) for path in paths
    ]
    found = []
    for place in places:
        strangers = held_out(gallery) & np.array(
            [name != gallery.identities[place] for name in gallery.identities]
        )
        found.append(float((described.features[strangers] @ described.features[place]).max()))
    return np.array(found)


def row(
    faces: list[align.Face], results: list[np.ndarray], scores: list[dict], impostors: np.ndarray
) -> dict[str, float]:
    """Medians and shares over the faces."""
    points = align.TEMPLATE * len(results[0]) - 0.5
    before, after = (
        [embed(np.round(np.asarray(each) * 255).astype(np.uint8), points) for each in one]
        for one in ([f.image for f in faces], results)
    )
    made = {
        "gain": float(np.median([each["attribute_gain"] for each in scores])),
        "rose": float(np.mean([each["attribute_gain"] > 0 for each in scores])),
        "identity": float(np.median([each["identity_similarity"] for each in scores])),
        "above_best_impostor": float(
            np.mean(np.array([each["identity_similarity"] for each in scores]) > impostors)
        ),
        "same_person_dlib": float(
            np.mean(np.linalg.norm(np.array(before) - np.array(after), axis=-1) < SAME_PERSON)
        ),
    }
    if "guide_similarity" in scores[0]:
        made["guide"] = float(np.median([each["guide_similarity"] for each in scores]))
    return {key: round(value, 3) for key, value in made.items()}


def main(config: Config) -> None:
    network, paths = load_network(), references(config.faces / "lfw", config.count)
    pool = attribute.open_pool(
        Edit(paths[0], paths[0], gallery=config.faces / "lfw", attribute="Male"), network
    )
    assert pool
    impostors, rows = best_impostors(pool, paths), dict[str, dict[str, dict[str, float]]]()
    for name in config.attributes:
        shown = []
        for way in config.ways:
            faces, results, scores = edits(config, network, pool, name, way, paths)
            rows.setdefault(name, {})[way] = row(faces, results, scores, impostors)
            print(f"{name:22} {way:20} {rows[name][way]}", flush=True)
            shown = shown or [("reference", [face.image for face in faces])]
            shown.append((way, results))
        if config.sheets:
            config.sheets.mkdir(parents=True, exist_ok=True)
            strips = [
                strip([(title, pictures[i]) for title, pictures in shown], height=150)
                for i in range(len(paths))
            ]
            image.save(config.sheets / f"{name.replace(' ', '_')}.png", np.concatenate(strips))
    machine = f"{platform.processor() or platform.machine()}, {jax.devices()[0].device_kind}"
    made = {
        "network": network.sha256,
        "machine": machine,
        "faces": [str(path.name) for path in paths],
        "rows": rows,
    }
    (config.out / config.result).write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Config))
