"""Batches: runs prepared to be solved together."""

import itertools
from typing import Any, NamedTuple

from ..descent.problem import Problem, stack, structure
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

    Problems with other layers or masks, as an objective of one's own gets from guides and from
    named attributes, wait until a batch of their kind is full.
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
        self._waiting: dict[tuple[Any, ...], list[tuple[Ready, Problem]]] = {}
        self._saved_sizes = iter([len(batch) for batch in saved])
        self._job, self._program = job, group.program
        self._gather = work.cached_gather(job.plan, job.network)

    def prepare_next(self) -> Batch:
        """Prepare the next batch: empty after the last one, shorter if a stop is requested."""
        job, failures = self._job, list[Result]()
        size = next(self._saved_sizes, job.batch_sizes[self._program])
        full = None
        for run in self._runs:
            try:
                prepared, problem = work.prepare(job.plan, job.network, run, self._gather)
                kind = structure(problem)
                self._waiting.setdefault(kind, []).append((prepared, problem))
                full = kind if len(self._waiting[kind]) >= size else None
            except Exception as error:  # one bad run must not stop the others
                failures.append(work.failure(job.plan, run, error))
            if full or job.stop():
                break
        if not self._waiting:
            return Batch([], None, failures)
        ready, problems = zip(*self._waiting.pop(full or next(iter(self._waiting))), strict=True)
        return Batch(list(ready), stack(problems), failures)
