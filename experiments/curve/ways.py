"""The ways to edit that are compared: options of the command line, and baselines without a
descent."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facegen_jax.edit.material import Material
from facegen_jax.edit.pool import recoloured
from facegen_jax.edit.settings import Jitter
from facegen_jax.types import Image

ATTRIBUTES = ("Eyeglasses", "Smiling", "Mustache", "Mouth Slightly Open", "Senior", "Bangs")
STRENGTHS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 4.0, 6.0)
"""So far that every face gets more than a way without calibration gives it, whatever its factor."""
SHARES = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)


class Way(NamedTuple):
    """One way to edit, over its strengths."""

    options: dict[str, Any]
    """Options of the command line; `gallery` and `attribute` are filled in."""
    strengths: tuple[float, ...] = STRENGTHS
    baseline: Callable[[Material, float], Image] | None = None
    """A picture made without a descent."""
    gallery: bool = True
    """The attribute is looked up in the gallery."""


def copy(material: Material, strength: float) -> Image:
    """Return the reference itself: identity 1, attribute 0."""
    return material.reference.image


def mean_of_guides(material: Material, strength: float) -> Image:
    """Fade from the reference to the mean of the warped and recoloured guides."""
    return _blend(material, np.float32(strength))


def blend_in_mask(material: Material, strength: float) -> Image:
    """Fade to the mean of the guides inside the attribute's region alone."""
    return _blend(material, strength * np.asarray(material.masks["inside"])[..., None])


def _blend(material: Material, alpha: Any) -> Image:
    reference = np.asarray(material.reference.image)
    guides = [recoloured(guide.image, material.reference) for guide in material.source.guides]
    return np.clip(reference + alpha * (np.mean(guides, 0) - reference), 0, 1).astype(np.float32)


HERE = Path(__file__).parent
PAPER = {"region": "none", "target": "mean", "objective": f"{HERE}/published.py:paper"}
WAYS = {
    "copy": Way({"target": "mean"}, (1.0,), copy),
    "mean of guides": Way({"target": "mean"}, SHARES, mean_of_guides),
    "blend in mask": Way({"target": "mean"}, SHARES, blend_in_mask),
    "paper, one guide": Way({**PAPER, "k": 1}),
    "paper, five guides": Way(PAPER),
    "Interpolation": Way(
        {
            "region": "none",
            "weights": {"identity": 0.0},
            "scaling": "natural",
            "shrinkage": False,
        },
        (0.2, 0.33, 0.5, 0.66, 0.83, 1.0, 1.25, 1.5),
    ),
    "Interpolation, published layers": Way(
        {
            "region": "none",
            "objective": f"{HERE}/published.py:interpolation",
        }
    ),
    "guides": Way({"target": "patches"}),
    "gallery": Way({}),
    "gallery, no shrinkage": Way({"shrinkage": False}),
    "gallery, everywhere": Way({"region": "none"}),
    "named attribute": Way({}, gallery=False),
    "named attribute, not calibrated": Way({"scaling": "natural"}, gallery=False),
    "named attribute, everywhere": Way({"region": "none"}, gallery=False),
    "named attribute, identity x 10": Way({"weights": {"identity": 10.0}}, gallery=False),
    "named attribute, no pixel term": Way({"weights": {"pixels": 0.0}}, gallery=False),
    "named attribute, jitter": Way({"jitter": Jitter(shift=2.0)}, gallery=False),
}
