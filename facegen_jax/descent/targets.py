"""Target maps of an attribute: from guides, or from the reference's own maps tuned.

Every function returns `Features`, maps by layer, which `problem.from_maps` turns into a problem.
Guides may be any iterable, such as a generator that reads images one by one: memory does not grow
with their number.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..network.features import as_network
from ..network.protocol import Network
from ..types import AnyArray, Features, Params

AnyImage = Float[AnyArray, "_ _ 3"]


def own_maps(network: Network | Params, image: AnyImage, layers: tuple[str, ...]) -> Features:
    """Return an image's own maps; compiled once for each set of layers and image size."""
    return as_network(network).extract(jnp.asarray(image), layers)


def mean(
    network: Network | Params,
    layers: Sequence[str],
    guides: Iterable[AnyImage],
    weights: Iterable[float] | None = None,
) -> Features:
    """Return the weighted mean of the guides' maps.

    Li, Zuo & Zhang take one guide, or the k = 5 most similar faces.

    Args:
        network: as from `load_network`, or VGG-Face parameters.
        layers: layers whose maps are averaged.
        guides: faces of one size.
        weights: one for each guide, such as its similarity to the reference; equal by default.

    Raises:
        ValueError: no guides, or weights that are negative or all zero.
    """
    total, sum_of_weights = None, 0.0
    pairs = (
        ((guide, 1.0) for guide in guides) if weights is None else zip(guides, weights, strict=True)
    )
    for guide, weight in pairs:
        if weight < 0:
            raise ValueError(f"weights of guides must not be negative, not {weight}")
        scale = functools.partial(jnp.multiply, jnp.float32(weight))
        maps = jax.tree.map(scale, own_maps(network, guide, tuple(layers)))
        total = maps if total is None else jax.tree.map(jnp.add, total, maps)
        sum_of_weights += weight
    if total is None or sum_of_weights <= 0:
        raise ValueError("no guides: at least one guide image with a weight above 0 is needed")
    return jax.tree.map(lambda values: values / jnp.float32(sum_of_weights), total)


def difference(
    network: Network | Params,
    layers: Sequence[str],
    positives: Iterable[AnyImage],
    negatives: Iterable[AnyImage],
) -> Features:
    """Return the direction mean(with the attribute) - mean(without it).

    Source: Upchurch et al., Deep Feature Interpolation, arXiv:1611.05507, section 3, with the K =
    100 nearest neighbours of each kind.
    """
    minuend, subtrahend = (mean(network, layers, faces) for faces in (positives, negatives))
    return jax.tree.map(jnp.subtract, minuend, subtrahend)


def interpolation_scale(direction: Features, beta: float = 0.4) -> float:
    """Return Deep Feature Interpolation's factor on a direction w: beta / mean(w^2) over all
    numbers.

    Source: arXiv:1611.05507, section 3.1. It belongs to the published VGG's range of features;
    other networks need another beta, or a factor of their own.
    """
    square = sum(float(jnp.sum(jnp.square(values))) for values in direction.values())
    count = sum(int(jnp.size(values)) for values in direction.values())
    return beta * count / max(square, 1e-12)


def add_directions(directions: Iterable[tuple[Features, float]]) -> Features:
    """Return the sum of directions times their amounts; a missing layer counts as zero."""
    total: Features = {}
    for direction, amount in directions:
        for layer, values in direction.items():
            scaled = jnp.float32(amount) * jnp.asarray(values)
            total[layer] = total[layer] + scaled if layer in total else scaled
    return total


def tuned(
    maps: Features, direction: Features, strength: float | Float[Array, ""] = 1.0
) -> Features:
    """Return maps + strength * direction, at the layers of the direction that `maps` has.

    This is the paper's tuning of the reference's own features.

    Raises:
        ValueError: the direction belongs to another image size.
    """
    for layer in direction:
        if layer in maps and maps[layer].shape != direction[layer].shape:
            raise ValueError(
                f"the direction's {layer} has shape {direction[layer].shape}, "
                f"the reference's {maps[layer].shape}; use the network's own size"
            )
    return {
        layer: maps[layer] + jnp.float32(strength) * jnp.asarray(values)
        for layer, values in direction.items()
        if layer in maps
    }


def channel_direction(maps: Features, gains: Mapping[str, Mapping[int, float]]) -> Features:
    """Return the direction that scales single channels: (gain - 1) * maps there, 0 elsewhere.

    At a strength of 1 a gain of 0 silences a channel and 2 doubles it.

    Raises:
        ValueError: a layer or channel that does not exist.
    """
    direction: Features = {}
    for layer, channels in gains.items():
        count = maps[layer].shape[-1] if layer in maps else 0
        for channel in channels:
            if not 0 <= channel < count:
                known = f"channels 0 to {count - 1}" if count else "no maps here"
                raise ValueError(f"no channel {layer}:{channel}; {layer} has {known}")
        indices = jnp.array(list(channels))
        changes = jnp.array([gain - 1 for gain in channels.values()], jnp.float32)
        factors = jnp.zeros(count, jnp.float32).at[indices].set(changes)
        shape = (1,) * (maps[layer].ndim - 1) + (count,)
        direction[layer] = maps[layer] * jnp.reshape(factors, shape)
    return direction
