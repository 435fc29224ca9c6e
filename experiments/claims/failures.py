"""Groups of people among whom edits may fail: pose, occlusion, age, skin tone, resolution."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from facegen_jax.edit.pool import Pool
from facegen_jax.faces import image
from facegen_jax.gallery.labels import Choice, having

TURNED = 0.15
"""Distance of the nose's base from the middle of the eyes along their line, in distances of the
eyes, above which a face counts as turned: about 15 degrees."""
SHARPNESS = (1.0, 0.5, 0.25)
"""Shares of the resolution that references keep."""


def turned(pool: Pool) -> Choice:
    """Choose the faces that are turned to a side, by their landmarks."""
    points = pool.described.landmarks.astype(float)
    first, second = points[:, :2].mean(1), points[:, 2:4].mean(1)
    across = second - first
    offset = np.sum((points[:, 4] - (first + second) / 2) * across, -1)
    return np.abs(offset) / np.maximum(np.sum(across**2, -1), 1e-9) > TURNED


def labelled(name: str) -> Callable[[Pool], Choice]:
    """Return a function that chooses the faces with a label."""
    return lambda pool: having(pool.gallery, name)


GROUPS: dict[str, Callable[[Pool], Choice]] = {
    "everybody": lambda pool: np.ones(len(pool.gallery.filenames), bool),
    "frontal": lambda pool: ~turned(pool),
    "turned": turned,
    "glasses": labelled("Eyeglasses"),
    "hat": labelled("Wearing Hat"),
    "young": labelled("Youth"),
    "senior": labelled("Senior"),
    "women": labelled("Female"),
    "men": labelled("Male"),
    "Asian": labelled("Asian"),
    "Black": labelled("Black"),
    "White": labelled("White"),
    "blurry": labelled("Blurry"),
}
"""Labels are those of LFW, made by classifiers."""


def blurred_copy(path: Path, share: float, folder: Path) -> Path:
    """Write a photo that lost resolution, at its own size; return its path."""
    photo = image.load(path)
    height, width, _ = photo.shape
    small = image.resize(photo, (round(height * share), round(width * share)))
    copy = folder / path.with_suffix(".png").name
    image.save(copy, np.clip(image.resize(small, (height, width)), 0, 1))
    return copy
