"""The loop over batches: solve, have results written, continue after failures.

While a batch is solved, one thread prepares the next and another finishes the one before. Descents
are saved on the way, so that a killed sweep resumes. Batches are halved when memory runs out.
"""

import contextlib
import time
from collections.abc import Generator, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import jax

from ..descent import batch
from ..descent.problem import Problem
from ..descent.solution import Solution
from ..descent.solver import Solver
from ..edit.stacking import stack
from ..report import results
from ..report.result import Result
from . import frames, snapshot, work
from .backlog import MOST, Backlog
from .batches import Batches
from .calibration import calibrated
from .estimate import batch_size
from .finishing import WRITERS, finish
from .job import Job, SweepStopped
from .plan import Group, Plan, missing
from .reader import Reader, processes
from .work import Ready


class Crew(NamedTuple):
    """Those who work beside the descents."""

    reader: Reader
    backlog: Backlog
    writers: Executor


def run(job: Job) -> Iterator[Result]:
    """Do the runs that have no result yet; yield each result once it is on disk.

    Raises:
        SweepStopped: a stop was requested, or too many runs failed.
        OSError: results could not be written.
    """
    outcomes = results.outcomes(job.folder.path)
    todo = missing(job.plan, outcomes, again=job.config.retry_failed)
    job.tally.start(job.plan, todo, outcomes)
    # The backlog is left first: it waits until the writers have done its batches.
    with (
        contextlib.closing(_reader(job, todo)) as reader,
        ThreadPoolExecutor(WRITERS) as writers,
        Backlog(job.folder.results) as backlog,
    ):
        crew = Crew(reader, backlog, writers)
        for group in todo.groups:
            if group.program not in job.batch_sizes:
                # Sized for all planned runs, finished ones included, so that a resumed sweep
                # compiles the same program: another batch size may round differently.
                size = batch_size(job.config, job.plan, job.network, group)
                job.batch_sizes[group.program] = size
            yield from _run_group(job, crew, group)
        yield from _written(job, backlog, 0)
    snapshot.remove_all(job.folder.checkpoints)
    job.watch(job.tally.status(0, 0, 0)._replace(steps_left=0))


def _reader(job: Job, todo: Plan) -> Reader:
    faces = len({run.pair for group in todo.groups for run in group.runs})
    return Reader(processes(job.config.readers, faces))


def _run_group(job: Job, crew: Crew, group: Group) -> Iterator[Result]:
    """Solve a group batch by batch, while a thread prepares the next batch."""
    batches = Batches(job, group, crew.reader)
    with ThreadPoolExecutor(1) as thread:
        upcoming = thread.submit(batches.prepare_next)
        while (current := upcoming.result()).ready or current.failures:
            upcoming = thread.submit(batches.prepare_next)
            if current.failures:
                crew.backlog.add(partial(list, current.failures))
            if current.ready:
                yield from _solve(job, crew, group, current.ready)
            del current  # frees the memory of its faces
            yield from _written(job, crew.backlog)
    yield from _stop_if_requested(job, crew)


def _solve(job: Job, crew: Crew, group: Group, ready: list[Ready]) -> Iterator[Result]:
    """Solve a batch and have it finished; retry in halves if it does not fit into memory."""
    size, began = job.batch_sizes[group.program], time.perf_counter()
    if len(ready) > size:
        for first in range(0, len(ready), size):
            yield from _solve(job, crew, group, ready[first : first + size])
        return
    ids = [each.run.id for each in ready]
    try:
        problems = stack(job.network, [each.prepared for each in ready], size)
        ready, problems = calibrated(job, ready, problems)
        solutions = yield from _descend(job, crew, group.solver, ids, problems)
    except jax.errors.JaxRuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        if "RESOURCE_EXHAUSTED" not in reason:
            raise SweepStopped(f"the device failed: {reason}") from None
        solutions, problems = None, None
    if solutions:
        seconds = (time.perf_counter() - began) / len(ready)
        crew.backlog.add(
            partial(finish, job, crew.writers, ready, solutions, size, seconds),
            partial(snapshot.remove, job.folder.checkpoints, ids),
        )
        yield from _stop_if_requested(job, crew)
    elif (half := batch.rounded(size // 2)) < size:
        job.batch_sizes[group.program] = half
        yield from _solve(job, crew, group, ready)
    else:
        error = MemoryError("a single edit does not fit into memory")
        failures = [work.failure(job.plan, each.run, error) for each in ready]
        crew.backlog.add(partial(list, failures))


def _descend(
    job: Job, crew: Crew, solver: Solver, ids: list[str], problems: Problem
) -> Generator[Result, None, list[Solution]]:
    """Descend from the saved state, if there is one; save the state on the way.

    Args:
        job: the sweep.
        crew: finishes earlier batches, whose results are yielded on the way.
        solver: the group's solver.
        ids: of the batch's runs.
        problems: the batch, padded to its full size.

    Raises:
        SweepStopped: a stop was requested; the state is saved.
    """
    every, frames_every, count = job.config.checkpoint_steps, job.config.frames_every, len(ids)
    descent = snapshot.load(job.folder.checkpoints, ids, solver.start(job.network, problems, count))
    frames.save(job.folder, frames_every, solver, ids, descent)
    while descent.done < solver.steps:
        before = descent.done
        most = frames.steps_to_next(frames_every, before)
        descent = solver.advance(job.network, problems, descent, most)
        frames.save(job.folder, frames_every, solver, ids, descent)
        yield from _written(job, crew.backlog)
        job.watch(job.tally.status(count, descent.done, solver.steps))
        if descent.done == solver.steps:
            break
        stopped = job.stop()
        if stopped or (every and descent.done // every > before // every):
            snapshot.save(job.folder.checkpoints, ids, descent)
        if stopped:
            yield from _written(job, crew.backlog, 0)
            raise job.stopped()
    job.tally.add_steps(count * solver.steps)
    return solver.solutions(descent)[:count]


def _written(job: Job, backlog: Backlog, most: int = MOST) -> Iterator[Result]:
    """Yield the results that are on disk by now; wait until at most `most` batches are left."""
    for new in backlog.take(most):
        job.tally.add_results(new)
        yield from new
        job.check_failures()


def _stop_if_requested(job: Job, crew: Crew) -> Iterator[Result]:
    """Raise if a stop was requested, unless no run is left."""
    if job.stop():
        yield from _written(job, crew.backlog, 0)
        if job.tally.left:
            raise job.stopped()
