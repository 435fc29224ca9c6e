"""Train the judge on people by whom nothing is chosen or tested; a killed run continues.

    python experiments/judge/train_judge.py --faces FOLDER --prepared FOLDER --out FOLDER

`prepare.py` of the small network writes the prepared photos. The loss has two parts: the
cross-entropy of the known attribute labels, and that of the person (cosine softmax) where a set
names people.
"""

import json
import os
import sys
import time
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
import model

LOG_EVERY = 20


@dataclass
class Config:
    """Train the judge."""

    faces: Path
    prepared: Path
    out: Path
    """Folder for judge.pt and log.jsonl."""
    epochs: int = 10
    batch_size: int = 96
    learning_rate: float = 2e-3
    person_share: float = 0.1
    """Weight of the person's cross-entropy."""
    start: Path | None = None
    """Checkpoint of another run whose judge to start from."""
    checkpoint_every: int = 100
    seed: int = 1
    threads: int = 2


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


class Run(NamedTuple):
    """A training run's judge and optimizer."""

    judge: Judge
    optimizer: torch.optim.Optimizer
    step: int
    """Steps that an earlier process has taken."""


def start_run(config: Config, attributes: int, people: int) -> Run:
    """Build judge and optimizer, and restore the run's own checkpoint if it has one."""
    judge = Judge(attributes, people)
    judge.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimizer = torch.optim.AdamW(judge.parameters(), weight_decay=0.05)
    if config.start:
        judge.load_state_dict(torch.load(config.start, weights_only=True)["judge"])
    checkpoint, step = config.out / "judge.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        judge.load_state_dict(state["judge"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    return Run(judge, optimizer, step)


def take_step(config: Config, run: Run, photos: Photos, step: int) -> dict[str, float]:
    """Train on one batch; return the parts of the loss."""
    epoch, position = divmod(step, len(photos.images) // config.batch_size)
    order = np.random.default_rng((config.seed, epoch)).permutation(len(photos.images))
    batch = order[position * config.batch_size :][: config.batch_size]
    rng = np.random.default_rng((config.seed, step, 1))  # a resumed run gets the same crops
    torch.manual_seed(step)
    images = degrade(model.augment(photos.images[batch], rng), rng)
    logits, embeddings, _ = run.judge(images.contiguous(memory_format=torch.channels_last))
    labels, people = photos.labels[batch], photos.people[batch]
    entropy = F.binary_cross_entropy_with_logits(logits, labels.clamp(0.03, 0.97), reduction="none")
    known, named = (labels >= 0).float(), people >= 0
    attributes = (entropy * known).sum() / known.sum()
    persons = F.cross_entropy(run.judge.person_logits(embeddings[named]), people[named])
    run.optimizer.zero_grad()
    (attributes + config.person_share * persons).backward()
    run.optimizer.step()
    return {"attributes": round(attributes.item(), 4), "people": round(persons.item(), 4)}


def save(config: Config, run: Run, step: int, attributes: list[str], people: int) -> None:
    """Write the checkpoint, atomically."""
    state = {
        "judge": run.judge.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "step": step,
        "attributes": attributes,
        "people": people,
    }
    temporary = config.out / "judge.pt.tmp"
    torch.save(state, temporary)
    os.replace(temporary, config.out / "judge.pt")


def train(config: Config) -> None:
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    attributes = data.vocabulary(config.faces)
    photos = load_photos(config, attributes)
    people = int(photos.people.max()) + 1
    run = start_run(config, len(attributes), people)
    config.out.mkdir(parents=True, exist_ok=True)
    total = config.epochs * (len(photos.images) // config.batch_size)
    run.judge.train()
    for step in range(run.step, total):
        decay = 0.5 * (1 + np.cos(np.pi * step / total))
        for group in run.optimizer.param_groups:
            group["lr"] = float(config.learning_rate * min(1, step / 100) * decay)
        began = time.perf_counter()
        parts = take_step(config, run, photos, step)
        if step % LOG_EVERY == 0:
            record = {"step": step, **parts, "seconds": round(time.perf_counter() - began, 3)}
            with open(config.out / "log.jsonl", "a") as log:
                log.write(json.dumps(record) + "\n")
        if (step + 1) % config.checkpoint_every == 0 or step + 1 == total:
            save(config, run, step + 1, attributes, people)


if __name__ == "__main__":
    train(tyro.cli(Config))
