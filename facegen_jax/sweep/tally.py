"""Counters of a sweep: runs done, failed and left, and steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..report.result import Result
from .plan import Plan
from .progress import Status


@dataclass
class Tally:
    """Mutable counters."""

    done: int = 0
    """Runs that succeeded; like `failed`, includes runs of earlier processes."""
    failed: int = 0
    left: int = 0
    new_failures: int = 0
    """Failures in this process."""
    steps_done: int = 0
    steps_left: int = 0

    def start(self, plan: Plan, todo: Plan, outcomes: Mapping[str, bool]) -> None:
        """Set the counters before the first batch.

        Args:
            plan: all runs of this process.
            todo: those to do now.
            outcomes: whether the result of a run is good, by its id.
        """
        ids = {run.id for group in todo.groups for run in group.runs}
        earlier = [
            outcomes[run.id] for group in plan.groups for run in group.runs if run.id not in ids
        ]
        self.done, self.failed = sum(earlier), len(earlier) - sum(earlier)
        self.left = todo.total
        self.steps_left = sum(len(group.runs) * group.solver.steps for group in todo.groups)

    def add_results(self, new: Sequence[Result]) -> None:
        """Count results that were written."""
        good = sum(result.ok for result in new)
        self.done += good
        self.failed += len(new) - good
        self.new_failures += len(new) - good
        self.left -= len(new)

    def add_steps(self, steps: int) -> None:
        """Count the steps of a finished batch."""
        self.steps_done += steps
        self.steps_left -= steps

    def status(self, batch: int, step: int, steps: int) -> Status:
        """Return the progress while a batch of runs is at some step of its descent."""
        taken = batch * step
        steps_done, steps_left = self.steps_done + taken, max(0, self.steps_left - taken)
        return Status(self.done, self.failed, self.left, batch, step, steps, steps_done, steps_left)
