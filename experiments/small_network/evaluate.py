"""Measure the small network on held-out faces: verification and attributes.

    python experiments/small_network/evaluate.py --faces FOLDER --prepared FOLDER \
        --out experiments/small_network

Verification uses pairs of LFW photos of held-out people, half of them genuine. The accuracy is
the ten-fold one of LFW's protocol: the threshold is chosen on nine folds of people. Attributes
are scored by the AUC of the network's own head in each set, if the set has at least 100 held-out
positives and 100 negatives. Nothing is averaged over mirror images.
"""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import data
import jax
import numpy as np
import tyro

from facegen_jax.network.checkpoint import load_network
from facegen_jax.network.features import descriptor
from facegen_jax.network.metrics import attribute_scores
from facegen_jax.network.protocol import Network

PER_PERSON = 25
"""Largest number of genuine pairs per person: a few people in LFW have hundreds of photos."""
FOLDS = 10
SMALLEST = 100
"""Held-out positives, and negatives, that an attribute needs to be scored."""
BATCH = 128


@dataclass
class Config:
    """Evaluate a network on held-out faces."""

    faces: Path
    prepared: Path
    params: str = "small"
    out: Path = Path("experiments/small_network")
    """Folder for results.json."""


def outputs(network: Network, faces: data.Faces) -> tuple[np.ndarray, np.ndarray]:
    """Return the descriptors and attribute logits of the held-out faces."""
    images = data.crops(faces.images[faces.held_out], network.size)
    both = jax.jit(lambda batch: (descriptor(network, batch), attribute_scores(network, batch)))
    batches = [
        both(images[i : i + BATCH].astype(np.float32) / 255) for i in range(0, len(images), BATCH)
    ]
    descriptors, scores = zip(*batches, strict=True)
    return np.concatenate(descriptors), np.concatenate(scores)


def pairs(
    identities: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw as many impostor pairs as there are genuine ones.

    Returns:
        Index pairs, whether each shows one person, and the fold (0 to 9) of its first identity.
    """
    people = {name: np.flatnonzero(identities == name) for name in sorted(set(identities))}
    genuine = []
    for photos in people.values():
        possible = list(itertools.combinations(photos, 2))
        genuine += [possible[i] for i in rng.permutation(len(possible))[:PER_PERSON]]
    impostor: set[tuple[int, int]] = set()
    while len(impostor) < len(genuine):
        first, second = sorted(rng.integers(0, len(identities), 2))
        if identities[first] != identities[second]:
            impostor.add((int(first), int(second)))
    folds = {name: index % FOLDS for index, name in enumerate(rng.permutation(list(people)))}
    index = np.array([*genuine, *sorted(impostor)])
    same = np.arange(len(index)) < len(genuine)
    return index, same, np.array([folds[identities[i]] for i in index[:, 0]])


def fold_accuracies(similarity: np.ndarray, same: np.ndarray, fold: np.ndarray) -> list[float]:
    """Return the accuracy on each fold, with the threshold that is best on the others."""
    accuracies = []
    for number in range(FOLDS):
        train, test = fold != number, fold == number
        thresholds = np.quantile(similarity[train], np.linspace(0, 1, 400))
        correct = [np.mean((similarity[train] > each) == same[train]) for each in thresholds]
        best = thresholds[int(np.argmax(correct))]
        accuracies.append(float(np.mean((similarity[test] > best) == same[test])))
    return accuracies


def auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Return the area under the ROC curve, from ranks; ties count half."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n = int(positive.sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(scores) - n)))


def verification(faces: data.Faces, descriptors: np.ndarray) -> dict[str, float]:
    """Return verification scores of the network and of its teacher on the same pairs."""
    identities, teacher = faces.identities[faces.held_out], faces.embeddings[faces.held_out]
    index, same, fold = pairs(identities, np.random.default_rng(0))
    first, second = index.T
    similarity = np.sum(descriptors[first] * descriptors[second], -1)
    teacher_similarity = -np.linalg.norm(teacher[first] - teacher[second], axis=-1)
    accuracies = fold_accuracies(similarity, same, fold)
    teacher_accuracies = fold_accuracies(teacher_similarity, same, fold)
    return {
        "pairs": len(index),
        "people": len(set(identities)),
        "accuracy": round(float(np.mean(accuracies)), 4),
        "standard_error": round(float(np.std(accuracies) / np.sqrt(FOLDS)), 4),
        "auc": round(auc(similarity, same), 4),
        "teacher_accuracy": round(float(np.mean(teacher_accuracies)), 4),
        "median_cosine_genuine": round(float(np.median(similarity[same])), 3),
        "median_cosine_impostor": round(float(np.median(similarity[~same])), 3),
    }


def attribute_rows(
    network: Network, name: str, faces: data.Faces, scores: np.ndarray
) -> dict[str, dict[str, float]]:
    """Return the AUC of each attribute with enough held-out faces in this set."""
    labels, rows = faces.labels[faces.held_out], {}
    for column, attribute in enumerate(network.attributes):
        known, positive = labels[:, column] >= 0, labels[:, column] == 1
        if positive.sum() >= SMALLEST and (known & ~positive).sum() >= SMALLEST:
            rows[f"{name}: {attribute}"] = {
                "positives": int(positive.sum()),
                "auc": round(auc(scores[known, column], positive[known]), 4),
            }
    return rows


def main(config: Config) -> None:
    network = load_network(config.params)
    attributes, raw = {}, {}
    results: dict = {"network": {"name": network.name, "sha256": network.sha256}}
    results["attributes"] = attributes
    for name in data.SETS:
        source = (config.faces, config.prepared, name, list(network.attributes))
        faces, with_raw_labels = data.load(*source), data.load(*source, raw=True)
        descriptors, scores = outputs(network, faces)
        if name == "lfw":
            results["verification"] = verification(faces, descriptors)
        attributes |= attribute_rows(network, name, faces, scores)
        raw |= attribute_rows(network, name, with_raw_labels, scores)
    for key, rows in (("mean_auc", attributes), ("mean_auc_raw_labels", raw)):
        results[key] = round(float(np.mean([row["auc"] for row in rows.values()])), 4)
        results[f"{key}_rows"] = len(rows)
    (config.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results["verification"], indent=1))
    print({key: value for key, value in results.items() if key.startswith("mean_auc")})


if __name__ == "__main__":
    main(tyro.cli(Config))
