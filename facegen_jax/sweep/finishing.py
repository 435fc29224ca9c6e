"""Solved batches finished: scores by one compiled program, files by several threads."""

import time
from collections.abc import Sequence
from concurrent.futures import Executor, Future

import numpy as np

from ..descent.solution import Solution
from ..edit import finished
from ..edit.finished import Finished, Solved
from ..edit.record import chosen_guides, losses
from ..report.result import Result
from ..types import Image
from .job import Job
from .work import Ready, blank, failure

WRITERS = 8
"""Threads that write files: most of the time they wait for the disk, or encode without Python's
lock."""
Outcome = Finished | Exception


def finish(
    job: Job,
    writers: Executor,
    ready: Sequence[Ready],
    solutions: Sequence[Solution],
    size: int,
    seconds: float,
) -> list[Result]:
    """Score a batch and write its files; return its results, failed ones where that went wrong.

    Args:
        job: the sweep.
        writers: threads for the files.
        ready: the runs.
        solutions: their solutions.
        size: images judged together.
        seconds: each run's share of the time that its batch took.

    Raises:
        OSError: the files cannot be written.
    """
    began = time.perf_counter()
    pairs = list(zip(ready, solutions, strict=True))
    solved = [Solved(*each[1:3], solution.image, each.factor) for each, solution in pairs]
    outcomes = _outcomes(job, solved, size)
    scoring = (time.perf_counter() - began) / len(ready)
    faces = _save_faces(job, writers, ready)

    def write(each: Ready, solution: Solution, outcome: Outcome) -> Result:
        try:
            return _write(job, each, solution, outcome, faces, (seconds, scoring))
        except OSError:  # the folder cannot be written to; not the run's fault
            raise
        except Exception as error:
            return failure(job.plan, each.run, error)

    return list(writers.map(write, ready, solutions, outcomes))


def _outcomes(job: Job, solved: Sequence[Solved], size: int) -> list[Outcome]:
    """Score edits together; by halves if that fails, until the one at fault is alone."""
    try:
        return [*finished.finish(job.network, solved, job.judged, size)]
    except Exception as error:
        if len(solved) == 1:
            return [error]
        if "RESOURCE_EXHAUSTED" in str(error):
            size = max(1, size // 2)
        half = len(solved) // 2
        return [*_outcomes(job, solved[:half], size), *_outcomes(job, solved[half:], size)]


def _save_faces(job: Job, writers: Executor, ready: Sequence[Ready]) -> dict[int, Future[str]]:
    """Start to write references and guides as the edits saw them, each once, by their identity."""
    if not job.config.faces:
        return {}
    shown = {id(face): face for each in ready for face in _shown(each)}
    return {key: writers.submit(job.folder.save_face, face) for key, face in shown.items()}


def _shown(ready: Ready) -> list[Image]:
    """Return the image before the edit, and the guides."""
    reference, guides = ready.material.reference, ready.material.source.guides
    whole = ready.request.options.paste_back
    return [reference.photo if whole else reference.image, *(guide.image for guide in guides)]


def _write(
    job: Job,
    ready: Ready,
    solution: Solution,
    outcome: Outcome,
    faces: dict[int, Future[str]],
    seconds: tuple[float, float],
) -> Result:
    """Write the files of one run; `seconds` are its shares of the descent and the scoring."""
    if isinstance(outcome, Exception):
        raise outcome
    began, id_, folder = time.perf_counter(), ready.run.id, job.folder
    total, parts = losses(solution)
    image = finished.written(ready.request, ready.material, outcome)
    result = blank(job.plan, ready.run, _error(ready, solution))._replace(
        loss=total,
        parts=parts,
        metrics=outcome.scores,
        guides=chosen_guides(ready.material.source.chosen),
        notes=list(ready.material.notes),
        image=folder.save_image(id_, image),
        trace=folder.save_trace(id_, solution.trace) if job.config.traces else None,
        frames=folder.file("frames", id_, "") if job.config.frames_every else None,
    )
    if faces:
        before, *shown = (faces[id(face)].result() for face in _shown(ready))
        result = result._replace(before=before, shown=tuple(shown))
    run, scoring = seconds
    finishing = scoring + time.perf_counter() - began
    times = {"prepare": ready.seconds, "run": run, "finish": finishing}
    return result._replace(seconds={name: round(value, 4) for name, value in times.items()})


def _error(ready: Ready, solution: Solution) -> str | None:
    if solution.status == "ok":
        return None
    first_bad = int(np.isfinite(solution.trace["total"]).sum()) + 1
    return (
        f"not finite from step {first_bad} of {ready.request.options.steps} on; "
        "the image is the best one before"
    )
