"""Random transformations of the image in front of the network, drawn anew at every step.

Averaging the loss over small shifts and scales keeps the descent from exploiting single pixels
(transformation robustness; Olah, Mordvintsev & Schubert, Feature Visualization, 2017). The layer
`"image"` stays the image itself, so pixel terms are exact.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ..types import Image

Transform = Callable[[Key[Array, ""], Image], Image]
"""A random, differentiable map from image to image of the same shape; it must hash by value."""


@dataclass(frozen=True)
class Shift:
    """Shift by up to `pixels` in both directions, not only by whole ones."""

    pixels: float = 2.0

    def __call__(self, key: Key[Array, ""], image: Image) -> Image:
        """Return the shifted image, `height width 3`; its border repeats."""
        offset = _uniform(key, 2, -self.pixels, self.pixels)
        return _resampled(image, jnp.ones(2, jnp.float32), offset, math.ceil(self.pixels) + 1)


@dataclass(frozen=True)
class Scale:
    """Scale about the centre by a factor from 1 - `amount` to 1 + `amount`."""

    amount: float = 0.05

    def __call__(self, key: Key[Array, ""], image: Image) -> Image:
        """Return the scaled image, `height width 3`; its border repeats."""
        factor = _uniform(key, 1, 1 - self.amount, 1 + self.amount)
        margin = math.ceil(self.amount * max(image.shape[:2])) + 1
        return _resampled(image, jnp.broadcast_to(factor, (2,)), jnp.zeros(2, jnp.float32), margin)


@dataclass(frozen=True)
class Noise:
    """Add Gaussian noise of a standard deviation."""

    deviation: float = 0.02

    def __call__(self, key: Key[Array, ""], image: Image) -> Image:
        """Return the noisy image, `height width 3`, not clipped."""
        noise = jax.random.normal(key, image.shape, jnp.float32)
        return jnp.asarray(image) + self.deviation * noise


def _uniform(key: Key[Array, ""], count: int, low: float, high: float) -> Float[Array, " count"]:
    """Draw numbers of 32 bits, the same whether or not JAX is set to 64."""
    return jax.random.uniform(key, (count,), jnp.float32, low, high)


def _resampled(
    image: Image, scale: Float[Array, "2"], offset: Float[Array, "2"], margin: int
) -> Image:
    """Scale about the centre, then shift (rows, columns), with bilinear weights."""
    height, width = image.shape[:2]
    padded = jnp.pad(jnp.asarray(image), ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    centre = jnp.array([height / 2, width / 2], jnp.float32)
    # scale_and_translate maps x to scale x + translation; the centre lies at centre + margin.
    translation = centre + offset - scale * (centre + margin)
    return jax.image.scale_and_translate(
        padded,
        (height, width, image.shape[2]),
        (0, 1),
        scale,
        translation,
        "linear",
        antialias=False,
    )


def transformed(transforms: tuple[Transform, ...], key: Key[Array, ""], image: Image) -> Image:
    """Apply transformations one after the other, each with randomness of its own."""
    for transform, each in zip(transforms, jax.random.split(key, len(transforms)), strict=True):
        image = transform(each, image)
    return image
