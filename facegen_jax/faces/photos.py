"""Faces wanted from photos, as values that other processes can read by.

This module and what it imports work without JAX.
"""

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from . import align
from .align import Face, Pick
from .detector import Landmarks

NO_PHOTO = np.zeros((0, 0, 3), np.float32)


class Wanted(NamedTuple):
    """A face to read; hashes by value."""

    path: Path
    size: int
    """Side of the crop in pixels."""
    mode: Literal["auto", "none"]
    number: int = 1
    landmarks: tuple[float, ...] = ()
    """Ten numbers by hand."""
    box: tuple[float, ...] = ()
    onto: tuple[float, ...] = ()
    """Landmarks in the crop to match, in place of the template's."""
    photo: bool = False
    """Keep the uncropped photo, which may be large."""

    @property
    def search(self) -> "Wanted":
        """What detection depends on; equal for faces that share its outcome."""
        return self._replace(size=0, onto=(), photo=False)


class Found(NamedTuple):
    """What looking for a face came to, for reading it again without looking."""

    landmarks: Landmarks
    note: str | None


def read(wanted: Wanted, found: Found | None = None) -> Face:
    """Read a face; see `align.load_face`.

    `found` is what `outcome` returned of the same search.
    """
    onto, by_hand = _points(wanted.onto), _points(wanted.landmarks)
    if found:
        # The centre is never cropped: it only keeps the landmarks from being checked as by hand.
        pick = Pick(landmarks=found.landmarks)
        face = align.load_face(wanted.path, wanted.size, wanted.mode, pick, onto=onto, centre=True)
        face = face._replace(note=found.note)
    else:
        left, top, right, bottom = wanted.box or (0, 0, 0, 0)
        box = (left, top, right, bottom) if wanted.box else None
        pick = Pick(wanted.number, by_hand, box)
        face = align.load_face(wanted.path, wanted.size, wanted.mode, pick, onto=onto)
    return face if wanted.photo else face._replace(photo=NO_PHOTO)


def outcome(wanted: Wanted, face: Face) -> Found | None:
    """Return what was found; None where nothing was looked for."""
    if wanted.landmarks or face.landmarks is None:
        return None
    return Found(face.landmarks, face.note)


def flat(points: Landmarks | None) -> tuple[float, ...]:
    """Return landmarks as ten numbers; none for None."""
    return () if points is None else tuple(map(float, points.ravel()))


def _points(numbers: tuple[float, ...]) -> Landmarks | None:
    return np.array(numbers).reshape(5, 2) if numbers else None
