"""Batches: runs prepared to be solved together."""

import contextlib
import itertools
from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from typing import NamedTuple

from ..edit.material import face_wanted
from ..faces.photos import Wanted
from ..report.result import Result
from . import snapshot, work
from .job import Job
from .plan import Group, Run
from .reader import AHEAD, Reader
from .work import Ready


class Batch(NamedTuple):
    """Runs prepared to be solved together."""

    ready: list[Ready]
    failures: list[Result]
    """Runs that could not be prepared."""


class Batches:
    """A group's runs, prepared one batch at a time.

    Problems with other layers or masks, as an objective of one's own gets from guides and from
    named attributes, wait until a batch of their kind is full.
    Batches that an earlier process saved come first, with the same runs as then, so that their
    descents can be resumed.
    """

    def __init__(self, job: Job, group: Group, reader: Reader):
        runs = {run.id: run for run in group.runs}
        saved = [
            [runs.pop(id) for id in ids]
            for ids in snapshot.saved_batches(job.folder.checkpoints)
            if set(ids) <= set(runs)
        ]
        self._upcoming = self._announced(itertools.chain(*saved, runs.values()))
        self._waiting: dict[Hashable, list[Ready]] = {}
        self._saved_sizes = iter([len(batch) for batch in saved])
        self._job, self._program, self._reader = job, group.program, reader

    def prepare_next(self) -> Batch:
        """Prepare the next batch: empty after the last one, shorter if a stop is requested."""
        job, failures = self._job, list[Result]()
        size = next(self._saved_sizes, job.batch_sizes[self._program])
        full = None
        for run in self._upcoming:
            try:
                ready = work.prepare(job.plan, job.original, run, self._reader.recall)
                kind = ready.prepared.kind
                self._waiting.setdefault(kind, []).append(ready)
                full = kind if len(self._waiting[kind]) >= size else None
            except Exception as error:  # one bad run must not stop the others
                failures.append(work.failure(job.plan, run, error))
            if full or job.stop():
                break
        if not self._waiting:
            return Batch([], failures)
        return Batch(self._waiting.pop(full or next(iter(self._waiting))), failures)

    def _announced(self, runs: Iterable[Run]) -> Iterator[Run]:
        """Yield runs once the reader knows of the faces of those after them."""
        ahead = deque[Run]()
        for run in runs:
            if self._reader.ahead:
                self._announce(run)
            ahead.append(run)
            if len(ahead) > AHEAD or not self._reader.ahead:
                yield ahead.popleft()
        yield from ahead

    def _announce(self, run: Run) -> None:
        with contextlib.suppress(Exception):  # the run will fail with it
            request = self._job.plan.request(run)
            face = face_wanted(request, self._job.original)
            self._reader.expect(face)
            for guide in request.options.guides:
                self._reader.expect(Wanted(guide, face.size, face.mode))
