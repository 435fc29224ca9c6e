"""Calibration of a batch: a trial for each face, which all settings of that face share."""

import math
from dataclasses import replace

import jax
import numpy as np

from ..descent.problem import Problem, amplified
from ..edit.calibration import NEUTRAL, Case, applies, factors
from ..edit.settings import Edit, Jitter
from .job import Job
from .work import Ready


def calibrated(job: Job, ready: list[Ready], problems: Problem) -> tuple[list[Ready], Problem]:
    """Return a batch's runs with their factors, and the stacked problems multiplied by them.

    Trials are padded as the batch is, so that a resumed sweep rounds as before.
    """
    keys = [_key(job, each) for each in ready]
    rows = {key: row for row, key in reversed(list(enumerate(keys))) if key is not None}
    if not rows:
        return ready, problems
    new, size = {key: row for key, row in rows.items() if key not in job.factors}, len(problems[0])
    if new:
        chosen = list(new.values())
        cases = [Case(ready[row].request, ready[row].material) for row in chosen]
        index = np.array(chosen + [chosen[-1]] * (size - len(chosen)))
        some = jax.tree.map(lambda leaf: leaf[index], problems)
        found = dict(zip(new, factors(cases, job.network, some), strict=True))
        kept = {key: factor for key, factor in job.factors.items() if key in rows}
        job.factors.clear()
        job.factors.update(kept | found)
    measured = [None if key is None else job.factors[key] for key in keys]
    numbers = np.ones(size, np.float32)
    numbers[: len(ready)] = [1.0 if each is None else each for each in measured]
    pairs = zip(ready, measured, strict=True)
    return [each._replace(factor=factor) for each, factor in pairs], amplified(problems, numbers)


def _key(job: Job, ready: Ready) -> Edit | None:
    """Return what a run's factor depends on; None if it is not calibrated."""
    request = ready.request
    if not applies(request, job.network, ready.material):
        return None
    sign = math.copysign(1, request.options.strength[0])
    return replace(request.options, **{**NEUTRAL, "strength": (sign,), "jitter": Jitter()})
