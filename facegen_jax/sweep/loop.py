"""The loop over batches: results written as they finish, failures kept apart, descents saved, memory that ran out met with smaller batches."""

import concurrent.futures
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import jax

from ..descent import batch
from ..descent.problem import Problem, stack
from ..descent.solver import Descent, Solution, Solver
from ..network.protocol import Network
from ..report import results
from ..report.results import Result
from . import frames, snapshot, work
from .estimate import batch_size
from .folder import Folder
from .plan import Group, Plan, missing
from .progress import Status, Watch
from .settings import Sweep
from .work import Ready


class SweepStopped(RuntimeError):
    """A sweep that ended before all was done; what was done is kept, and the message says why it ended."""


@dataclass(frozen=True)
class Job:
    """What does not change while a sweep runs."""

    config: Sweep
    network: Network
    plan: Plan
    folder: Folder
    watch: Watch
    stop: Callable[[], bool]


@dataclass
class _Tally:
    """What does."""

    done: int = 0
    failed: int = 0
    left: int = 0
    new_failures: int = 0
    steps_done: int = 0
    steps_left: int = 0
    sizes: dict[tuple[Solver, int], int] = field(default_factory=dict)
    """Batch sizes by program."""


class _Filled(NamedTuple):
    """A batch that is prepared."""

    ready: list[Ready]
    problems: Problem | None
    """Of these, stacked."""
    failed: list[Result]


def run(job: Job) -> Iterator[Result]:
    """Do the runs of a plan that have no result yet, and yield each result when it is on the disk.

    Raises:
        SweepStopped: it was told to stop, or too much failed.
        OSError: results could not be written.
    """
    known = results.outcomes(job.folder.path)
    todo = missing(job.plan, known, again=job.config.retry_failed)
    tally = _Tally(
        left=todo.total,
        steps_left=sum(len(group.runs) * group.solver.steps for group in todo.groups),
    )
    ids = {run.id for group in todo.groups for run in group.runs}
    own = [
        known[run.id]
        for group in job.plan.groups
        for run in group.runs
        if run.id in known and run.id not in ids
    ]
    tally.done, tally.failed = sum(own), len(own) - sum(own)
    for group in todo.groups:
        if (
            group.program not in tally.sizes
        ):  # of all its runs: a program of another size may round otherwise
            tally.sizes[group.program] = batch_size(job.config, job.plan, job.network, group)
        yield from _of_group(job, tally, group)
    snapshot.tidy(job.folder.checkpoints)
    job.watch(Status(tally.done, tally.failed, tally.left, 0, 0, 0, tally.steps_done, 0))


def _of_group(job: Job, tally: _Tally, group: Group) -> Iterator[Result]:
    runs = {run.id: run for run in group.runs}
    saved = [
        [runs.pop(id) for id in ids]
        for ids in snapshot.batches(job.folder.checkpoints)
        if set(ids) <= set(runs)
    ]
    waiting, sizes = (
        iter([*itertools.chain(*saved), *runs.values()]),
        iter([len(batch) for batch in saved]),
    )
    gathered = work.gatherer(job.plan, job.network)

    def fill() -> _Filled:
        """The next batch: its runs that can be solved, and the failures met on the way."""
        ready, problems, failed, size = (
            list[Ready](),
            list[Problem](),
            list[Result](),
            next(sizes, tally.sizes[group.program]),
        )
        for run in waiting:
            try:
                one, problem = work.prepare(job.plan, job.network, run, gathered)
                ready.append(one)
                problems.append(problem)
            except Exception as error:  # whatever is wrong with one run, the others go on
                failed.append(work.failure(job.plan, run, error))
            if len(ready) == size or job.stop():
                break
        return _Filled(ready, stack(problems) if problems else None, failed)

    with concurrent.futures.ThreadPoolExecutor(
        1
    ) as ahead:  # the next batch is prepared while one is solved
        upcoming = ahead.submit(fill)
        while (filled := upcoming.result()).ready or filled.failed:
            upcoming = ahead.submit(fill)
            yield from _written(job, tally, filled.failed)
            if filled.problems:
                yield from _solved(job, tally, group, filled.ready, filled.problems)
            del filled  # the memory of its problems
    _obey(job, tally)


