"""Batches: runs prepared to be solved together."""

import itertools
from typing import NamedTuple

from ..descent.problem import Problem, stack
from ..report.result import Result
from . import snapshot, work
from .job import Job
from .plan import Group
from .work import Ready


class Batch(NamedTuple):
    """Runs prepared to be solved together."""

    ready: list[Ready]
    problems: Problem | None
    """The problems of `ready`, stacked; None if it is empty."""
    failures: list[Result]
    """Runs that could not be prepared."""


class Batches:
    """A group's runs, prepared one batch at a time.

    Batches that an earlier process saved come first, with the same runs as then, so that their
    descents can be resumed.
    """

    def __init__(self, job: Job, group: Group):
        runs = {run.id: run for run in group.runs}
        saved = [
            [runs.pop(id) for id in ids]
            for ids in snapshot.saved_batches(job.folder.checkpoints)
            if set(ids) <= set(runs)
        ]
        self._runs = itertools.chain(*saved, runs.values())
        self._saved_sizes = iter([len(batch) for batch in saved])
        self._job, self._program = job, group.program
        self._gather = work.cached_gather(job.plan, job.network)

    def prepare_next(self) -> Batch:
        """Prepare the next batch: empty after the last one, shorter if a stop is requested."""
        job, ready, failures = self._job, list[Ready](), list[Result]()
        problems = list[Problem]()
        size = next(self._saved_sizes, job.batch_sizes[self._program])
        for run in self._runs:
            try:
                prepared, problem = work.prepare(job.plan, job.network, run, self._gather)
                ready.append(prepared)
                problems.append(problem)
            except Exception as error:  # one bad run must not stop the others
                failures.append(work.failure(job.plan, run, error))
            if len(ready) == size or job.stop():
                break
        return Batch(ready, stack(problems) if problems else None, failures)
