"""Named parts of a face as soft masks: drawn on the template, moved with the landmarks.

The five landmarks say where eyes and nose are; mouth, jaw, brows and hair are where they usually lie from there. Region names join with `+`.
"""

import numpy as np

from ..types import Mask
from .align import TEMPLATE, affine
from .detector import Landmarks

ELLIPSES = {
    "mouth": ((0.5, 0.735, 0.18, 0.11),),
    "eyes": ((0.345, 0.435, 0.155, 0.115), (0.655, 0.435, 0.155, 0.115), (0.5, 0.42, 0.1, 0.07)),
    "brows": ((0.345, 0.345, 0.15, 0.06), (0.655, 0.345, 0.15, 0.06)),
    "nose": ((0.5, 0.56, 0.115, 0.17),),
    "cheeks": ((0.3, 0.65, 0.12, 0.15), (0.7, 0.65, 0.12, 0.15)),
    "jaw": ((0.5, 0.81, 0.27, 0.18),),
    "face": ((0.5, 0.57, 0.36, 0.46),),
}
"""Middle and radii of each part's ellipses, as fractions of the template's side; `hair` is what lies above and beside the face."""
NAMES = (*ELLIPSES, "hair")
SOFTNESS = 0.06
"""Width of a border, as a fraction of the template's side."""


class RegionError(ValueError):
    """An unknown region; the message lists the known ones."""


def check(name: str) -> tuple[str, ...]:
    """The regions that a name joins."""
    names = tuple(part.strip().lower() for part in name.split("+"))
    for part in names:
        if part not in NAMES:
            raise RegionError(
                f"unknown region {part!r}; known are {', '.join(NAMES)}, joined with +, and none"
            )
    return names


def region(name: str, size: int, points: Landmarks | None = None) -> Mask:
    """Soft mask of a part of the face, 1 inside and 0 outside, or of several joined with `+`.

    Args:
        name: of `NAMES`, such as `mouth` or `mouth+cheeks`.
        size: side of the working picture in pixels.
        points: the face's landmarks on it; those of the template where they are not known.
    """
    y, x = np.indices((size, size)).astype(float)
    place = affine((TEMPLATE * size - 0.5) if points is None else points, TEMPLATE)
    x, y = np.tensordot(place, np.stack([x, y, np.ones_like(x)]), 1)
    masks = [
        _hair(x, y)
        if part == "hair"
        else np.max([_ellipse(x, y, *each) for each in ELLIPSES[part]], 0)
        for part in check(name)
    ]
    return np.max(masks, 0).astype(np.float32)


def _ellipse(
    x: np.ndarray, y: np.ndarray, middle_x: float, middle_y: float, width: float, height: float
) -> np.ndarray:
    distance = np.hypot((x - middle_x) / width, (y - middle_y) / height)
    return _smooth(0.5 + (1 - distance) * np.sqrt(width * height) / SOFTNESS)


def _hair(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Above the brows and beside the face, down to the ears."""
    forehead = _ellipse(x, y, 0.5, 0.6, 0.33, 0.37)
    return (
        (1 - forehead)
        * _smooth(0.5 + (0.75 - y) / (2 * SOFTNESS))
        * _ellipse(x, y, 0.5, 0.4, 0.55, 0.6)
    )


def _smooth(ramp: np.ndarray) -> np.ndarray:
    """From 0 to 1 without a corner."""
    ramp = np.clip(ramp, 0, 1)
    return ramp * ramp * (3 - 2 * ramp)
