"""Photos brought to the network's template or to another face's geometry, and edits pasted back into them.

The template is this project's own: a face with its hair line and chin inside the square.
"""

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from ..types import AnyArray, Image, NewImage
from .detector import Landmarks, can_detect, detect, locate
from .image import centre_square, load, resize, warp

Placement = Float[np.ndarray, "2 3"]
"""Matrix that brings the pixels `(x, y, 1)` of a photo to those of the working picture."""

TEMPLATE = np.array([[0.703, 0.42], [0.587, 0.42], [0.297, 0.42], [0.413, 0.42], [0.5, 0.668]])
"""Where the five landmarks belong, as fractions of the square's side."""

NO_FACE = 0.5
"""Misfit with the template from which on points given by hand are no face's or in another order; of 7,000 detected faces of LFW the worst has 0.35."""


def similarity(source: Landmarks, target: Landmarks) -> Placement:
    """Fit the rotation, scale and shift that bring `source` closest to `target` (least squares).

    Reference: Umeyama, Least-squares estimation of transformation parameters between two point patterns, 1991;
    in the plane it is linear in (a, b, x, y) of the matrix [[a, -b, x], [b, a, y]].
    """
    x, y = source.T
    one, zero = np.ones_like(x), np.zeros_like(x)
    equations = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    (a, b, shift_x, shift_y), *_ = np.linalg.lstsq(equations, target.T.reshape(-1), rcond=None)
    return np.array([[a, -b, shift_x], [b, a, shift_y]])


def affine(source: Landmarks, target: Landmarks) -> Placement:
    """Fit the affine map that brings `source` closest to `target` (least squares): unlike `similarity` it may stretch and shear."""
    solved, *_ = np.linalg.lstsq(
        np.column_stack([source, np.ones(len(source))]), target, rcond=None
    )
    return solved.T


def moved(
    points: Float[np.ndarray, "points 2"], placement: Placement
) -> Float[np.ndarray, "points 2"]:
    """Where a placement brings points `(x, y)`."""
    return points @ placement[:, :2].T + placement[:, 2]


def misfit(landmarks: Landmarks, target: Landmarks) -> float:
    """How far a face's geometry is from another's whatever their place, size and turn: root mean square distance of the landmarks over that of the
    target's own from their middle; 0 is alike."""
    distances = moved(landmarks, similarity(landmarks, target)) - target
    return float(np.sqrt(np.square(distances).sum() / np.square(target - target.mean(0)).sum()))


def to_template(image: Image, landmarks: Landmarks, size: int, *, margin: float = 0.0) -> NewImage:
    """Warp the face with these landmarks onto the template, `size` pixels square.

    `margin` adds that fraction of the template's side on all four sides (training crops need it).
    """
    target = (TEMPLATE + margin) / (
        1 + 2 * margin
    ) * size - 0.5  # pixel centres are at whole numbers
    return warp(image, similarity(landmarks, target), (size, size))


class Face(NamedTuple):
    """A picture brought to the working size, and how it got there."""

    image: Image
    photo: Image
    """The picture as it was."""
    placement: Placement
    """Where the photo's pixels went."""
    landmarks: Landmarks | None
    """In the photo; None where its centre was taken."""
    note: str | None = None
    """A remark for the user where the face could not be aligned."""

    @property
    def points(self) -> Landmarks | None:
        """The landmarks on the working picture."""
        return None if self.landmarks is None else moved(self.landmarks, self.placement)


class Pick(NamedTuple):
    """Which face of a photo is meant, where the largest is not, or none is found."""

    number: int = 1
    """1 is the largest."""
    landmarks: Landmarks | None = None
    """Given by hand: then nothing is looked for."""
    box: tuple[float, float, float, float] | None = None
    """Left, top, right, bottom of a face, by hand: landmarks are looked for in there."""


class AlignError(ValueError):
    """A photo in which the face is not to be found; the message names the file and what can be given by hand."""


