"""Losses of every step, thinned for looking at."""

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ..files import UNREADABLE

POINTS = 48
"""Steps that a page shows of a curve."""
LEVELS = 254
"""Heights that a curve of a page tells apart: one byte each, and one more for what is missing."""
DEPTH = 1e-4
"""Of its highest value, below which a curve of a page is flat: many terms begin at zero, and their axis is logarithmic."""


class Curves(NamedTuple):
    """Losses of one run."""

    steps: Int[np.ndarray, " points"]
    terms: Mapping[str, Float[np.ndarray, " points"]]
    """The total and each unweighted term; not a number from where a run was frozen."""


def load_curves(path: Path, points: int | None = None) -> Curves | None:
    """Read a trace, all steps or so many of them; nothing where there is none that can be read."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            terms = {name: np.asarray(stored[name], np.float64) for name in stored.files}
    except UNREADABLE:
        return None
    lengths = {values.shape for values in terms.values()}
    if len(lengths) != 1 or len(shape := lengths.pop()) != 1 or not shape[0]:
        return None
    steps = np.unique(
        np.linspace(0, shape[0] - 1, min(points or shape[0], shape[0])).round().astype(int)
    )
    return Curves(steps, {name: values[steps] for name, values in terms.items()})


def packed(curves: Curves) -> dict[str, list]:
    """Each term as smallest and largest value and a byte for each point between them on a logarithmic scale, in base 64."""
    return {name: _packed(values) for name, values in curves.terms.items()}


def _packed(values: Float[np.ndarray, " points"]) -> list:
    finite = np.isfinite(values)
    top = float(values[finite].max(initial=0))
    if top <= 0:
        return [0, 0, ""]
    floor = max(float(values[finite].min()), DEPTH * top)
    height = np.log(
        np.clip(values, floor, None, where=finite, out=np.full_like(values, floor)) / floor
    ) / max(np.log(top / floor), 1e-9)
    codes = np.where(finite, np.round(height * (LEVELS - 1)), LEVELS).astype(np.uint8)
    return [float(f"{floor:.4g}"), float(f"{top:.4g}"), base64.b64encode(codes.tobytes()).decode()]
