"""The training loop that the small network and the judge share; a killed run continues."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

LOG_EVERY = 20


@dataclass(kw_only=True)
class Training:
    """Options that every training has."""

    faces: Path
    prepared: Path
    out: Path
    """Folder for checkpoint.pt and log.jsonl."""
    epochs: int
    """Passes over the photos."""
    batch_size: int = 96
    learning_rate: float
    weight_decay: float
    start: Path | None = None
    """Checkpoint of another run whose network to start from."""
    checkpoint_every: int = 100
    """Steps between checkpoints."""
    seed: int
    threads: int = 2


class Run(NamedTuple):
    """A training run's network and optimizer."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    step: int
    """Steps that an earlier process has taken."""


TakeStep = Callable[[Run, np.ndarray, np.random.Generator, int], dict[str, float]]
"""`take_step(run, rows, rng, step)` trains on one batch of photos and returns its losses."""


def start_run(config: Training, network: nn.Module) -> Run:
    """Build the optimizer, and restore the run's own checkpoint if it has one."""
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
    return Run(network, optimizer, step)


def save(config: Training, run: Run, step: int, facts: dict[str, Any]) -> None:
    """Write the checkpoint, atomically."""
    state = {
        "network": run.network.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "step": step,
        **facts,
    }
    temporary = config.out / "checkpoint.pt.tmp"
    torch.save(state, temporary)
    os.replace(temporary, config.out / "checkpoint.pt")


def learning_rate(config: Training, step: int, total: int) -> float:
    """Return the rate of a step: linear warm-up over 100 steps, then cosine decay to 0."""
    decay = 0.5 * (1 + np.cos(np.pi * (step / total)))
    return float(config.learning_rate * min(1, step / 100) * decay)  # weights_only refuses NumPy's


def begin(config: Training) -> None:
    """Set threads and seed, before a network is built."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)


def train(
    config: Training, network: nn.Module, photos: int, take_step: TakeStep, facts: dict[str, Any]
) -> None:
    """Train for all epochs.

    Args:
        config: options of the training.
        network: trained in place.
        photos: their number.
        take_step: trains on one batch.
        facts: what every checkpoint says beside the parameters.
    """
    run, each_epoch = start_run(config, network), photos // config.batch_size
    total = config.epochs * each_epoch
    if run.step:
        print(f"continuing at step {run.step} of {total}")
    config.out.mkdir(parents=True, exist_ok=True)
    network.train()
    for step in range(run.step, total):
        for group in run.optimizer.param_groups:
            group["lr"] = learning_rate(config, step, total)
        began = time.perf_counter()
        epoch, position = divmod(step, each_epoch)
        order = np.random.default_rng((config.seed, epoch)).permutation(photos)
        rows = order[position * config.batch_size :][: config.batch_size]
        torch.manual_seed(step)
        rng = np.random.default_rng((config.seed, step, 1))  # a resumed run gets the same crops
        losses = take_step(run, rows, rng, step)
        if step % LOG_EVERY == 0:
            record = {"step": step, **losses, "seconds": round(time.perf_counter() - began, 3)}
            with open(config.out / "log.jsonl", "a") as log:
                log.write(json.dumps(record) + "\n")
        if (step + 1) % config.checkpoint_every == 0 or step + 1 == total:
            save(config, run, step + 1, facts)
