"""Faces chosen by hand: by rank, by landmarks, or by a box; places that cannot be a face's are
refused."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..types import Image
from .detector import Landmarks, can_detect, detect
from .geometry import TEMPLATE, misfit

MAX_MISFIT = 0.5
"""Landmarks given by hand with a larger misfit to the template are not a face, or not in order. The
largest misfit of 7,000 detected LFW faces is 0.35."""
FRACTIONS = (-0.5, 1.5)
"""Coordinates in this range are fractions of the picture: no face is as small in pixels."""
LEAST_INSIDE, ALL_INSIDE = 0.5, 0.9
"""Shares of a box, or of landmarks, inside the picture: below the first they are refused, below the
second remarked on; faces at the border reach out of it."""
BESIDE = 0.5
"""Root mean square distance between landmarks, in distances between the eyes, from which on they
are not the same face's."""


class AlignError(ValueError):
    """A face that cannot be located; the message names the file and the remedy."""


class Pick(NamedTuple):
    """Which face of a photo to use, if not the largest, or where it is, if detection fails."""

    number: int = 1
    """Rank by size; 1 is the largest."""
    landmarks: Landmarks | None = None
    """Landmarks given by hand; they replace detection."""
    box: tuple[float, float, float, float] | None = None
    """Face box given by hand (left, top, right, bottom); landmarks are located inside it."""

    @property
    def points(self) -> Float[np.ndarray, "points 2"] | None:
        """The landmarks, or the corners of the box; None if nothing was given by hand."""
        if self.landmarks is not None:
            return self.landmarks
        return np.reshape(self.box, (2, 2)).astype(float) if self.box else None

    @property
    def option(self) -> str:
        """The option that gives them."""
        return "--box" if self.landmarks is None else "--landmarks"


def check_place(pick: Pick, path: Path, shape: tuple[int, ...]) -> str | None:
    """Compare a place given by hand with the picture; return a remark if a part lies outside.

    Args:
        pick: the face.
        path: the image file, for messages.
        shape: of the photo, height and width first.

    Raises:
        AlignError: fractions in place of pixels, or a place of which most lies outside.
    """
    points = pick.points
    if points is None:
        return None
    size = np.array(shape[1::-1])
    if FRACTIONS[0] <= points.min() and points.max() <= FRACTIONS[1]:
        given, meant = (
            _numbers(each, form) for each, form in ((points, "g"), (points * size, ".0f"))
        )
        raise AlignError(
            f"{path}: {pick.option} {given} is in fractions of the picture (normalised); expected "
            f"pixels, {meant} in its {size[0]}x{size[1]}"
        )
    share, what = _inside(points, size)
    if share < LEAST_INSIDE:
        beside = "lies beside" if share == 0 else f"lies outside, with {what} inside,"
        raise AlignError(
            f"{path}: {pick.option} {_numbers(points, 'g')} {beside} the picture of "
            f"{size[0]}x{size[1]} pixels"
        )
    if share < ALL_INSIDE:
        return f"{pick.option} has only {what} inside the picture"
    return None


def check_face(
    landmarks: Landmarks, pick: Pick, path: Path, photo: Image | None = None
) -> str | None:
    """Compare landmarks from a place given by hand with a face's; return a remark if the faces that
    detection finds are elsewhere.

    Args:
        landmarks: those given by hand, or those located in the box.
        pick: the face.
        path: the image file, for messages.
        photo: its content; None does without detection.

    Raises:
        AlignError: the landmarks do not form a face.
    """
    if pick.points is None:
        return None
    if not misfit(landmarks, TEMPLATE) <= MAX_MISFIT:
        raise AlignError(
            f"{path}: no face in the box {pick.box}; expected left, top, right and bottom of a "
            "face in pixels, or give --landmarks"
            if pick.landmarks is None
            else f"{path}: --landmarks do not form a face; expected outer and inner corner of the "
            "eye on the image's right, outer and inner corner of the eye on its left, and base of "
            "the nose"
        )
    found = detect(photo) if photo is not None and can_detect() else []
    if not found:
        return None
    nearest = min(found, key=lambda face: _distance(landmarks, face))
    if _distance(landmarks, nearest) < BESIDE:
        return None
    x, y = nearest.mean(0)
    return (
        f"{pick.option} does not fit the face that is found around {x:.0f}, {y:.0f}; what it names "
        "is edited"
    )


def _distance(landmarks: Landmarks, face: Landmarks) -> float:
    """Return how far landmarks are from a face's, in distances between its eyes."""
    eyes = face[:2].mean(0) - face[2:4].mean(0)
    return float(np.sqrt(np.square(landmarks - face).sum(-1).mean()) / np.hypot(*eyes))


def _inside(points: Float[np.ndarray, "points 2"], size: np.ndarray) -> tuple[float, str]:
    """Return the share of a box (two corners) or of landmarks inside the picture, also in words."""
    if len(points) == 2:
        before, after = (
            np.prod(np.ptp(each, axis=0)) for each in (points, np.clip(points, 0, size))
        )
        share = float(after / before) if before > 0 else 0.0
        return share, f"{share:.0%} of it"
    count = int(((points >= 0) & (points <= size)).all(-1).sum())
    return count / len(points), f"{count} of {len(points)} landmarks"


def _numbers(points: np.ndarray, form: str) -> str:
    return " ".join(format(each, form) for each in points.ravel())
