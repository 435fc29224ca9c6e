"""Single runs of a sweep: preparing one for a batch, and finishing it once it is solved."""

import dataclasses
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..descent.problem import Problem
from ..descent.solution import Solution
from ..edit.calibration import NEUTRAL
from ..edit.material import Material, assemble, finish, gather
from ..edit.record import chosen_guides, losses
from ..edit.request import Request, resolve
from ..edit.settings import Edit
from ..network.protocol import Network
from ..report.result import Result
from .job import Job
from .plan import Plan, Run

Gather = Callable[[Edit], Material]
NO_PHOTO = np.zeros((0, 0, 3), np.float32)


class Ready(NamedTuple):
    """A run that can be solved; its problem is stacked with those of its batch."""

    run: Run
    request: Request
    material: Material
    seconds: float
    """Time spent on preparing it."""
    factor: float | None = None
    """What calibration multiplied its strength by."""


def cached_gather(plan: Plan, network: Network) -> Gather:
    """Return `material.gather` with a cache of the latest faces.

    A small cache is enough, because all settings of a pair follow each other.
    """

    @functools.lru_cache(2)
    def cached(options: Edit) -> Material:
        return gather(resolve(options, plan.own), network, plan.pool(options))

    return cached


def prepare(plan: Plan, network: Network, run: Run, gather: Gather) -> tuple[Ready, Problem]:
    """Read a run's images and build its problem.

    Raises:
        ValueError, OSError: the run's options or files are wrong.
    """
    began = time.perf_counter()
    request = plan.request(run)
    material = gather(dataclasses.replace(request.options, **NEUTRAL))
    problem = assemble(request, network, material)
    slim = _without_bulk(material, request.options)
    return Ready(run, request, slim, time.perf_counter() - began), problem


def _without_bulk(material: Material, options: Edit) -> Material:
    """Drop photos and directions, which `finish` does not need and which would fill the memory."""
    reference, source = material.reference, material.source
    if not options.paste_back:
        reference = reference._replace(photo=NO_PHOTO)
    guides = tuple(face._replace(photo=NO_PHOTO) for face in source.guides)
    slim = source._replace(direction={}, guides=guides)
    return material._replace(reference=reference, source=slim)


def failure(plan: Plan, run: Run, error: BaseException) -> Result:
    """Return the result of a run that raised an error."""
    message = " ".join(str(error).split())
    if not isinstance(error, ValueError | OSError):  # unexpected, so its type helps
        message = f"{type(error).__name__}: {message}"
    return _result(plan, run, message)


def complete(job: Job, ready: Ready, solution: Solution, seconds: float) -> Result:
    """Finish a solved run and write its files.

    Args:
        job: the sweep.
        ready: the run.
        solution: its solution.
        seconds: its share of the time that its batch took.

    Raises:
        OSError: the files cannot be written.
    """
    began, id, folder = time.perf_counter(), ready.run.id, job.folder
    finished = finish(ready.request, job.network, ready.material, solution.image, ready.factor)
    total, parts = losses(solution)
    result = _result(job.plan, ready.run, _error(ready, solution))._replace(
        loss=total,
        parts=parts,
        metrics=finished.scores,
        guides=chosen_guides(ready.material.source.chosen),
        notes=list(ready.material.notes),
        image=folder.save_image(id, finished.written),
        trace=folder.save_trace(id, solution.trace) if job.config.traces else None,
        frames=folder.file("frames", id, "") if job.config.frames_every else None,
    )
    if job.config.faces:
        reference, guides = ready.material.reference, ready.material.source.guides
        before = reference.photo if ready.request.options.paste_back else reference.image
        result = result._replace(
            before=folder.save_face(before),
            shown=tuple(folder.save_face(guide.image) for guide in guides),
        )
    times = {"prepare": ready.seconds, "run": seconds, "finish": time.perf_counter() - began}
    return result._replace(seconds={name: round(value, 4) for name, value in times.items()})


def _error(ready: Ready, solution: Solution) -> str | None:
    if solution.status == "ok":
        return None
    first_bad = int(np.isfinite(solution.trace["total"]).sum()) + 1
    return (
        f"not finite from step {first_bad} of {ready.request.options.steps} on; "
        "the image is the best one before"
    )


def _result(plan: Plan, run: Run, error: str | None) -> Result:
    """Return a result with the run's settings and without any output."""
    pair = plan.pairs[run.pair]
    return Result(
        id=run.id,
        name=pair.name,
        status="failed" if error else "ok",
        error=error,
        pair=pair.columns,
        grid={name: _plain(name, value) for name, value in plan.points[run.point].items()},
        loss={},
        parts={},
        metrics={},
        seconds={},
        guides=[],
        notes=[],
        image=None,
        trace=None,
    )


def _plain(name: str, value: object) -> object:
    """Return a value as tables show it: lists joined by `;`, a single strength as a number."""
    if isinstance(value, tuple):
        return value[0] if name == "strength" else ";".join(map(str, value))
    return str(value) if isinstance(value, Path) else value
