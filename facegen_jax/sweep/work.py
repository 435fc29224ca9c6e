"""Single runs of a sweep: preparing one for a batch, and what a failed one results in."""

import dataclasses
import time
from pathlib import Path
from typing import NamedTuple

from ..edit import stacking
from ..edit.calibration import NEUTRAL
from ..edit.material import Material, gather
from ..edit.recall import Recall
from ..edit.request import Request, resolve
from ..edit.stacking import Prepared
from ..network.protocol import Network
from ..report.result import Result
from .plan import Plan, Run


class Ready(NamedTuple):
    """A run that can be solved together with others of its kind."""

    run: Run
    request: Request
    material: Material
    prepared: Prepared
    seconds: float
    """Time spent on preparing it."""
    factor: float | None = None
    """What calibration multiplied its strength by."""


def prepare(plan: Plan, network: Network, run: Run, recall: Recall) -> Ready:
    """Read a run's images and find its attribute; `recall` has what earlier runs share with it.

    Raises:
        ValueError, OSError: the run's options or files are wrong.
    """
    began = time.perf_counter()
    request = plan.request(run)
    options, pool = request.options, plan.pool(request.options)
    neutral = dataclasses.replace(options, **{**NEUTRAL, "paste_back": options.paste_back})

    def make() -> Material:
        return gather(resolve(neutral, plan.own), network, pool, recall)

    material = recall(neutral, make)
    prepared = stacking.prepare(request, network, material)
    recall(prepared.kind, lambda: stacking.check(network, prepared))
    return Ready(run, request, material, prepared, time.perf_counter() - began)


def failure(plan: Plan, run: Run, error: BaseException) -> Result:
    """Return the result of a run that raised an error."""
    message = " ".join(str(error).split())
    if not isinstance(error, ValueError | OSError):  # unexpected, so its type helps
        message = f"{type(error).__name__}: {message}"
    return blank(plan, run, message)


def blank(plan: Plan, run: Run, error: str | None) -> Result:
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
