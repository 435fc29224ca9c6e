"""Single runs of a sweep: what goes into a batch, and what comes out of it."""

import dataclasses
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..descent.problem import Problem
from ..descent.solver import Solution
from ..edit.material import Material, assemble, finish, gather
from ..edit.record import chosen_guides, losses
from ..edit.request import Request, resolve
from ..edit.settings import Edit, Weights
from ..network.protocol import Network
from ..report.results import Result
from .folder import Folder
from .plan import Plan, Run
from .settings import Running

Gathered = Callable[[Edit], Material]
NUMBERS = {
    "weights": Weights(),
    "learning_rate": None,
    "strength": (1.0,),
    "noise": 0.0,
    "seed": 0,
    "steps": 1,
    "optimizer": "adam",
    "paste_back": False,
    "term_weights": (),
}
"""Fields that a material does not depend on, so that runs which differ in these alone share it."""
NOTHING = np.zeros((0, 0, 3), np.float32)


class Ready(NamedTuple):
    """A run that can be solved; its problem lies with those of its batch."""

    run: Run
    request: Request
    material: Material
    seconds: float
    """What it took to prepare."""


def gatherer(plan: Plan, network: Network) -> Gathered:
    """`material.gather`, remembering the latest faces: the settings of a pair follow on each other."""

    @functools.lru_cache(2)
    def gathered(options: Edit) -> Material:
        return gather(resolve(options, plan.own), network, plan.pool(options))

    return gathered


def prepare(plan: Plan, network: Network, run: Run, gathered: Gathered) -> tuple[Ready, Problem]:
    """Read a run's pictures and make its problem.

    Raises:
        ValueError, OSError: whatever is wrong with this run.
    """
    began = time.perf_counter()
    request = plan.request(run)
    material = gathered(dataclasses.replace(request.options, **NUMBERS))
    problem = assemble(request, network, material)
    lean = _lean(material, request.options)
    return Ready(run, request, lean, time.perf_counter() - began), problem


def _lean(material: Material, edit: Edit) -> Material:
    """What is needed to finish: photos and directions of a large batch would fill the memory."""
    reference = (
        material.reference if edit.paste_back else material.reference._replace(photo=NOTHING)
    )
    source = material.source._replace(
        direction={}, guides=tuple(face._replace(photo=NOTHING) for face in material.source.guides)
    )
    return Material(reference, source, material.masks)


def failure(plan: Plan, run: Run, error: BaseException) -> Result:
    """The result of a run that something was wrong with."""
    known = isinstance(error, ValueError | OSError)
    return _result(
        plan, run, f"{'' if known else f'{type(error).__name__}: '}{' '.join(str(error).split())}"
    )


def complete(
    plan: Plan,
    network: Network,
    folder: Folder,
    ready: Ready,
    solution: Solution,
    seconds: float,
    running: Running,
) -> Result:
    """Finish a solved run and write its files.

    Raises:
        OSError: they cannot be written.
    """
    began, run = time.perf_counter(), ready.run
    finished = finish(ready.request, network, ready.material, solution.image)
    total, parts = losses(solution)
    measured = int(np.isfinite(solution.trace["total"]).sum())
    error = (
        None
        if solution.status == "ok"
        else f"not finite from step {measured + 1} of {ready.request.options.steps} on; the picture is the best one before"
    )
    made = _result(plan, run, error)._replace(
        loss=total,
        parts=parts,
        metrics=finished.scores,
        guides=chosen_guides(ready.material.source.chosen),
        notes=list(ready.material.notes),
        image=folder.save_image(run.id, finished.written),
        trace=folder.save_trace(run.id, solution.trace) if running.traces else None,
        frames=folder.file("frames", run.id, "") if running.frames_every else None,
    )
    if running.faces:
        reference, guides = ready.material.reference, ready.material.source.guides
        before = reference.photo if ready.request.options.paste_back else reference.image
        made = made._replace(
            before=folder.save_face(before),
            shown=tuple(folder.save_face(guide.image) for guide in guides),
        )
    spent = {"prepare": ready.seconds, "run": seconds, "finish": time.perf_counter() - began}
    return made._replace(seconds={name: round(value, 4) for name, value in spent.items()})


def _result(plan: Plan, run: Run, error: str | None) -> Result:
    pair, point = plan.pairs[run.pair], plan.points[run.point]
    grid = {
        name: value[0] if name == "strength" and isinstance(value, tuple) else _text(value)
        for name, value in point.items()
    }
    return Result(
        run.id,
        pair.name,
        "failed" if error else "ok",
        error,
        pair.columns,
        grid,
        {},
        {},
        {},
        {},
        [],
        [],
        None,
        None,
    )


def _text(value: object) -> object:
    """A value as it is written in tables."""
    return (
        ";".join(map(str, value))
        if isinstance(value, tuple)
        else str(value)
        if isinstance(value, Path)
        else value
    )