def load_face(
    path: Path,
    size: int,
    mode: Literal["auto", "none"],
    pick: Pick | None = None,
    *,
    onto: Landmarks | None = None,
    centre: bool = False,
) -> Face:
    """Read a picture and bring its face to the template; the centre in the mode `none`, or where there is no detector.

    Args:
        path: of the picture.
        size: side of the square that is wanted, in pixels.
        mode: auto looks for a face, none takes the picture as it is.
        pick: which face; the largest by default.
        onto: landmarks on the working picture to bring the face's own to, instead of the template (by an affine map).
        centre: take the centre where no face is found, which is an error otherwise.

    Raises:
        ImageError: a picture that cannot be read.
        AlignError: no such face in it.
    """
    photo, pick, note = load(path), pick or Pick(), None
    landmarks = pick.landmarks
    if unaligned(mode, by_hand=landmarks is not None):
        note = f"{path}: took the centre, for no face detector is installed (pip install 'facegen_jax[align]')"
        if pick.box:
            raise AlignError(
                f"{path}: finding landmarks in a box needs the extra: pip install 'facegen_jax[align]'; or give --landmarks"
            )
    elif landmarks is None and mode == "auto":
        found = [locate(photo, pick.box)] if pick.box else detect(photo)
        if len(found) < pick.number and not centre:
            many = (
                f"{len(found)} faces were found, not {pick.number}"
                if found
                else "no face was found"
            )
            raise AlignError(
                f"{path}: {many}; give --landmarks or --box by hand, or --align none if the picture is aligned already"
            )
        landmarks = found[pick.number - 1] if found else None
    by_hand = (pick.box or pick.landmarks is not None) and not centre
    if landmarks is not None and by_hand and misfit(landmarks, TEMPLATE) > NO_FACE:
        what = f"the box {pick.box} holds" if pick.box else "--landmarks gives"
        raise AlignError(
            f"{path}: {what} no face; expected are the eye on the right of the picture, the one on its left (of each the outer, then the inner corner), the base of the nose"
        )
    place = placement(photo.shape, landmarks, size, onto)
    return Face(place_on(photo, landmarks, place, size), photo, place, landmarks, note)


def unaligned(mode: Literal["auto", "none"], *, by_hand: bool) -> bool:
    """Whether faces are not found for want of a detector: then nobody knows where their parts are."""
    return mode == "auto" and not by_hand and not can_detect()


def placement(
    shape: tuple[int, ...], landmarks: Landmarks | None, size: int, onto: Landmarks | None = None
) -> Placement:
    """Where the pixels of a photo of this shape go: its landmarks to the template (or onto others), or its centre to the whole square."""
    if landmarks is not None:
        return (
            similarity(landmarks, TEMPLATE * size - 0.5)
            if onto is None
            else affine(landmarks, onto)
        )
    side = min(shape[:2])
    corner = np.array([(shape[1] - side) // 2, (shape[0] - side) // 2])
    scale = size / side
    return np.column_stack([scale * np.eye(2), (0.5 - corner) * scale - 0.5])


def place_on(photo: Image, landmarks: Landmarks | None, place: Placement, size: int) -> NewImage:
    """The photo, or a picture of its size, moved as a placement says; the centre is cut and resized."""
    return (
        resize(centre_square(photo), (size, size))
        if landmarks is None
        else warp(photo, place, (size, size))
    )


def paste_back(
    photo: Float[AnyArray, "rows columns 3"],
    place: Placement,
    before: Image,
    after: Image,
    *,
    seam: float = 0.08,
) -> NewImage:
    """Put the change of an edit into the photo that the face was taken from, at the photo's own resolution.

    The change is enlarged, not the edited picture, so that what did not change stays as sharp as it was. It fades out over `seam` of the
    square's side towards its border, so that no edge can be seen.
    """
    size = len(before)
    inverse = np.linalg.inv(np.vstack([place, [0, 0, 1]]))[:2]
    corners = np.array([[0, 0, 1], [size, 0, 1], [0, size, 1], [size, size, 1]]) @ inverse.T
    left, top = np.maximum(np.floor(corners.min(0)), 0).astype(int)
    right, bottom = np.minimum(np.ceil(corners.max(0)) + 1, photo.shape[1::-1]).astype(int)
    inverse[:, 2] -= (left, top)
    edge = np.minimum(np.arange(size), np.arange(size)[::-1]) / (seam * size)
    fade = np.clip(np.minimum(edge[:, None], edge[None]), 0, 1)[..., None]
    change = (np.asarray(after) - before) * (3 - 2 * fade) * fade**2
    # Pictures are clipped to [0, 1], changes are not: they are warped as grey plus half of them.
    frame = (
        size // 2 + 2
    )  # beyond a picture warping mirrors it: nothing changes out to where a turned square's corners reach
    framed = np.pad(
        0.5 + change / 2, ((frame, frame), (frame, frame), (0, 0)), constant_values=0.5
    ).astype(np.float32)
    inverse[:, 2] -= inverse[:, :2] @ np.full(2, frame)
    warped = warp(framed, inverse, (int(bottom - top), int(right - left)))
    result = np.array(photo)
    result[top:bottom, left:right] = np.clip(result[top:bottom, left:right] + 2 * warped - 1, 0, 1)
    return result
