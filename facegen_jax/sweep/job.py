"""A sweep in progress: what it works on, and how it reports and stops."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ..descent.solver import Solver
from ..edit.settings import Edit
from ..network.protocol import Network
from .folder import Folder
from .plan import Plan
from .progress import Watch
from .settings import Sweep
from .shelf import Shelf
from .tally import Tally

JUDGED_BYTES = 32 * 2**20
"""What the network's judgements of faces may take between batches."""


class SweepStopped(RuntimeError):
    """A sweep that ended early; the message says why. Finished runs are kept."""


@dataclass(frozen=True)
class Job:
    """A sweep in progress, or this process's part of one."""

    config: Sweep
    original: Network
    """On one device, which computes what is not a batch."""
    network: Network
    """The same on every device."""
    plan: Plan
    """The runs of this process."""
    folder: Folder
    watch: Watch
    stop: Callable[[], bool]
    """Returns whether a stop was requested."""
    tally: Tally = field(default_factory=Tally)
    batch_sizes: dict[tuple[Solver, int], int] = field(default_factory=dict)
    """Batch size by `Group.program`; halved when memory runs out."""
    factors: dict[Edit, float] = field(default_factory=dict)
    """Calibrated factors of the latest faces, by what they depend on."""
    judged: Shelf = field(default_factory=lambda: Shelf(JUDGED_BYTES))
    """What the network said of references and guides; only the finishing thread uses it."""

    def stopped(self) -> SweepStopped:
        """Return the exception for a requested stop."""
        finished = self.tally.done + self.tally.failed
        return SweepStopped(f"stopped with {finished} runs done and {self.tally.left} left")

    def check_failures(self) -> None:
        """Raise if more runs failed in this process than the options allow."""
        limit = 0 if self.config.fail_fast else self.config.max_failures
        if limit is not None and self.tally.new_failures > limit:
            option = "--fail-fast" if self.config.fail_fast else f"--max-failures {limit}"
            raise SweepStopped(f"stopped because {self.tally.new_failures} runs failed ({option})")
