"""Soft masks of the regions of a face, drawn on the template and moved with the landmarks.

The five landmarks fix eyes and nose; mouth, jaw, brows and hair are drawn at their usual positions
relative to those. Region names are joined with `+`.
"""

import numpy as np

from ..types import Mask
from .detector import Landmarks
from .geometry import TEMPLATE, affine

ELLIPSES = {
    "mouth": ((0.5, 0.735, 0.18, 0.11),),
    "eyes": ((0.345, 0.435, 0.155, 0.115), (0.655, 0.435, 0.155, 0.115), (0.5, 0.42, 0.1, 0.07)),
    "brows": ((0.345, 0.345, 0.15, 0.06), (0.655, 0.345, 0.15, 0.06)),
    "nose": ((0.5, 0.56, 0.115, 0.17),),
    "cheeks": ((0.3, 0.65, 0.12, 0.15), (0.7, 0.65, 0.12, 0.15)),
    "jaw": ((0.5, 0.81, 0.27, 0.18),),
    "face": ((0.5, 0.57, 0.36, 0.46),),
}
"""Ellipses of each region: centre x, y and radii, as fractions of the template's side. `hair`, the
area above and beside the face, is drawn by `_hair`."""
NAMES = (*ELLIPSES, "hair")
SOFTNESS = 0.06
"""Width of a region's soft border, as a fraction of the template's side."""


class RegionError(ValueError):
    """An unknown region; the message lists the known ones."""


def parse_names(names: str) -> tuple[str, ...]:
    """Split region names joined with `+`; raise a RegionError for unknown ones."""
    regions = tuple(name.strip().lower() for name in names.split("+"))
    for name in regions:
        if name not in NAMES:
            raise RegionError(
                f"unknown region {name!r}; expected {', '.join(NAMES)}, several joined with +, "
                "or none"
            )
    return regions


def region(names: str, size: int, points: Landmarks | None = None) -> Mask:
    """Return the soft mask of one or more regions: 1 inside, 0 outside.

    Args:
        names: one of `NAMES`, or several joined with `+`, such as `mouth` or `mouth+cheeks`.
        size: side of the crop in pixels.
        points: landmarks in the crop; None uses the template's.

    Raises:
        RegionError: an unknown name.
    """
    y, x = np.indices((size, size)).astype(float)
    to_template = affine((TEMPLATE * size - 0.5) if points is None else points, TEMPLATE)
    x, y = np.tensordot(to_template, np.stack([x, y, np.ones_like(x)]), 1)
    masks = [_draw(name, x, y) for name in parse_names(names)]
    return np.max(masks, 0).astype(np.float32)


def _draw(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if name == "hair":
        return _hair(x, y)
    return np.max([_ellipse(x, y, *ellipse) for ellipse in ELLIPSES[name]], 0)


def _ellipse(
    x: np.ndarray, y: np.ndarray, centre_x: float, centre_y: float, radius_x: float, radius_y: float
) -> np.ndarray:
    distance = np.hypot((x - centre_x) / radius_x, (y - centre_y) / radius_y)
    return _smoothstep(0.5 + (1 - distance) * np.sqrt(radius_x * radius_y) / SOFTNESS)


def _hair(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Draw the area above the brows and beside the face, down to the ears."""
    forehead = _ellipse(x, y, 0.5, 0.6, 0.33, 0.37)
    above = _smoothstep(0.5 + (0.75 - y) / (2 * SOFTNESS))
    return (1 - forehead) * above * _ellipse(x, y, 0.5, 0.4, 0.55, 0.6)


def _smoothstep(ramp: np.ndarray) -> np.ndarray:
    """Clip to [0, 1] and ease in and out."""
    ramp = np.clip(ramp, 0, 1)
    return ramp * ramp * (3 - 2 * ramp)
