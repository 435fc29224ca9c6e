"""Means of faces' maps with their errors, and differences of means without what chance explains."""

import functools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from ..network.protocol import Network
from ..types import AnyArray, Features, Params
from .targets import own_maps


class Moments(NamedTuple):
    """What a set of faces says about the mean of the maps that they were drawn from."""

    mean: Features
    error: Features
    """Squared standard error of the mean; zeros if there is one face."""


def moments(
    network: Network | Params, layers: Sequence[str], faces: Iterable[Float[AnyArray, "_ _ 3"]]
) -> Moments:
    """Return the mean of the faces' maps and its squared standard error.

    Raises:
        ValueError: no faces.
    """
    count, average, square = 0, None, None
    for face in faces:
        maps, count = own_maps(network, face, tuple(layers)), count + 1
        if average is None or square is None:
            average, square = maps, jax.tree.map(jnp.zeros_like, maps)
            continue
        before, average = average, _towards(average, maps, 1 / count)
        square = jax.tree.map(_welford, square, maps, before, average)
    if average is None or square is None:
        raise ValueError("no faces: at least one is needed")
    share = jnp.float32(1 / (count * max(count - 1, 1)))
    return Moments(average, jax.tree.map(functools.partial(jnp.multiply, share), square))


def _towards(average: Features, maps: Features, share: float) -> Features:
    return jax.tree.map(lambda old, new: old + jnp.float32(share) * (new - old), average, maps)


def _welford(square: AnyArray, new: AnyArray, before: AnyArray, after: AnyArray) -> AnyArray:
    """Return the sum of squared deviations with one more face (Welford 1962)."""
    return square + (new - before) * (new - after)


def shrunk(direction: Features, error: Features) -> Features:
    """Return a direction without what chance alone explains.

    At each position of a layer the direction is multiplied by max(0, 1 - error / direction^2), both
    summed over the channels and the 3x3 positions around it, relative to the largest such factor:
    it stays where faces with and without the attribute differ, and vanishes where the means of two
    random sets of faces would differ as much. Source: the positive-part estimator of James & Stein,
    1961, without its constant for few dimensions; the division by the largest factor is ours, so
    that few faces do not make a faint direction. Vectors, which have no positions, stay.

    Args:
        direction: a difference of means.
        error: its squared standard error, by layer: the sum of both means' errors.
    """
    return {
        layer: values * _certainty(values, error[layer]) if values.ndim == 3 else values
        for layer, values in direction.items()
    }


def _certainty(values: AnyArray, variance: AnyArray) -> Float[AnyArray, "rows columns 1"]:
    """Return each position's factor, relative to the largest; 1 if chance explains everything."""
    signal, chance = (
        lax.reduce_window(jnp.sum(each, -1), 0.0, lax.add, (3, 3), (1, 1), "SAME")
        for each in (jnp.square(values), variance)
    )
    factors = jnp.maximum(0, 1 - chance / jnp.maximum(signal, 1e-12))
    largest = jnp.max(factors)
    return jnp.expand_dims(jnp.where(largest > 0, factors / jnp.maximum(largest, 1e-6), 1), -1)
