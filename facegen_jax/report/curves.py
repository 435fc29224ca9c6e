"""Loss curves read from traces, thinned for display."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ..stored import StoredError, read_arrays

POINTS = 48
"""Points of a curve on the page."""
LEVELS = 254
"""Levels of a packed curve: one byte for each point, and one more value for missing points."""
FLOOR = 1e-4
"""Fraction of its maximum below which a packed curve is flat. Many terms start at zero, which a
logarithmic axis cannot show."""


class Curves(NamedTuple):
    """The losses of one run."""

    steps: Int[np.ndarray, " points"]
    terms: Mapping[str, Float[np.ndarray, " points"]]
    """The total and each unweighted term; NaN from the step at which the run was frozen."""


def load_curves(path: Path, points: int | None = None) -> Curves | None:
    """Read a trace, thinned to `points` steps if given; return None if it cannot be read."""
    try:
        stored = read_arrays(path)
    except StoredError:
        return None
    if any(values.dtype.kind not in "fiu" for values in stored.values()):
        return None
    terms = {name: values.astype(np.float64) for name, values in stored.items()}
    shapes = {values.shape for values in terms.values()}
    if len(shapes) != 1 or len(shape := shapes.pop()) != 1 or not shape[0]:
        return None
    count = min(points or shape[0], shape[0])
    steps = np.unique(np.linspace(0, shape[0] - 1, count).round().astype(int))
    return Curves(steps, {name: values[steps] for name, values in terms.items()})


def pack(curves: Curves) -> dict[str, list]:
    """Encode each term as [minimum, maximum, levels].

    The levels are one byte for each point, base64-encoded, on a logarithmic scale from minimum to
    maximum; `LEVELS` marks a point that is not finite.
    """
    return {name: _pack(values) for name, values in curves.terms.items()}


def _pack(values: Float[np.ndarray, " points"]) -> list:
    finite = np.isfinite(values)
    top = float(values[finite].max(initial=0))
    if FLOOR * top <= 0:  # also of the smallest numbers that there are
        return [0, 0, ""]
    floor = max(float(values[finite].min()), FLOOR * top)
    clipped = np.maximum(np.where(finite, values, floor), floor)
    height = np.log(clipped / floor) / max(np.log(top / floor), 1e-9)
    levels = np.where(finite, np.round(height * (LEVELS - 1)), LEVELS).astype(np.uint8)
    return [float(f"{floor:.4g}"), float(f"{top:.4g}"), base64.b64encode(levels.tobytes()).decode()]
