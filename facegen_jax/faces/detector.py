"""Detect faces and their five landmarks with dlib (extra `align`)."""

import functools
import importlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ..types import Image
from .image import pixels, resize

Landmarks = Float[np.ndarray, "5 2"]
"""Points `(x, y)` in pixels, in the order of dlib's CC0 five-point model: outer and inner corner of
the eye on the image's right, outer and inner corner of the eye on its left, base of the nose."""


def model_file(name: str) -> Path | None:
    """Return the path of a file in the package `face_recognition_models`, or None without it.

    The package is not imported, because importing it needs an old setuptools.
    """
    package = importlib.util.find_spec("face_recognition_models")
    folders = package.submodule_search_locations if package else None
    return Path(folders[0]) / "models" / name if folders else None


@functools.cache
def _dlib_models() -> tuple[Any, Any] | None:
    """Return dlib's frontal face detector and landmark model, or None without the extra."""
    landmarks = model_file("shape_predictor_5_face_landmarks.dat")
    if landmarks is None or importlib.util.find_spec("dlib") is None:
        return None
    dlib = importlib.import_module("dlib")
    return dlib.get_frontal_face_detector(), dlib.shape_predictor(str(landmarks))


def can_detect() -> bool:
    """Return whether the extra `align` is installed."""
    return _dlib_models() is not None


def detect(image: Image, *, max_side: int = 1000) -> list[Landmarks]:
    """Return the landmarks of all faces in an image, in its own pixels, largest face first.

    An image larger than `max_side` is scaled down to it. If nothing is found in a smaller one, it
    is searched again at twice the size, because the detector misses faces below 80 pixels.

    Raises:
        ImportError: the extra `align` is not installed.
    """
    models = _dlib_models()
    if models is None:
        raise ImportError("finding faces needs the extra `align`: pip install 'facegen_jax[align]'")
    find_boxes, find_landmarks = models
    height, width = image.shape[:2]
    scale = min(1.0, max_side / max(height, width))
    if scale < 1.0:
        image = resize(image, (round(height * scale), round(width * scale)))
    array = pixels(image)
    boxes = find_boxes(array, 0) or find_boxes(array, 1 if max(array.shape) <= max_side else 0)
    boxes = sorted(boxes, key=lambda box: box.area(), reverse=True)
    return [_to_array(find_landmarks(array, box)) / scale for box in boxes]


def locate(image: Image, box: tuple[float, float, float, float]) -> Landmarks:
    """Return the landmarks of the face in a box (left, top, right, bottom, in pixels).

    Raises:
        ImportError: the extra `align` is not installed.
    """
    models = _dlib_models()
    if models is None:
        raise ImportError(
            "finding landmarks needs the extra `align`: pip install 'facegen_jax[align]'"
        )
    _, find_landmarks = models
    dlib = importlib.import_module("dlib")
    return _to_array(find_landmarks(pixels(image), dlib.rectangle(*map(round, box))))


def _to_array(shape: Any) -> Landmarks:
    return np.array([(point.x, point.y) for point in shape.parts()], float)
