"""Measure the judge on people it has not seen, and write judge.safetensors and results.json.

    python experiments/judge/evaluate_judge.py --faces FOLDER --prepared FOLDER --checkpoint FILE

The threshold of each attribute is the one with the best balanced accuracy on the choosing people of
LFW; the accuracy reported is that of the test people. Attributes below `ENOUGH` take no part in any
table.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from judge import ENOUGH, Bench, Judge, Opinion, opinion, save_judge
from people import belongs

from facegen_jax.gallery.separation import separation

sys.path.insert(0, str(Path(__file__).parents[1] / "small_network"))
import data

SMALLEST = 20
"""Faces with and without an attribute, in each half, that a threshold and an accuracy need."""
TIE = 0.3
"""Attributes whose logits correlate more than this go together."""


@dataclass
class Config:
    """Evaluate the judge."""

    faces: Path
    prepared: Path
    checkpoint: Path
    """checkpoint.pt of train_judge.py."""
    out: Path = Path("experiments/judge")


def load_checkpoint(path: Path) -> tuple[Judge, tuple[str, ...]]:
    """Return the trained judge and the names of its attributes."""
    state = torch.load(path, weights_only=True)
    judge = Judge(len(state["attributes"]), state["people"])
    judge.load_state_dict(state["network"])
    return judge.eval(), tuple(state["attributes"])


def balanced(logits: np.ndarray, has: np.ndarray, threshold: float) -> float:
    """Return the mean of the shares recognised among faces with and without an attribute."""
    return float(((logits[has] > threshold).mean() + (logits[~has] <= threshold).mean()) / 2)


def best_threshold(logits: np.ndarray, has: np.ndarray) -> float:
    """Return the threshold of the highest balanced accuracy."""
    candidates = np.quantile(logits, np.linspace(0.005, 0.995, 199))
    return float(max(candidates, key=lambda each: balanced(logits, has, each)))


def measure(
    choosing: Opinion, test: Opinion, labels: dict[str, np.ndarray], names: tuple[str, ...]
) -> tuple[dict[str, float], dict[str, float]]:
    """Return thresholds and test accuracies of the attributes with enough labelled faces."""
    thresholds, accuracy = {}, {}
    for column, name in enumerate(names):
        first, second = (
            _labelled(seen.logits[:, column], labels[half][:, column])
            for half, seen in (("choosing", choosing), ("test", test))
        )
        if all(min(has.sum(), (~has).sum()) >= SMALLEST for _, has in (first, second)):
            thresholds[name] = round(best_threshold(*first), 4)
            accuracy[name] = round(balanced(*second, thresholds[name]), 4)
    return thresholds, accuracy


def _labelled(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the logits of the faces whose label is known, and which of them have it."""
    return logits[labels >= 0], labels[labels >= 0] == 1


def ties(logits: np.ndarray, names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return the attributes that go together with each one."""
    correlation = np.corrcoef(logits.T)
    return {
        name: tuple(
            other
            for column, other in enumerate(names)
            if other != name and abs(correlation[row, column]) > TIE
        )
        for row, name in enumerate(names)
    }


def verification(embeddings: np.ndarray, identities: np.ndarray) -> dict[str, float]:
    """Return median cosines of one person and of two, and how often the former is larger."""
    rows, columns = np.triu_indices(len(embeddings), 1)
    same = identities[rows] == identities[columns]
    cosines = (embeddings @ embeddings.T)[rows, columns]
    return {
        "genuine": round(float(np.median(cosines[same])), 3),
        "impostor": round(float(np.median(cosines[~same])), 3),
        "auc": round(separation(cosines, same), 4),
    }


def main(config: Config) -> None:
    judge, names = load_checkpoint(config.checkpoint)
    faces = data.load(config.faces, config.prepared, "lfw", list(names))
    seen, labels, people = {}, {}, {}
    for half in ("choosing", "test"):
        rows = belongs("lfw", faces.identities, half)
        images = data.crops(faces.images[rows], 112).astype(np.float32) / 255
        seen[half], labels[half] = opinion(judge, images), faces.labels[rows]
        people[half] = faces.identities[rows]
    thresholds, accuracy = measure(seen["choosing"], seen["test"], labels, names)
    tied = ties(seen["choosing"].logits, names)
    save_judge(config.out / "judge.safetensors", Bench(judge, names, thresholds, accuracy, tied))
    kept = [name for name, value in accuracy.items() if value >= ENOUGH]
    results = {
        "faces": {half: len(each) for half, each in people.items()},
        "people": {half: len(set(each)) for half, each in people.items()},
        "identity": verification(seen["test"].embeddings, people["test"]),
        "attributes_kept": len(kept),
        "mean_balanced_accuracy_kept": round(float(np.mean([accuracy[name] for name in kept])), 4),
        "balanced_accuracy": dict(sorted(accuracy.items(), key=lambda each: -each[1])),
    }
    (config.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main(tyro.cli(Config))
