"""Load a photo and crop its face: aligned with the template, or with another face's landmarks."""

from pathlib import Path
from typing import Literal, NamedTuple

from ..types import Image
from .detector import Landmarks, can_detect, detect, locate
from .geometry import Placement, apply_placement, compute_placement, transform_points
from .image import read_photo
from .pick import AlignError, Pick, check_face, check_place


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
    """Message for the user: what was unusual about the file, or where its face is."""

    @property
    def points(self) -> Landmarks | None:
        """Landmarks in the crop."""
        return None if self.landmarks is None else transform_points(self.landmarks, self.placement)


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
        ImageError: the image cannot be read, or is too small.
        AlignError: the face cannot be located.
    """
    (photo, remark), pick = read_photo(path), pick or Pick()
    remarks = [remark]
    if not centre:
        remarks.append(check_place(pick, path, photo.shape))
    landmarks = pick.landmarks
    if unaligned(mode, by_hand=landmarks is not None):
        remarks.append(_without_detector(path, pick))
    elif landmarks is None and mode == "auto":
        landmarks = _find(photo, path, pick, required=not centre)
    if landmarks is not None and not centre:
        remarks.append(check_face(landmarks, pick, path, photo if mode == "auto" else None))
    placement = compute_placement(photo.shape, landmarks, size, onto)
    crop = apply_placement(photo, landmarks, placement, size)
    note = "; ".join(each for each in remarks if each)
    return Face(crop, photo, placement, landmarks, f"{path}: {note}" if note else None)


def unaligned(mode: Literal["auto", "none"], *, by_hand: bool) -> bool:
    """Return whether faces stay unaligned, with unknown regions, because there is no detector."""
    return mode == "auto" and not by_hand and not can_detect()


def _without_detector(path: Path, pick: Pick) -> str:
    """Return the remark on a crop of the centre; raise if a box needs the detector's landmarks."""
    if pick.box:
        raise AlignError(
            f"{path}: --box needs the face detector: pip install 'facegen_jax[align]'; or give "
            "--landmarks"
        )
    return (
        "cropped the centre because no face detector is installed "
        "(pip install 'facegen_jax[align]')"
    )


def _find(photo: Image, path: Path, pick: Pick, *, required: bool) -> Landmarks | None:
    """Return the landmarks of the picked face, or None if it is neither found nor required."""
    faces = [locate(photo, pick.box)] if pick.box else detect(photo)
    if pick.number <= len(faces):
        return faces[pick.number - 1]
    if not required:
        return None
    number = "1 face" if len(faces) == 1 else f"{len(faces)} faces"
    count = f"found {number}, not {pick.number}" if faces else "found no face"
    raise AlignError(
        f"{path}: {count}; give --landmarks or --box by hand, or --align none if the image is "
        "already aligned"
    )
