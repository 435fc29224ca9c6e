"""Measure the small network on faces it never saw: verification and attributes.

    python experiments/small_network/evaluate.py --faces FOLDER --prepared FOLDER --out experiments/small_network

Verification: pairs of LFW photos of held-out people, as many genuine as impostor; accuracy is the ten-fold one of LFW's protocol (the
threshold is chosen on nine folds of people). Attributes: AUC of the network's own head in each set, for attributes with at least 100
held-out positives (and negatives) there. Nothing is averaged over mirror images.
"""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import data
import jax
import numpy as np
import tyro

from facegen_jax.network.checkpoint import Network, load_network
from facegen_jax.network.metrics import attribute_scores
from facegen_jax.network.vgg_face import descriptor

PER_PERSON = 25
"""Most genuine pairs of one person: a few people of LFW have hundreds of photos."""


@dataclass
class Config:
    """Evaluate a network on held-out faces."""

    faces: Path
    prepared: Path
    params: str = "small"
    out: Path = Path("experiments/small_network")
    """Folder for results.json."""


def outputs(network: Network, faces: data.Faces) -> tuple[np.ndarray, np.ndarray]:
    """Descriptors and attribute scores of the held-out faces."""
    pictures = data.crops(faces.pictures[faces.held_out], network.size)
    both = jax.jit(
        lambda images: (descriptor(network.params, images), attribute_scores(network, images))
    )
    batches = [
        both(pictures[i : i + 128].astype(np.float32) / 255) for i in range(0, len(pictures), 128)
    ]
    return np.concatenate([b[0] for b in batches]), np.concatenate([b[1] for b in batches])


def pairs(
    identities: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Index pairs, whether they are one person, and the fold (0 to 9) of the first one's identity."""
    people = {name: np.flatnonzero(identities == name) for name in sorted(set(identities))}
    genuine = []
    for photos in people.values():
        possible = list(itertools.combinations(photos, 2))
        genuine += [possible[i] for i in rng.permutation(len(possible))[:PER_PERSON]]
    impostor: set[tuple[int, int]] = set()
    while len(impostor) < len(genuine):
        one, other = sorted(rng.integers(0, len(identities), 2))
        if identities[one] != identities[other]:
            impostor.add((int(one), int(other)))
    fold = {name: number % 10 for number, name in enumerate(rng.permutation(list(people)))}
    index = np.array([*genuine, *sorted(impostor)])
    return (
        index,
        np.arange(len(index)) < len(genuine),
        np.array([fold[identities[i]] for i in index[:, 0]]),
    )


def verification(similarity: np.ndarray, same: np.ndarray, fold: np.ndarray) -> list[float]:
    """Accuracy on each fold with the threshold that is best on the others."""
    accuracies = []
    for number in range(10):
        train, test = fold != number, fold == number
        candidates = np.quantile(similarity[train], np.linspace(0, 1, 400))
        best = max(
            candidates,
            key=lambda threshold: np.mean((similarity[train] > threshold) == same[train]),
        )
        accuracies.append(float(np.mean((similarity[test] > best) == same[test])))
    return accuracies


def auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve, by ranks; ties count half."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n = int(positive.sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(scores) - n)))


def attribute_rows(
    network: Network, name: str, faces: data.Faces, scores: np.ndarray
) -> dict[str, dict[str, float]]:
    """AUC of each attribute with at least 100 held-out positives and negatives in this set."""
    labels, rows = faces.labels[faces.held_out], {}
    for column, attribute in enumerate(network.attributes):
        known, positive = labels[:, column] >= 0, labels[:, column] == 1
        if positive.sum() >= 100 and (known & ~positive).sum() >= 100:
            rows[f"{name}: {attribute}"] = {
                "positives": int(positive.sum()),
                "auc": round(auc(scores[known, column], positive[known]), 4),
            }
    return rows


def main(config: Config) -> None:
    network = load_network(config.params)
    raw: dict = {}
    results: dict = {"network": {"name": network.name, "sha256": network.sha256}, "attributes": {}}
    for name in data.SETS:
        faces = data.load(config.faces, config.prepared, name, list(network.attributes))
        descriptors, scores = outputs(network, faces)
        if name == "lfw":
            identities = faces.identities[faces.held_out]
            index, same, fold = pairs(identities, np.random.default_rng(0))
            teacher = faces.embeddings[faces.held_out]
            similarity = np.sum(descriptors[index[:, 0]] * descriptors[index[:, 1]], -1)
            accuracy = verification(similarity, same, fold)
            of_teacher = verification(
                -np.linalg.norm(teacher[index[:, 0]] - teacher[index[:, 1]], axis=-1), same, fold
            )
            results["verification"] = {
                "pairs": len(index),
                "people": len(set(identities)),
                "accuracy": round(float(np.mean(accuracy)), 4),
                "standard_error": round(float(np.std(accuracy) / np.sqrt(10)), 4),
                "auc": round(auc(similarity, same), 4),
                "teacher_accuracy": round(float(np.mean(of_teacher)), 4),
                "median_cosine_genuine": round(float(np.median(similarity[same])), 3),
                "median_cosine_impostor": round(float(np.median(similarity[~same])), 3),
            }
        results["attributes"] |= attribute_rows(network, name, faces, scores)
        raw |= attribute_rows(
            network,
            name,
            data.load(config.faces, config.prepared, name, list(network.attributes), raw=True),
            scores,
        )
    for key, rows in (("mean_auc", results["attributes"]), ("mean_auc_raw_labels", raw)):
        results[key], results[f"{key}_rows"] = (
            round(float(np.mean([row["auc"] for row in rows.values()])), 4),
            len(rows),
        )
    (config.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results["verification"], indent=1))
    print({key: value for key, value in results.items() if key.startswith("mean_auc")})


if __name__ == "__main__":
    main(tyro.cli(Config))
