"""Train the small default network; a killed run continues from its last checkpoint.

    python experiments/small_network/train.py --faces FOLDER --prepared FOLDER --out FOLDER

The network is a narrow VGG-16 with batch normalisation, which export.py folds away. Two heads
share fc7: an embedding that imitates the teacher's (cosine to dlib's, centred over the training
photos) and the attributes (binary cross-entropy over the known labels).

Every batch is used twice: unchanged, and moved by up to `--adversarial` in the direction that
raises the loss most (one L2 step; Goodfellow et al. 2015, Miyato et al. 2016). Gradients of
networks trained this way look like faces rather than noise (Engstrom et al., arXiv:1906.00945),
and optimising pixels depends on that.

Training uses PyTorch because its bfloat16 convolutions on a CPU are several times as fast as
XLA's. Using the network does not need PyTorch.
"""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import data
import numpy as np
import torch
import tyro
from model import Network, adversarial_images, augment, training_loss
from torch import Tensor

LOG_EVERY = 20


@dataclass
class Config:
    """Train the small default network."""

    faces: Path
    prepared: Path
    out: Path
    """Folder for checkpoint.pt and log.jsonl."""
    widths: tuple[int, int, int, int, int] = (16, 32, 64, 128, 128)
    epochs: int = 14
    """Passes over the photos; a batch and its moved images count as one."""
    batch_size: int = 96
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    adversarial: float = 1.0
    """Largest L2 length of the move, in pixel values of [0, 1] over the whole 112 x 112 image; 0
    turns adversarial training off."""
    moved_every: int = 1
    """Use moved images in every N-th batch."""
    start: Path | None = None
    """Checkpoint of another run whose network to start from."""
    checkpoint_every: int = 100
    """Steps between checkpoints."""
    seed: int = 0
    threads: int = 2


class Photos(NamedTuple):
    """The photos of all sets that are not held out."""

    images: np.ndarray
    labels: Tensor
    teacher: Tensor


class Run(NamedTuple):
    """A training run's network and optimizer."""

    network: Network
    optimizer: torch.optim.Optimizer
    attributes: list[str]
    step: int
    """Steps that an earlier process has taken."""


def load_photos(config: Config, attributes: list[str]) -> Photos:
    """Load the prepared sets; the teacher's embeddings are centred."""
    sets = [data.load(config.faces, config.prepared, name, attributes) for name in data.SETS]
    images, labels, teacher = (
        np.concatenate([getattr(each, field)[~each.held_out] for each in sets])
        for field in ("images", "labels", "embeddings")
    )
    centred = torch.from_numpy(teacher - teacher.mean(0))
    return Photos(images, torch.from_numpy(labels).float(), centred)


def start_run(config: Config, attributes: list[str]) -> Run:
    """Build network and optimizer, and restore the run's own checkpoint if it has one."""
    network = Network(config.widths, len(attributes))
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=config.weight_decay)
    if config.start:
        network.load_state_dict(torch.load(config.start, weights_only=True)["network"])
    checkpoint, step = config.out / "checkpoint.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    return Run(network, optimizer, attributes, step)


def save(config: Config, run: Run, step: int) -> None:
    """Write the checkpoint, atomically."""
    state = {
        "network": run.network.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "step": step,
        "attributes": run.attributes,
        "widths": list(config.widths),
    }
    temporary = config.out / "checkpoint.pt.tmp"
    torch.save(state, temporary)
    os.replace(temporary, config.out / "checkpoint.pt")


def learning_rate(config: Config, step: int, total: int) -> float:
    """Return the rate of a step: linear warm-up over 100 steps, then cosine decay to 0."""
    decay = 0.5 * (1 + np.cos(np.pi * (step / total)))
    return float(config.learning_rate * min(1, step / 100) * decay)  # weights_only refuses NumPy's


def take_step(config: Config, run: Run, photos: Photos, step: int) -> dict[str, float]:
    """Train on one batch, and on its adversarial images; return the losses for the log."""
    epoch, position = divmod(step, len(photos.images) // config.batch_size)
    order = np.random.default_rng((config.seed, epoch)).permutation(len(photos.images))
    batch = order[position * config.batch_size :][: config.batch_size]
    rng = np.random.default_rng((config.seed, step, 1))  # a resumed run gets the same crops
    torch.manual_seed(step)
    adversarial = config.adversarial > 0 and step % config.moved_every == 0
    images = augment(photos.images[batch], rng).requires_grad_(adversarial)
    record = {}
    for kind in ("plain", "moved") if adversarial else ("plain",):
        teacher, labels = photos.teacher[batch], photos.labels[batch]
        loss, parts = training_loss(run.network, images, teacher, labels)
        run.optimizer.zero_grad()
        loss.backward()
        run.optimizer.step()
        record |= {f"{kind}_{name}": round(value, 4) for name, value in parts.items()}
        if kind == "plain" and images.grad is not None:
            images = adversarial_images(images.detach(), images.grad, config.adversarial, rng)
    return record


def train(config: Config) -> None:
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    attributes = data.vocabulary(config.faces)
    photos, run = load_photos(config, attributes), start_run(config, attributes)
    total = config.epochs * (len(photos.images) // config.batch_size)
    if run.step:
        print(f"continuing at step {run.step} of {total}")
    config.out.mkdir(parents=True, exist_ok=True)
    run.network.train()
    for step in range(run.step, total):
        for group in run.optimizer.param_groups:
            group["lr"] = learning_rate(config, step, total)
        began = time.perf_counter()
        losses = take_step(config, run, photos, step)
        if step % LOG_EVERY == 0:
            record = {"step": step, **losses, "seconds": round(time.perf_counter() - began, 3)}
            with open(config.out / "log.jsonl", "a") as log:
                log.write(json.dumps(record) + "\n")
        if (step + 1) % config.checkpoint_every == 0 or step + 1 == total:
            save(config, run, step + 1)


if __name__ == "__main__":
    train(tyro.cli(Config))
