"""Forward passes over batches: one image after the other on CPUs, all at once elsewhere."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..types import AnyArray, Features
from .protocol import Backbone, extract


def maps_of(
    backbone: Backbone,
    params: Any,
    images: Float[AnyArray, "batch height width 3"],
    wanted: Bool[AnyArray, " batch"],
    layers: tuple[str, ...],
    *,
    sequential: bool,
) -> Features:
    """Return the maps of the images that are wanted; of the others, anything.

    One after the other, each image is computed as alone, so that its last digit does not depend on
    the batch, and what is not wanted takes no time.
    """
    if not sequential:
        return extract(backbone, params, images, layers)
    prepare = getattr(backbone, "prepared", None)  # for a loop; see `descent.program.prepared`
    params = prepare(params, *images.shape[1:3]) if prepare else params

    def maps(image: Array) -> Features:
        return extract(backbone, params, image, layers)

    def maps_if_wanted(pair: tuple[Array, Array]) -> Features:
        return jax.lax.cond(pair[1], maps, lambda image: none, pair[0])

    none = jax.tree.map(jnp.zeros_like, jax.eval_shape(maps, images[0]))
    return one_by_one(maps_if_wanted, (jnp.asarray(images), jnp.asarray(wanted)))


def one_by_one(function: Callable[[Any], Any], batch: Any) -> Any:
    """Return a function's results for the rows of a batch, computed one after the other."""
    count = len(jax.tree.leaves(batch)[0])
    if count == 1:  # XLA unrolls a loop of one, and rounds otherwise than in a longer one
        batch = jax.tree.map(lambda leaf: jnp.concatenate([leaf, jnp.zeros_like(leaf)]), batch)
    results = jax.lax.map(function, batch)
    return jax.tree.map(lambda leaf: leaf[:count], results)
