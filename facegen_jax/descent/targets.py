"""What the picture is to be like: maps that have the attribute, from guides or from the reference's own maps tuned.

Every function returns `Features`, maps by layer, and `problem.from_maps` makes a problem of any of them: the solver cannot tell them apart. Guides may be
any iterable, such as a generator that reads pictures one by one: memory does not grow with their number.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ..network.vgg_face import extract
from ..types import AnyArray, FeatureMap, Features, Params

AnyImage = Float[AnyArray, "_ _ 3"]


@functools.partial(jax.jit, static_argnums=2)
def own_maps(params: Params, image: AnyImage, layers: tuple[str, ...]) -> Features:
    """A picture's own maps, compiled once for each set of layers."""
    return extract(params, jnp.asarray(image, jnp.float32), layers)


def mean(
    params: Params,
    layers: Sequence[str],
    guides: Iterable[AnyImage],
    weights: Iterable[float] | None = None,
) -> Features:
    """The guides' maps on average (Li, Zuo & Zhang: one guide, or the k = 5 most similar faces).

    Args:
        params: network parameters.
        layers: whose maps are wanted.
        guides: faces of one size.
        weights: one for each guide, such as its similarity to the reference; alike by default.

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
        maps = jax.tree.map(
            lambda values, weight=weight: jnp.float32(weight) * values,
            own_maps(params, jnp.asarray(guide), tuple(layers)),
        )
        total = maps if total is None else jax.tree.map(jnp.add, total, maps)
        sum_of_weights += weight
    if total is None or sum_of_weights <= 0:
        raise ValueError("no guides: at least one guide picture with a weight above 0 is needed")
    return jax.tree.map(lambda values: values / jnp.float32(sum_of_weights), total)


def patches(
    params: Params, query: Features, guides: Iterable[AnyImage], *, reach: int = 1
) -> Features:
    """At each place the maps of that guide whose patch fits best there: many guides without the blur of their mean.

    Patches are 3x3 in each layer's own map and compared by their cosine, as Li & Wand do for patches of style (arXiv:1601.04589, equation 3), but only
    among places at most `reach` map pixels away, so that eyes are compared with eyes.

    Args:
        params: network parameters.
        query: maps to be like, at the layers that are wanted. The `mean` of the same guides keeps what they have in common; the reference's own
            maps choose what changes it least.
        guides: faces of one size.
        reach: in map pixels.

    Raises:
        ValueError: no guides.
    """
    layers = tuple(layer for layer, maps in query.items() if maps.ndim == 3)
    best: dict[str, tuple[Array, Array]] | None = None
    for guide in guides:
        maps = own_maps(params, jnp.asarray(guide), layers)
        if best is None:
            best = {
                layer: (jnp.full(values.shape[:2], -jnp.inf), jnp.asarray(values))
                for layer, values in maps.items()
            }
        best = {
            layer: _best_of(
                jnp.asarray(query[layer]), jnp.asarray(maps[layer]), *best[layer], reach
            )
            for layer in layers
        }
    if best is None:
        raise ValueError("no guides: at least one guide picture is needed")
    return {layer: values for layer, (_, values) in best.items()}


@functools.partial(jax.jit, static_argnums=4)
def _best_of(
    own: FeatureMap, maps: FeatureMap, score: Array, chosen: Array, reach: int
) -> tuple[Array, Array]:
    """Scores and maps so far, and the better of one more guide, moved by each shift within reach."""
    padded = jnp.pad(maps, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    height, width = own.shape[:2]
    for row in range(2 * reach + 1):
        for column in range(2 * reach + 1):
            shifted = padded[row : row + height, column : column + width]
            found = _patch_cosine(own, shifted) - 1e-3 * float(
                abs(row - reach) + abs(column - reach)
            )  # of equals, the one in place
            better = found > score
            score, chosen = (
                jnp.where(better, found, score),
                jnp.where(better[..., None], shifted, chosen),
            )
    return score, chosen


def _patch_cosine(first: FeatureMap, second: FeatureMap) -> Float[Array, "height width"]:
    def patch_sum(values: Array) -> Array:
        return lax.reduce_window(values, jnp.float32(0), lax.add, (3, 3), (1, 1), "SAME")

    product, *squares = (
        patch_sum(jnp.sum(a * b, -1))
        for a, b in ((first, second), (first, first), (second, second))
    )
    return product / jnp.sqrt(squares[0] * squares[1] + 1e-12)


def difference(
    params: Params, layers: Sequence[str], having: Iterable[AnyImage], lacking: Iterable[AnyImage]
) -> Features:
    """The direction mean(with) - mean(without) (Upchurch et al., Deep Feature Interpolation, arXiv:1611.05507, section 3: K = 100 nearest of each)."""
    return jax.tree.map(jnp.subtract, mean(params, layers, having), mean(params, layers, lacking))


def interpolation_scale(direction: Features, beta: float = 0.4) -> float:
    """Deep Feature Interpolation's factor on a direction w: beta / mean(w^2) over all its numbers (arXiv:1611.05507, section 3.1).

    It belongs to the published VGG's range of features; other networks need another beta, or a factor of their own.
    """
    square, count = (
        sum(float(part(values)) for values in direction.values())
        for part in (lambda v: jnp.sum(jnp.square(v)), jnp.size)
    )
    return beta * count / max(square, 1e-12)


def add_directions(directions: Iterable[tuple[Features, float]]) -> Features:
    """Several attributes at once: the sum of directions times their amounts; a layer that only some have counts as zero in the others."""
    total: Features = {}
    for direction, amount in directions:
        for layer, values in direction.items():
            scaled = jnp.float32(amount) * jnp.asarray(values)
            total[layer] = total[layer] + scaled if layer in total else scaled
    return total


def tuned(
    maps: Features, direction: Features, strength: float | Float[Array, ""] = 1.0
) -> Features:
    """maps + strength * direction, at the layers that the direction has (the paper's tuning of the reference's own features).

    Raises:
        ValueError: the direction belongs to another picture size.
    """
    for layer in direction:
        if layer in maps and maps[layer].shape != direction[layer].shape:
            raise ValueError(
                f"the direction's {layer} has shape {direction[layer].shape}, the reference's {maps[layer].shape}; use the network's own size"
            )
    return {
        layer: maps[layer] + jnp.float32(strength) * jnp.asarray(values)
        for layer, values in direction.items()
        if layer in maps
    }


def channel_direction(maps: Features, gains: Mapping[str, Mapping[int, float]]) -> Features:
    """The direction that scales named channels: (gain - 1) * maps there, 0 elsewhere. With a strength of 1 a gain of 0 silences a channel, 2 doubles it.

    Raises:
        ValueError: a layer or channel that is not there.
    """
    direction: Features = {}
    for layer, channels in gains.items():
        count = maps[layer].shape[-1] if layer in maps else 0
        for channel in channels:
            if not 0 <= channel < count:
                raise ValueError(
                    f"no channel {layer}:{channel}; {layer} has {f'channels 0 to {count - 1}' if count else 'no maps here'}"
                )
        factors = (
            jnp.zeros(count)
            .at[jnp.array(list(channels))]
            .set(jnp.array([gain - 1 for gain in channels.values()]))
        )
        direction[layer] = maps[layer] * jnp.expand_dims(factors, (0, 1))
    return direction
