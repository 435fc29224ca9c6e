"""The loop over batches: solve, write results, continue after failures.

Descents are saved on the way, so that a killed sweep resumes. Batches are halved when memory runs
out.
"""

import concurrent.futures
import time
from collections.abc import Iterator

import jax

from ..descent import batch
from ..descent.problem import Problem
from ..descent.solution import Solution
from ..descent.solver import Solver
from ..report import results
from ..report.result import Result
from . import frames, snapshot, work
from .batches import Batches
from .calibration import calibrated
from .estimate import batch_size
from .job import Job, SweepStopped
from .plan import Group, missing
from .work import Ready


def run(job: Job) -> Iterator[Result]:
    """Do the runs that have no result yet; yield each result once it is on disk.

    Raises:
        SweepStopped: a stop was requested, or too many runs failed.
        OSError: results could not be written.
    """
    outcomes = results.outcomes(job.folder.path)
    todo = missing(job.plan, outcomes, again=job.config.retry_failed)
    job.tally.start(job.plan, todo, outcomes)
    for group in todo.groups:
        if group.program not in job.batch_sizes:
            # Sized for all planned runs, finished ones included, so that a resumed sweep compiles
            # the same program: another batch size may round differently.
            job.batch_sizes[group.program] = batch_size(job.config, job.plan, job.network, group)
        yield from _run_group(job, group)
    snapshot.remove_all(job.folder.checkpoints)
    job.watch(job.tally.status(0, 0, 0)._replace(steps_left=0))


def _run_group(job: Job, group: Group) -> Iterator[Result]:
    """Solve a group batch by batch, while a thread prepares the next batch."""
    batches = Batches(job, group)
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        upcoming = thread.submit(batches.prepare_next)
        while (current := upcoming.result()).ready or current.failures:
            upcoming = thread.submit(batches.prepare_next)
            yield from _write(job, current.failures)
            if current.problems is not None:
                yield from _solve(job, group, current.ready, current.problems)
            del current  # frees the memory of its problems
    job.stop_if_requested()


def _solve(job: Job, group: Group, ready: list[Ready], problems: Problem) -> Iterator[Result]:
    """Solve a batch and write its results; retry in halves if it does not fit into memory."""
    size, began = job.batch_sizes[group.program], time.perf_counter()
    if len(ready) > size:
        for first in range(0, len(ready), size):
            part = jax.tree.map(lambda leaf, first=first: leaf[first : first + size], problems)
            yield from _solve(job, group, ready[first : first + size], part)
        return
    ids = [each.run.id for each in ready]
    try:
        ready, problems = calibrated(job, ready, problems, size)
        solutions = _descend(job, group.solver, ids, *batch.padded(problems, size))
    except jax.errors.JaxRuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        if "RESOURCE_EXHAUSTED" not in reason:
            raise SweepStopped(f"the device failed: {reason}") from None
        solutions = None
    if solutions:
        seconds = (time.perf_counter() - began) / len(ready)
        pairs = zip(ready, solutions, strict=True)
        yield from _write(job, [_complete(job, *pair, seconds) for pair in pairs])
        snapshot.remove(job.folder.checkpoints, ids)
        job.stop_if_requested()
    elif (half := batch.rounded(size // 2)) < size:
        job.batch_sizes[group.program] = half
        yield from _solve(job, group, ready, problems)
    else:
        error = MemoryError("a single edit does not fit into memory")
        yield from _write(job, [work.failure(job.plan, each.run, error) for each in ready])


def _descend(
    job: Job, solver: Solver, ids: list[str], problems: Problem, count: int
) -> list[Solution]:
    """Descend from the saved state, if there is one; save the state on the way.

    Args:
        job: the sweep.
        solver: the group's solver.
        ids: of the batch's runs.
        problems: the batch, padded to its full size.
        count: number of problems that are not padding.

    Raises:
        SweepStopped: a stop was requested; the state is saved.
    """
    every, frames_every = job.config.checkpoint_steps, job.config.frames_every
    descent = snapshot.load(job.folder.checkpoints, ids, solver.start(job.network, problems, count))
    frames.save(job.folder, frames_every, solver, ids, descent)
    while descent.done < solver.steps:
        before = descent.done
        most = frames.steps_to_next(frames_every, before)
        descent = solver.advance(job.network, problems, descent, most)
        frames.save(job.folder, frames_every, solver, ids, descent)
        job.watch(job.tally.status(count, descent.done, solver.steps))
        if descent.done == solver.steps:
            break
        stopped = job.stop()
        if stopped or (every and descent.done // every > before // every):
            snapshot.save(job.folder.checkpoints, ids, descent)
        if stopped:
            raise job.stopped()
    job.tally.add_steps(count * solver.steps)
    return solver.solutions(descent)[:count]


def _complete(job: Job, ready: Ready, solution: Solution, seconds: float) -> Result:
    """Finish a solved run; return a failed result if that goes wrong."""
    try:
        return work.complete(job, ready, solution, seconds)
    except OSError:  # the folder cannot be written to; not the run's fault
        raise
    except Exception as error:
        return work.failure(job.plan, ready.run, error)


def _write(job: Job, new: list[Result]) -> Iterator[Result]:
    """Append results to the results file, then yield them."""
    if new:
        results.append(job.folder.results, b"".join(map(results.line, new)))
    job.tally.add_results(new)
    yield from new
    job.check_failures()
