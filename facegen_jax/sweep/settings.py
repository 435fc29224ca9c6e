"""Sweep options."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..command import program
from ..edit.settings import Edit, Options

PROG = program("sweep")
"""Name of the command, in its messages."""


class SweepError(ValueError):
    """A sweep that cannot start; one line that says why and what to do."""


@dataclass(frozen=True)
class Experiment:
    """What a sweep runs, and where it writes."""

    pairs: Path
    """CSV table with one row per face: reference, and guides (separated by ;) or attribute;
    optionally name, strength, mask or any other option of an edit. Paths are relative to the
    table."""
    out: Path
    """Folder for the results. Repeating the command runs only what is missing there."""
    grid: tuple[str, ...] = ()
    """Options with values, all combined: weights.attribute=0.1,1,10 strength=0.5..1.5:3
    learning-rate=0.01..0.1:4:log seed=0..9."""
    zip: tuple[str, ...] = ()
    """Options whose values vary together, in lists of equal length: weights.attribute=0.1,1
    learning-rate=0.02,0.01."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """How a sweep runs; none of these options changes an image."""

    batch_size: int | Literal["auto"] = 16
    """Edits solved together; auto takes as many as fit into memory."""
    readers: int | Literal["auto"] = "auto"
    """Processes that find and read faces; auto starts them for a hundred faces or more, and in a
    script of your own only if you give a number, because each of them imports the script."""
    dry_run: bool = False
    """Print the planned runs with their predicted memory and time, and run nothing."""
    resume: bool = True
    """Continue in a folder that has results; --no-resume refuses such a folder."""
    extend: bool = False
    """Continue in a folder that was started with other settings, and keep the runs of both."""
    retry_failed: bool = False
    """Repeat failed runs."""
    fail_fast: bool = False
    """Stop at the first failure."""
    max_failures: int | None = None
    """Stop when more runs than this have failed."""
    checkpoint_steps: int = 200
    """Save the solver's state every N steps, so that a killed sweep resumes there; 0 saves it only
    on Ctrl-C or SIGTERM."""
    traces: bool = True
    """Write the losses of every step."""
    faces: bool = True
    """Write references and guides as the network saw them, for report.html."""
    frames_every: int = 0
    """Write the current image every N steps, for videos of the descent; 0 writes none."""
    report: bool = True
    """Write report.html at the end."""
    shard: str | None = None
    """Run only part I of N, as in 0/4 to 3/4; the parts can run anywhere, at any time."""
    distributed: bool = False
    """Share the runs among the processes of a Slurm, GKE or TPU job, which JAX detects."""
    coordinator: str | None = None
    """HOST:PORT of process 0, with --distributed where JAX detects no cluster."""
    processes: int | None = None
    """Number of processes, with --coordinator."""
    process: int | None = None
    """Index of this process, counted from 0, with --coordinator."""
    quiet: bool = False
    """Print only errors."""
    log: tuple[Literal["tensorboard", "wandb"], ...] = ()
    """Also log results to TensorBoard or Weights & Biases (install the extra of the same name)."""


@dataclass(frozen=True)
class Sweep(Options, Running, Experiment):
    """Edit many faces with many settings; repeat the command to continue a stopped sweep."""

    @property
    def base(self) -> Edit:
        """The edit that pairs and grid change."""
        shared = {each.name: getattr(self, each.name) for each in dataclasses.fields(Options)}
        return Edit(Path(), Path(), **shared)


LEAST = {
    "batch_size": 1,
    "readers": 0,
    "max_failures": 0,
    "checkpoint_steps": 0,
    "frames_every": 0,
    "processes": 1,
    "process": 0,
}
"""Least values of whole numbers."""


def check(config: Sweep) -> None:
    """Refuse options that cannot work.

    Raises:
        SweepError: says what was expected, what came, and what to do.
    """
    for name, least in LEAST.items():
        number = getattr(config, name)
        if isinstance(number, int) and not least <= number < 2**31:
            option = name.replace("_", "-")
            raise SweepError(f"--{option} must be at least {least} and below 2^31, not {number}")
    if len(config.strength) != 1:
        raise SweepError(
            "--strength takes one number in a sweep; vary it with --grid strength=0.5,1,1.5"
        )
    if config.shard and config.distributed:
        raise SweepError(
            "give either --shard or --distributed, which assigns a part to each process itself"
        )
    cluster = [
        value is not None for value in (config.coordinator, config.processes, config.process)
    ]
    if any(cluster) and not (config.distributed and all(cluster)):
        raise SweepError(
            "--coordinator, --processes and --process must be given together, with --distributed"
        )
    if config.fail_fast and config.max_failures:
        raise SweepError("give either --fail-fast or --max-failures")
