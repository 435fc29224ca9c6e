"""What a sweep can be told beside what each of its edits can."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..edit.settings import Edit, Options


class SweepError(ValueError):
    """A sweep that cannot be done as asked; one line that says why and what to do."""


@dataclass(frozen=True)
class Experiment:
    """What is swept, and where to."""

    pairs: Path
    """Table (CSV) with a line for each face: reference, and guides (several separated by ;) or attribute; optional name, strength, mask, or any option
    that varies. Paths are relative to the table."""
    out: Path
    """Folder for the results; the same command again does what is missing there."""
    grid: tuple[str, ...] = ()
    """Options and their values, all combined with each other: weights.attribute=0.1,1,10 strength=0.5..1.5:3 learning-rate=0.01..0.1:4:log seed=0..9."""
    zip: tuple[str, ...] = ()
    """Options whose values, as many for each, go together one by one: weights.attribute=0.1,1 learning-rate=0.02,0.01."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """How it is run; none of this changes a picture."""

    batch_size: int | Literal["auto"] = 16
    """Edits solved together; auto takes as many as fit into memory."""
    dry_run: bool = False
    """Say what would be run, with memory and time, and run nothing."""
    resume: bool = True
    """Go on where the folder's last sweep ended; --no-resume refuses a folder that has results."""
    extend: bool = False
    """Go on in a folder of other settings: the runs of both are kept."""
    retry_failed: bool = False
    """Do failed runs again."""
    fail_fast: bool = False
    """Stop at the first failure."""
    max_failures: int | None = None
    """Stop when more runs than this have failed."""
    checkpoint_steps: int = 200
    """Save the solver's state every so many steps, from where a killed run goes on; 0 saves it only when told to stop."""
    traces: bool = True
    """Write the losses of every step."""
    faces: bool = True
    """Write references and guides as they were seen, for report.html to show beside the pictures."""
    frames_every: int = 0
    """Write the picture every so many steps, for videos of the descent; 0 writes none."""
    report: bool = True
    """Write report.html at the end."""
    shard: str | None = None
    """Do part I of N, as in 0/4 to 3/4, of the runs; each part may run anywhere at any time."""
    distributed: bool = False
    """Share the runs with the other processes of a Slurm, GKE or TPU job, found by JAX."""
    coordinator: str | None = None
    """HOST:PORT of process 0, with --distributed where JAX finds no cluster by itself."""
    processes: int | None = None
    """Number of processes, with --coordinator."""
    process: int | None = None
    """This process's number from 0 on, with --coordinator."""
    quiet: bool = False
    """Say nothing but errors."""
    log: tuple[Literal["tensorboard", "wandb"], ...] = ()
    """Also log results there (extras of the same names)."""


@dataclass(frozen=True)
class Sweep(Options, Running, Experiment):
    """Edit many faces with many settings; a sweep that is stopped or killed goes on with the same command."""

    @property
    def base(self) -> Edit:
        """The edit that pairs and grid change."""
        return Edit(
            Path(),
            Path(),
            **{field.name: getattr(self, field.name) for field in dataclasses.fields(Options)},
        )


def check(config: Sweep) -> None:
    """Refuse what cannot work.

    Raises:
        SweepError: with what was expected, what came, and what to do.
    """
    numbers = {
        "batch-size": (config.batch_size, 1),
        "max-failures": (config.max_failures, 0),
        "checkpoint-steps": (config.checkpoint_steps, 0),
        "frames-every": (config.frames_every, 0),
        "processes": (config.processes, 1),
        "process": (config.process, 0),
    }
    for name, (number, smallest) in numbers.items():
        if isinstance(number, int) and number < smallest:
            raise SweepError(f"--{name} must be at least {smallest}, not {number}")
    if len(config.strength) != 1:
        raise SweepError(
            "--strength takes one number here; several are swept with --grid strength=0.5,1,1.5"
        )
    if config.shard and config.distributed:
        raise SweepError(
            "give either --shard or --distributed: with the second JAX tells each process its part"
        )
    given = (config.coordinator, config.processes, config.process)
    if any(each is not None for each in given) and not (
        config.distributed and all(each is not None for each in given)
    ):
        raise SweepError("--coordinator, --processes and --process go together, with --distributed")
    if config.fail_fast and config.max_failures:
        raise SweepError("give either --fail-fast or --max-failures")
