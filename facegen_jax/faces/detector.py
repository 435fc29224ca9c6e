"""Finds faces and their five landmarks in photos: dlib, the extra `align`."""

import functools
import importlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ..types import Image
from .image import resize

Landmarks = Float[np.ndarray, "5 2"]
"""Points `(x, y)` in pixels, in the order of dlib's CC0 five-point model: outer and inner corner of the eye on the right of the picture, outer and
inner corner of the eye on its left, and the base of the nose."""


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
    return [
        np.array([(p.x, p.y) for p in locate(pixels, box).parts()], float) / scale for box in boxes
    ]


def locate(image: Image, box: tuple[float, float, float, float]) -> Landmarks:
    """Landmarks of the face in a box (left, top, right, bottom, pixels); needs the extra `align`."""
    models = _dlib_models()
    if models is None:
        raise ImportError(
            "finding landmarks needs the extra `align`: pip install 'facegen_jax[align]'"
        )
    dlib = importlib.import_module("dlib")
    shape = models[1](
        np.round(np.asarray(image) * 255).astype(np.uint8), dlib.rectangle(*map(round, box))
    )
    return np.array([(p.x, p.y) for p in shape.parts()], float)