def _solved(
    job: Job, tally: _Tally, group: Group, ready: list[Ready], problems: Problem
) -> Iterator[Result]:
    """Results of a batch, in halves where it does not fit into memory."""
    size, began = tally.sizes[group.program], time.perf_counter()
    if len(ready) > size:
        for first in range(0, len(ready), size):
            part = jax.tree.map(lambda leaf, first=first: leaf[first : first + size], problems)
            yield from _solved(job, tally, group, ready[first : first + size], part)
        return
    try:
        solutions = _descend(
            job, tally, group.solver, [each.run.id for each in ready], *batch.padded(problems, size)
        )
    except jax.errors.JaxRuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        if "RESOURCE_EXHAUSTED" not in reason:
            raise SweepStopped(f"the device failed: {reason}") from None
        solutions = None
    if solutions:
        seconds = (time.perf_counter() - began) / len(ready)
        yield from _written(
            job,
            tally,
            [_completed(job, *each, seconds) for each in zip(ready, solutions, strict=True)],
        )
        snapshot.remove(job.folder.checkpoints, [each.run.id for each in ready])
        _obey(job, tally)
    elif (half := batch.rounded(size // 2)) < size:
        tally.sizes[group.program] = half
        yield from _solved(job, tally, group, ready, problems)
    else:
        yield from _written(
            job,
            tally,
            [
                work.failure(
                    job.plan, each.run, MemoryError("one edit alone does not fit into memory")
                )
                for each in ready
            ],
        )


def _completed(job: Job, ready: Ready, solution: Solution, seconds: float) -> Result:
    try:
        return work.complete(
            job.plan, job.network, job.folder, ready, solution, seconds, job.config
        )
    except OSError:  # of the folder, not of the run
        raise
    except Exception as error:
        return work.failure(job.plan, ready.run, error)


def _descend(
    job: Job, tally: _Tally, solver: Solver, ids: list[str], problems: Problem, count: int
) -> list[Solution]:
    every, shots = job.config.checkpoint_steps, job.config.frames_every
    descent = snapshot.load(job.folder.checkpoints, ids, solver.start(job.network, problems, count))
    frames.save(job.folder, shots, solver, ids, descent)
    while descent.done < solver.steps:
        before, descent = (
            descent.done,
            solver.advance(job.network, problems, descent, frames.until_next(shots, descent.done)),
        )
        frames.save(job.folder, shots, solver, ids, descent)
        _tell(job, tally, solver, descent, count)
        if descent.done == solver.steps:
            break
        stopped = job.stop()
        if stopped or (every and descent.done // every > before // every):
            snapshot.save(job.folder.checkpoints, ids, descent)
        if stopped:
            raise _stopped(tally)
    tally.steps_done += count * solver.steps
    tally.steps_left -= count * solver.steps
    return solver.solutions(descent)[:count]


def _tell(job: Job, tally: _Tally, solver: Solver, descent: Descent, runs: int) -> None:
    steps = runs * descent.done
    job.watch(
        Status(
            tally.done,
            tally.failed,
            tally.left,
            runs,
            descent.done,
            solver.steps,
            tally.steps_done + steps,
            max(0, tally.steps_left - steps),
        )
    )


def _written(job: Job, tally: _Tally, found: list[Result]) -> Iterator[Result]:
    """The results, once they are on the disk."""
    if found:
        results.append(job.folder.results, b"".join(map(results.line, found)))
    good = sum(result.ok for result in found)
    tally.done, tally.failed, tally.left = (
        tally.done + good,
        tally.failed + len(found) - good,
        tally.left - len(found),
    )
    tally.new_failures += len(found) - good
    yield from found
    limit = 0 if job.config.fail_fast else job.config.max_failures
    if limit is not None and tally.new_failures > limit:
        raise SweepStopped(
            f"stopped, for {tally.new_failures} runs failed (--{'fail-fast' if job.config.fail_fast else f'max-failures {limit}'})"
        )


def _obey(job: Job, tally: _Tally) -> None:
    """Stop between batches when told to, unless nothing is left."""
    if tally.left and job.stop():
        raise _stopped(tally)


def _stopped(tally: _Tally) -> SweepStopped:
    return SweepStopped(f"stopped with {tally.done + tally.failed} runs done and {tally.left} left")
