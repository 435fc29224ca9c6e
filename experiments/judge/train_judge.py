"""Train the judge on people by whom nothing is chosen or tested; a killed run continues.

    python experiments/judge/train_judge.py --faces FOLDER --prepared FOLDER --out FOLDER

`prepare.py` of the small network writes the prepared photos. The loss has two parts: the
cross-entropy of the known attribute labels, and that of the person (cosine softmax) where a set
names people.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import tyro
from degrade import degrade
from judge import Judge
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1] / "small_network"))
import data
import loop
import model


@dataclass(kw_only=True)
class Config(loop.Training):
    """Train the judge."""

    epochs: int = 10
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    person_share: float = 0.1
    """Weight of the person's cross-entropy."""
    seed: int = 1


class Photos(NamedTuple):
    """The photos of all sets that are not held out."""

    images: np.ndarray
    labels: Tensor
    people: Tensor
    """Number of the person; -1 where a set names none."""


def load_photos(config: Config, attributes: list[str]) -> Photos:
    """Load the training people of the prepared sets."""
    sets = {name: data.load(config.faces, config.prepared, name, attributes) for name in data.SETS}
    images, labels = (
        np.concatenate([getattr(each, field)[~each.held_out] for each in sets.values()])
        for field in ("images", "labels")
    )
    names = [
        "" if name == "utkface" else f"{name} {identity}"
        for name, each in sets.items()
        for identity in each.identities[~each.held_out]
    ]
    numbers = {name: number for number, name in enumerate(sorted(set(names) - {""}))}
    people = torch.tensor([numbers.get(name, -1) for name in names])
    return Photos(images, torch.from_numpy(labels).float(), people)


def main(config: Config) -> None:
    loop.begin(config)
    attributes = data.vocabulary(config.faces)
    photos = load_photos(config, attributes)
    people = int(photos.people.max()) + 1
    judge = Judge(len(attributes), people)

    def take_step(
        run: loop.Run, rows: np.ndarray, rng: np.random.Generator, step: int
    ) -> dict[str, float]:
        """Train on one batch."""
        images = degrade(model.augment(photos.images[rows], rng), rng)
        logits, embeddings, _ = judge(images.contiguous(memory_format=torch.channels_last))
        entropy, named = model.entropy(logits, photos.labels[rows]), photos.people[rows] >= 0
        persons = F.cross_entropy(
            judge.person_logits(embeddings[named]), photos.people[rows][named]
        )
        run.optimizer.zero_grad()
        (entropy + config.person_share * persons).backward()
        run.optimizer.step()
        return {"attributes": round(entropy.item(), 4), "people": round(persons.item(), 4)}

    facts = {"attributes": attributes, "people": people}
    loop.train(config, judge, len(photos.images), take_step, facts)


if __name__ == "__main__":
    main(tyro.cli(Config))
