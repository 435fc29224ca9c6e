"""Edit held-out LFW faces with the default settings and measure what came of it.

    python experiments/small_network/edits.py --faces FOLDER --prepared FOLDER --out experiments/small_network [--sheets FOLDER]

For each named attribute: the share of faces whose score for it (the network's own head) rose, the median rise of its logit, the share
whose descriptor stays closer to the reference than that of the nearest of all other held-out people (the best impostor), and
the median cosine. A second judge that takes no part in the optimisation, dlib's face ResNet (the teacher of the small network), says for how many
faces the result is the same person by its own threshold (distance below 0.6). By guides, each face gets the k training faces of its sex with
the attribute whose descriptors are nearest.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import data
import jax
import numpy as np
import tyro
from directions import SHIPPED
from prepare import embed

from facegen_jax import align, image, regions
from facegen_jax.batch import run_batch
from facegen_jax.checkpoint import Network, load_network
from facegen_jax.direction import load_direction
from facegen_jax.metrics import attribute_scores
from facegen_jax.problem import from_direction, from_guides, stack
from facegen_jax.recipe import objective
from facegen_jax.settings import Edit, Weights
from facegen_jax.solver import Solver
from facegen_jax.vgg_face import descriptor

SAME_PERSON = 0.6
"""dlib's own threshold on the distance of its embeddings."""


@dataclass
class Config:
    """Measure the default edits on held-out faces."""

    faces: Path
    prepared: Path
    out: Path = Path("experiments/small_network")
    """Folder for edits.json."""
    sheets: Path | None = None
    """Folder for contact sheets, to look at (they show the photos: keep them out of the repository)."""
    count: int = 32
    """Held-out people."""
    attributes: tuple[str, ...] = SHIPPED
    strength: float = 1.0
    steps: int = Edit.steps
    guides: int = 0
    """Edit by this many guides instead of by tuning."""


def main(config: Config) -> None:
    network = load_network()
    lfw = data.load(config.faces, config.prepared, "lfw", list(network.attributes))
    held_out = crops(network, lfw.pictures[lfw.held_out])
    people = lfw.identities[lfw.held_out]
    describe = jax.jit(lambda images: (descriptor(network.params, images), attribute_scores(network, images)))
    known = np.concatenate([describe(held_out[i : i + 128])[0] for i in range(0, len(held_out), 128)])
    first = [int(np.flatnonzero(people == name)[0]) for name in dict.fromkeys(people)]
    chosen = [first[i] for i in np.linspace(0, len(first) - 1, config.count).astype(int)]
    references = held_out[chosen]
    impostor = np.array([max(known[people != people[i]] @ known[i]) for i in chosen])
    pool = Pool(network, lfw, describe) if config.guides else None
    rows, began = {}, time.perf_counter()
    for attribute in config.attributes:
        results = solve(config, network, attribute, references, known[chosen], pool)
        rows[attribute] = row(network, attribute, references, results, impostor, describe)
        print(f"{attribute:22} {rows[attribute]}", flush=True)
        if config.sheets:
            config.sheets.mkdir(parents=True, exist_ok=True)
            image.save(
                config.sheets / f"{attribute.replace(' ', '_')}.png",
                np.concatenate([np.concatenate(list(part[:12]), 1) for part in (references, results)]),
            )
    seconds = (time.perf_counter() - began) / (len(rows) * config.count)
    mean = {key: round(float(np.mean([r[key] for r in rows.values()])), 3) for key in next(iter(rows.values()))}
    print(f"{'mean':22} {mean}\n{seconds:.1f} s a face")
    kind = f"guides_{config.guides}" if config.guides else "tuning"
    text = json.dumps(
        {"network": network.sha256, "faces": config.count, "strength": config.strength, "steps": config.steps, "rows": rows, "mean": mean}, indent=1
    )
    (config.out / f"edits_{kind}.json").write_text(text + "\n")


class Pool:
    """Training faces to take guides from, with their descriptors and attribute scores."""

    def __init__(self, network: Network, lfw: data.Faces, describe):
        self.pictures = crops(network, lfw.pictures[~lfw.held_out])
        self.labels = lfw.labels[~lfw.held_out]
        batches = [describe(self.pictures[i : i + 128]) for i in range(0, len(self.pictures), 128)]
        self.descriptors, self.scores = (np.concatenate([batch[part] for batch in batches]) for part in (0, 1))

    def nearest(self, network: Network, attribute: str, described: np.ndarray, man: bool, k: int) -> list[np.ndarray]:
        """The k most similar of the confident faces with the attribute and of the same sex."""
        column, male = network.attributes.index(attribute), network.attributes.index("Male")
        fit = (self.labels[:, column] == 1) & (self.scores[:, column] > 0)
        of_sex = fit & ((self.scores[:, male] > 0) == man)
        if attribute != "Male" and of_sex.sum() >= k:  # no woman of the set has a mustache
            fit = of_sex
        index = np.flatnonzero(fit)
        return [self.pictures[i] for i in index[np.argsort(-(self.descriptors[index] @ described))[:k]]]


def crops(network: Network, pictures: np.ndarray) -> np.ndarray:
    """The template without the margin, float32 in [0, 1]."""
    return data.crops(pictures, network.size).astype(np.float32) / 255


def solve(config: Config, network: Network, attribute: str, references: np.ndarray, described: np.ndarray, pool: Pool | None) -> np.ndarray:
    """The edited pictures."""
    if pool is None:
        terms, direction = objective(Weights()), load_direction(network, attribute)
        problems = [from_direction(network.params, terms, reference, direction.maps, config.strength) for reference in references]
    else:
        terms = objective(Weights(), guided=True, area=0.5, held=True)
        male = np.asarray(attribute_scores(network, references))[:, network.attributes.index("Male")] > 0
        guides = [pool.nearest(network, attribute, d, bool(man), config.guides) for d, man in zip(described, male, strict=True)]
        masks = {"inside": regions.region("face", network.size)}
        problems = [from_guides(network.params, terms, reference, own, masks=masks) for reference, own in zip(references, guides, strict=True)]
    solutions = run_batch(Solver(terms, config.steps), network.params, stack(problems), batch_size=8)
    return np.stack([solution.image for solution in solutions])


def row(network: Network, attribute: str, references: np.ndarray, results: np.ndarray, impostor: np.ndarray, describe) -> dict[str, float]:
    (own, before), (edited, after) = describe(references), describe(results)
    cosine = np.sum(np.asarray(own) * np.asarray(edited), -1)
    gain = np.asarray(after - before)[:, network.attributes.index(attribute)]
    points = align.TEMPLATE * network.size - 0.5
    embeddings = [[embed(np.round(picture * 255).astype(np.uint8), points) for picture in pictures] for pictures in (references, results)]
    distance = np.linalg.norm(np.array(embeddings[0]) - np.array(embeddings[1]), axis=-1)
    return {
        "score_rose": round(float(np.mean(gain > 0)), 3),
        "median_gain": round(float(np.median(gain)), 3),
        "above_best_impostor": round(float(np.mean(cosine > impostor)), 3),
        "median_cosine": round(float(np.median(cosine)), 3),
        "same_person_dlib": round(float(np.mean(distance < SAME_PERSON)), 3),
        "mean_change": round(float(np.mean(np.abs(results - references))), 4),
    }


if __name__ == "__main__":
    main(tyro.cli(Config))
