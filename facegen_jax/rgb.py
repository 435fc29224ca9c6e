"""Images in memory, as users hand them over: RGB, float, in [0, 1]."""

import sys
from typing import Any

import numpy as np

OUT_OF_RANGE = 1e-3
"""How far values may lie outside of [0, 1], from resampling."""


def check_image(image: Any, name: str, *, batch: bool = False) -> None:
    """Check shape, type and range of an image, or of a batch where one may be given.

    JAX is not imported: processes that only read photos do without it.

    Raises:
        ValueError: says what was expected, what came, and what to do.
    """
    shape = "height x width x 3, or a batch of those" if batch else "height x width x 3"
    expected = f"{name} must be RGB, float, in [0, 1], {shape}"
    remedy = "fg.load_image reads files so; arrays of 0-255 are divided by 255"
    if not isinstance(image, np.ndarray) and not _is_jax(image):
        raise ValueError(f"{expected}, not a {type(image).__name__}; {remedy}")
    if image.ndim not in (3, 3 + batch) or image.shape[-1] != 3:
        raise ValueError(f"{expected}, not of shape {image.shape}; {remedy}")
    if not image.dtype.name.startswith(("float", "bfloat")):
        raise ValueError(f"{expected}, not {image.dtype}; {remedy}")
    try:
        low, high = float(np.min(image)), float(np.max(image))
    except TypeError:  # a traced image has no values yet
        return
    if not (low >= -OUT_OF_RANGE and high <= 1 + OUT_OF_RANGE):
        values = f"values from {low:.4g} to {high:.4g}" if low <= high else "values that are NaN"
        raise ValueError(f"{expected}, not {values}; {remedy}")


def _is_jax(image: object) -> bool:
    return "jax" in sys.modules and isinstance(image, sys.modules["jax"].Array)
