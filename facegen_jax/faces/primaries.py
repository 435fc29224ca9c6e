"""Colour spaces given by primaries and a transfer function, converted to sRGB.

Cameras and PNG files name such spaces without an ICC profile.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..types import Image, NewImage

D65 = (0.3127, 0.3290)
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
"""XYZ to the cone responses in which white is adapted (Lam 1985)."""

LEAST_AREA = 0.01
"""Twice the area of the triangle of primaries in x and y; sRGB's is 0.22."""
LARGEST_SUM = 1.01
"""Of x and y, which leave 1 - x - y for z, up to rounding."""
PIECE = 3_000_000
"""Numbers that are converted at once."""


class Space(NamedTuple):
    """An RGB colour space."""

    name: str
    primaries: tuple[float, ...] = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
    """Chromaticities x, y of red, green and blue; sRGB's by default."""
    white: tuple[float, float] = D65
    gamma: float | None = None
    """Exponent from values to light; None is sRGB's transfer function."""


ADOBE_RGB = Space("Adobe RGB", (0.64, 0.33, 0.21, 0.71, 0.15, 0.06), gamma=563 / 256)
CODED = {
    1: Space("sRGB"),
    9: Space("BT.2020", (0.708, 0.292, 0.170, 0.797, 0.131, 0.046)),
    12: Space("Display P3", (0.680, 0.320, 0.265, 0.690, 0.150, 0.060)),
}
"""Spaces by the code of their primaries in ITU-T H.273."""
SRGB_CODES = (1, 6, 13, 14, 15)
"""Transfer functions in ITU-T H.273 that are sRGB's, or those of video, which are shown alike."""


def to_srgb(image: Image, space: Space) -> NewImage:
    """Convert an image to sRGB; colours beyond sRGB's are clipped."""
    matrix = np.linalg.inv(_to_xyz(Space("sRGB"))) @ _to_xyz(space)

    def converted(rows: np.ndarray) -> np.ndarray:
        light = _decoded(rows.astype(float), space.gamma) @ matrix.T
        return _encoded(np.clip(light, 0, 1)).astype(np.float32)

    # Piece by piece: a photo of 24 megapixels takes gigabytes in double precision.
    pieces = np.array_split(np.asarray(image), 1 + np.size(image) // PIECE)
    return np.concatenate([converted(piece) for piece in pieces])


def is_srgb(space: Space) -> bool:
    """Return whether a space is sRGB, or too near to tell."""
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 5)] * 3), -1).reshape(1, -1, 3)
    return float(np.abs(to_srgb(grid.astype(np.float32), space) - grid).max()) < 2.5 / 255


def is_possible(space: Space) -> bool:
    """Return whether a space's primaries enclose its white, as a file's numbers may fail to do."""
    points = np.array([*zip(*[iter(space.primaries)] * 2, strict=True), space.white], float)
    corners = np.vstack([points.T, np.ones(4)])
    if points[:, 1].min() <= 0 or points.sum(1).max() > LARGEST_SUM:
        return False
    if abs(np.linalg.det(corners[:, :3])) < LEAST_AREA:
        return False
    return float(np.linalg.solve(corners[:, :3], corners[:, 3]).min()) > 0


def _to_xyz(space: Space) -> Float[np.ndarray, "3 3"]:
    """Return the matrix from a space's linear RGB to XYZ under D65."""
    columns = np.stack([_xyz(x, y) for x, y in zip(*[iter(space.primaries)] * 2, strict=True)], 1)
    white = _xyz(*space.white)
    adapted = (BRADFORD @ _xyz(*D65)) / (BRADFORD @ white)
    adaptation = np.linalg.inv(BRADFORD) @ np.diag(adapted) @ BRADFORD
    return adaptation @ (columns * np.linalg.solve(columns, white))


def _xyz(x: float, y: float) -> Float[np.ndarray, "3"]:
    return np.array([x / y, 1, (1 - x - y) / y])


def _decoded(values: np.ndarray, gamma: float | None) -> np.ndarray:
    if gamma is not None:
        return values**gamma
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _encoded(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
