"""A problem with another strength or another start."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..types import AnyArray
from .objective import ATTRIBUTE
from .problem import Problem


def amplified(problem: Problem, factor: float | Float[Array, "*batch"]) -> Problem:
    """Return problems whose attribute lies `factor` times as far from the reference's own maps.

    That multiplies the strength of a direction.

    Args:
        problem: one problem, or stacked ones.
        factor: a number, or one for each stacked problem.
    """
    factor, targets = jnp.asarray(factor, jnp.float32), problem.targets

    def moved(layer: str, attribute: AnyArray) -> AnyArray:
        own = targets.reference[layer]
        scale = jnp.reshape(factor, factor.shape + (1,) * (own.ndim - factor.ndim))
        return own + scale * (attribute - own)

    moved_maps = {layer: moved(layer, each) for layer, each in targets.attribute.items()}
    maps = {**targets.maps, ATTRIBUTE: moved_maps}
    return problem._replace(targets=targets._replace(maps=maps))


def with_noise(problem: Problem, key: jax.Array, amount: float) -> Problem:
    """Start from the reference plus Gaussian noise of this standard deviation, clipped to [0,
    1]."""
    noise = jax.random.normal(key, problem.start.shape, jnp.float32)
    return problem._replace(start=jnp.clip(problem.start + jnp.float32(amount) * noise, 0, 1))
