"""Geometry between a photo and the square crop the network sees: landmarks, placements, warps.

The template is specific to this project: hairline and chin both fit inside the crop.
"""

import numpy as np
from jaxtyping import Float

from ..types import AnyArray, Image, NewImage
from .detector import Landmarks
from .image import centre_square, resize, warp

Placement = Float[np.ndarray, "2 3"]
"""Affine map from a photo's pixel coordinates `(x, y, 1)` to those of the crop."""

TEMPLATE = np.array([[0.703, 0.42], [0.587, 0.42], [0.297, 0.42], [0.413, 0.42], [0.5, 0.668]])
"""Positions of the five landmarks in an aligned crop, as fractions of its side."""


def similarity(source: Landmarks, target: Landmarks) -> Placement:
    """Fit the rotation, scale and shift that bring `source` closest to `target` (least squares).

    Reference: Umeyama, Least-squares estimation of transformation parameters between two point
    patterns, 1991. In the plane the problem is linear in (a, b, x, y) of [[a, -b, x], [b, a, y]].
    """
    x, y = source.T
    one, zero = np.ones_like(x), np.zeros_like(x)
    equations = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    (a, b, shift_x, shift_y), *_ = np.linalg.lstsq(equations, target.T.reshape(-1), rcond=None)
    return np.array([[a, -b, shift_x], [b, a, shift_y]])


def affine(source: Landmarks, target: Landmarks) -> Placement:
    """Fit the affine map that brings `source` closest to `target` (least squares).

    Unlike `similarity`, it may stretch and shear.
    """
    homogeneous = np.column_stack([source, np.ones(len(source))])
    solution, *_ = np.linalg.lstsq(homogeneous, target, rcond=None)
    return solution.T


def transform_points(
    points: Float[np.ndarray, "points 2"], placement: Placement
) -> Float[np.ndarray, "points 2"]:
    """Map points `(x, y)` by a placement."""
    return points @ placement[:, :2].T + placement[:, 2]


def misfit(landmarks: Landmarks, target: Landmarks) -> float:
    """Return how much two face geometries differ, regardless of position, size and rotation.

    It is the RMS distance between the landmarks after the best similarity, divided by the RMS
    distance of the target's landmarks from their mean; 0 means equal.
    """
    distances = transform_points(landmarks, similarity(landmarks, target)) - target
    return float(np.sqrt(np.square(distances).sum() / np.square(target - target.mean(0)).sum()))


def to_template(image: Image, landmarks: Landmarks, size: int, *, margin: float = 0.0) -> NewImage:
    """Warp the face with these landmarks onto the template, `size` pixels square.

    `margin` widens the view by that fraction of the template's side on all four sides (training
    crops need it).
    """
    fractions = (TEMPLATE + margin) / (1 + 2 * margin)
    target = fractions * size - 0.5  # pixel centres have integer coordinates
    return warp(image, similarity(landmarks, target), (size, size))


def compute_placement(
    shape: tuple[int, ...], landmarks: Landmarks | None, size: int, onto: Landmarks | None = None
) -> Placement:
    """Return the placement of a photo in a crop of `size` pixels.

    Args:
        shape: shape of the photo, height and width first.
        landmarks: mapped onto the template, or onto `onto`; None takes the photo's centre square.
        size: side of the crop in pixels.
        onto: landmarks in the crop to match by an affine map, in place of the template.
    """
    if landmarks is None:
        side = min(shape[:2])
        corner = np.array([(shape[1] - side) // 2, (shape[0] - side) // 2])
        scale = size / side
        return np.column_stack([scale * np.eye(2), (0.5 - corner) * scale - 0.5])
    if onto is None:
        return similarity(landmarks, TEMPLATE * size - 0.5)
    return affine(landmarks, onto)


def apply_placement(
    photo: Image, landmarks: Landmarks | None, placement: Placement, size: int
) -> NewImage:
    """Crop a photo, or a mask of its size, by a placement from `compute_placement`."""
    if landmarks is None:
        return resize(centre_square(photo), (size, size))
    return warp(photo, placement, (size, size))


def paste_back(
    photo: Float[AnyArray, "rows columns 3"],
    placement: Placement,
    before: Image,
    after: Image,
    *,
    seam: float = 0.08,
) -> NewImage:
    """Add the change between two crops to the photo that they come from, at its own resolution.

    Only the change is resampled, so what did not change stays as sharp as it was.

    Args:
        photo: the uncropped photo.
        placement: maps the photo's pixels to the crop's.
        before: the crop of the photo.
        after: the edited crop.
        seam: width of the border in which the change fades out, as a fraction of the crop's side.
    """
    size = len(before)
    inverse = np.linalg.inv(np.vstack([placement, [0, 0, 1]]))[:2]
    corners = np.array([[0, 0, 1], [size, 0, 1], [0, size, 1], [size, size, 1]]) @ inverse.T
    left, top = np.maximum(np.floor(corners.min(0)), 0).astype(int)
    right, bottom = np.minimum(np.ceil(corners.max(0)) + 1, photo.shape[1::-1]).astype(int)
    inverse[:, 2] -= (left, top)
    change = (np.asarray(after) - before) * _fade(size, seam)
    # `warp` clips to [0, 1] but the change is signed, so encode it as 0.5 + change / 2. `warp` also
    # mirrors beyond the border, where the bounding box of a rotated crop reaches up to size / 2 (at
    # 45 degrees), so pad with zero change.
    frame = size // 2 + 2
    framed = np.pad(
        0.5 + change / 2, ((frame, frame), (frame, frame), (0, 0)), constant_values=0.5
    ).astype(np.float32)
    inverse[:, 2] -= inverse[:, :2] @ np.full(2, frame)
    warped = warp(framed, inverse, (int(bottom - top), int(right - left)))
    result = np.array(photo)
    result[top:bottom, left:right] = np.clip(result[top:bottom, left:right] + 2 * warped - 1, 0, 1)
    return result


def _fade(size: int, seam: float) -> Float[np.ndarray, "size size 1"]:
    """Return a smooth ramp from 0 at the border of a square to 1 beyond the seam."""
    distance = np.minimum(np.arange(size), np.arange(size)[::-1]) / (seam * size)
    ramp = np.clip(np.minimum(distance[:, None], distance[None]), 0, 1)[..., None]
    return (3 - 2 * ramp) * ramp**2
