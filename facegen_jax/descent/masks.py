"""Soft masks at the resolution of every map."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..types import Features, Mask


def resized(
    masks: Mapping[str, Mask], own: Features
) -> dict[str, dict[str, Float[Array, "rows columns"]]]:
    """Return masks at the resolution of every map, by name and layer.

    Raises:
        ValueError: a mask of another size than the reference.
    """
    for name, mask in masks.items():
        if jnp.shape(mask) != own["image"].shape[:2]:
            raise ValueError(
                f"the mask {name!r} has shape {jnp.shape(mask)}, the reference "
                f"{own['image'].shape[:2]}; they must be equal"
            )
    return {
        name: {
            layer: _resize_mask(mask, (maps.shape[0], maps.shape[1]))
            for layer, maps in own.items()
            if maps.ndim == 3
        }
        for name, mask in masks.items()
    }


def _resize_mask(mask: Mask, shape: tuple[int, int]) -> Float[Array, "rows columns"]:
    return jax.image.resize(jnp.asarray(mask, jnp.float32), shape, "linear", antialias=True)
