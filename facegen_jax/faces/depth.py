"""The range of deep grey pixels, found by rule: 8 to 16 bits in 16, floats of 0 to 1 or 0 to 255.

A picture is refused where no rule can tell, because a guess would make it white or black.
"""

from typing import NamedTuple

import numpy as np
import PIL.Image
from jaxtyping import Bool, Float, Shaped

OVERSHOOT = 0.05
"""Resampling leaves floats up to this fraction of the range outside of it; they are clipped."""
DIMMEST = 16
"""Numbers of 0 to 255 are as bright as this somewhere; darker ones could be anything."""
FULL, QUARTER = 65535, 16383


class DepthError(ValueError):
    """Pixels whose range no rule can tell; one line, without the file's name."""


class Unit(NamedTuple):
    """Pixels from 0 to 1, and how they were read."""

    values: Float[np.ndarray, "height width"]
    note: str | None = None
    """What was unusual about it."""


def unit(
    values: Shaped[np.ndarray, "height width"], top: int | None = None, full: int = FULL
) -> Unit:
    """Scale deep pixels to [0, 1].

    Args:
        values: integers of 16 or 32 bits, or floats, as the file has them.
        top: value of white, if the file states it.
        full: largest value of the file's 16 bits, less if they are signed.

    Raises:
        DepthError: pixels that are not finite or negative, or a range that no rule can tell.
    """
    if np.issubdtype(values.dtype, np.floating):
        white, note = _white_of_floats(values)
    else:
        white, note = _white_of_integers(values, top, full)
    return Unit(np.clip(values.astype(np.float32) / np.float32(white), 0, 1), note)


def transparent(picture: PIL.Image.Image) -> Bool[np.ndarray, "height width"] | None:
    """Return where pixels are transparent: at the one value that a PNG names; None without."""
    value = picture.info.get("transparency")
    return np.asarray(picture) == value if isinstance(value, int) else None


def _white_of_floats(values: np.ndarray) -> tuple[float, str | None]:
    bad = values.size - int(np.isfinite(values).sum())
    if bad:
        raise DepthError(f"{bad} of {values.size} pixels are NaN or infinite; replace them")
    low, high = float(values.min()), float(values.max())
    for white in (1.0, 255.0, float(FULL)):
        fits = -OVERSHOOT * white <= low and high <= (1 + OVERSHOOT) * white
        if not fits or not _bright_enough(values, high, white):
            continue
        clipped = f", clipped from {low:.4g} to {high:.4g}" if low < 0 or high > white else ""
        unusual = white > 1 or clipped
        return white, f"read as floats from 0 to {white:g}{clipped}" if unusual else None
    raise DepthError(
        f"floats from {low:.4g} to {high:.4g}, neither 0 to 1 nor 0 to 255; scale them to 0 to 1"
    )


def _bright_enough(values: np.ndarray, high: float, white: float) -> bool:
    """Return whether floats can be meant for this range, and not for a smaller one with highlights
    beyond its white."""
    if white == 1:
        return True
    if white == FULL:
        return high > QUARTER
    return high >= DIMMEST and float(np.median(values[values > 0])) > 1


def _white_of_integers(values: np.ndarray, top: int | None, full: int) -> tuple[int, str | None]:
    low, high = int(values.min()), int(values.max())
    if low < 0:
        raise DepthError(f"whole numbers from {low} to {high}; expected 0 to 65535, scale them")
    if top is not None and high <= top:
        bits = top.bit_length()
        return top, f"read as {bits} bits, as the file says" if top < FULL else None
    if high <= 1:
        return (1, "read as 0 and 1") if high else (full, None)
    if DIMMEST <= high <= 255:
        return 255, f"read as 8 bits: no value is above {high}"
    if 1023 < high <= 4095:
        return 4095, f"read as 12 bits: no value is above {high}"
    if 4095 < high <= full:
        dark = (
            f"read as {full.bit_length()} bits, though no value is above {high}: dark if it has 14"
        )
        white = _aligned_white(values) if full == FULL else full
        return white, dark if high <= QUARTER else None
    if 2**30 < high < 2**31:
        return 2**31 - 1, "read as 31 bits"
    raise DepthError(
        f"whole numbers up to {high}, whose range is not clear; scale them to 0 to 65535, or save "
        "the picture with 8 bits"
    )


def _aligned_white(values: np.ndarray) -> int:
    """Return white of values that fill 16 bits from the top: 65520 if they all are multiples of 16,
    as 12 bits are."""
    used = int(np.bitwise_or.reduce(values, axis=None))
    unused = (used & -used).bit_length() - 1
    return FULL + 1 - 2**unused if unused <= 8 else FULL
