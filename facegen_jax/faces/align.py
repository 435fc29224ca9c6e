"""Load a photo and crop its face: aligned with the template, or with another face's landmarks."""

from pathlib import Path
from typing import Literal, NamedTuple

from ..types import Image
from .detector import Landmarks, can_detect, detect, locate
from .geometry import (
    TEMPLATE,
    Placement,
    apply_placement,
    compute_placement,
    misfit,
    transform_points,
)
from .image import load

MAX_MISFIT = 0.5
"""Landmarks given by hand with a larger misfit to the template are not a face, or not in order. The
largest misfit of 7,000 detected LFW faces is 0.35."""


class Face(NamedTuple):
    """A face cropped to the working size, and the photo that it came from."""

    image: Image
    photo: Image
    """The uncropped image."""
    placement: Placement
    """Maps the photo's pixels to the crop's."""
    landmarks: Landmarks | None
    """Landmarks in the photo; None if its centre was cropped."""
    note: str | None = None
    """Message for the user if the face could not be aligned."""

    @property
    def points(self) -> Landmarks | None:
        """Landmarks in the crop."""
        return None if self.landmarks is None else transform_points(self.landmarks, self.placement)


class Pick(NamedTuple):
    """Which face of a photo to use, if not the largest, or where it is, if detection fails."""

    number: int = 1
    """Rank by size; 1 is the largest."""
    landmarks: Landmarks | None = None
    """Landmarks given by hand; they replace detection."""
    box: tuple[float, float, float, float] | None = None
    """Face box given by hand (left, top, right, bottom); landmarks are located inside it."""


class AlignError(ValueError):
    """A face that cannot be located; the message names the file and the remedy."""


def load_face(
    path: Path,
    size: int,
    mode: Literal["auto", "none"],
    pick: Pick | None = None,
    *,
    onto: Landmarks | None = None,
    centre: bool = False,
) -> Face:
    """Read an image and crop its face; crop its centre in mode `none` or without a detector.

    Args:
        path: image file.
        size: side of the crop in pixels.
        mode: auto detects a face and aligns it; none assumes that the image is aligned.
        pick: which face; by default the largest.
        onto: landmarks in the crop to match by an affine map, in place of the template.
        centre: crop the centre if no face is found, instead of raising.

    Raises:
        ImageError: the image cannot be read.
        AlignError: the face cannot be located.
    """
    photo, pick, note = load(path), pick or Pick(), None
    landmarks = pick.landmarks
    if unaligned(mode, by_hand=landmarks is not None):
        note = _without_detector(path, pick)
    elif landmarks is None and mode == "auto":
        landmarks = _find(photo, path, pick, required=not centre)
    if landmarks is not None and not centre:
        _check_by_hand(landmarks, path, pick)
    placement = compute_placement(photo.shape, landmarks, size, onto)
    crop = apply_placement(photo, landmarks, placement, size)
    return Face(crop, photo, placement, landmarks, note)


def unaligned(mode: Literal["auto", "none"], *, by_hand: bool) -> bool:
    """Return whether faces stay unaligned, with unknown regions, because there is no detector."""
    return mode == "auto" and not by_hand and not can_detect()


def _without_detector(path: Path, pick: Pick) -> str:
    """Return the note for a crop of the centre; raise if a box needs the detector's landmarks."""
    if pick.box:
        raise AlignError(
            f"{path}: --box needs the face detector: pip install 'facegen_jax[align]'; or give "
            "--landmarks"
        )
    return (
        f"{path}: cropped the centre because no face detector is installed "
        "(pip install 'facegen_jax[align]')"
    )


def _find(photo: Image, path: Path, pick: Pick, *, required: bool) -> Landmarks | None:
    """Return the landmarks of the picked face, or None if it is neither found nor required."""
    faces = [locate(photo, pick.box)] if pick.box else detect(photo)
    if pick.number <= len(faces):
        return faces[pick.number - 1]
    if not required:
        return None
    count = f"found {len(faces)} faces, not {pick.number}" if faces else "found no face"
    raise AlignError(
        f"{path}: {count}; give --landmarks or --box by hand, or --align none if the image is "
        "already aligned"
    )


def _check_by_hand(landmarks: Landmarks, path: Path, pick: Pick) -> None:
    """Raise an AlignError if the user's landmarks, or those in the user's box, are not a face's."""
    if (not pick.box and pick.landmarks is None) or misfit(landmarks, TEMPLATE) <= MAX_MISFIT:
        return
    if pick.box:
        raise AlignError(
            f"{path}: no face in the box {pick.box}; expected left, top, right and bottom of a "
            "face in pixels, or give --landmarks"
        )
    raise AlignError(
        f"{path}: --landmarks do not form a face; expected outer and inner corner of the eye on "
        "the image's right, outer and inner corner of the eye on its left, and base of the nose"
    )
