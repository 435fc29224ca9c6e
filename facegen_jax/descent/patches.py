"""Many guides as one target without the blur of their mean: the best matching patch everywhere."""

import functools
from collections.abc import Iterable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ..network.protocol import Network
from ..types import FeatureMap, Features, Params
from .targets import AnyImage, own_maps


def best_patches(
    network: Network | Params, query: Features, guides: Iterable[AnyImage], *, reach: int = 1
) -> Features:
    """Return, at each position, the maps of the guide whose patch matches best there.

    This uses many guides without the blur of their mean. Patches are 3x3 in each layer's own map
    and compared by their cosine, as Li & Wand match patches of style (arXiv:1601.04589, equation
    3), but only among positions at most `reach` map pixels away, so that eyes are compared with
    eyes.

    Args:
        network: as from `load_network`, or VGG-Face parameters.
        query: maps to match, at the layers of the result. The `mean` of the same guides keeps what
            they have in common; the reference's own maps choose what changes it least.
        guides: faces of one size.
        reach: largest offset, in map pixels.

    Raises:
        ValueError: no guides.
    """
    layers = tuple(layer for layer, maps in query.items() if maps.ndim == 3)
    best: dict[str, tuple[Array, Array]] | None = None
    for guide in guides:
        maps = {name: jnp.asarray(each) for name, each in own_maps(network, guide, layers).items()}
        if best is None:
            none = jnp.float32(-jnp.inf)
            best = {name: (jnp.full(each.shape[:2], none), each) for name, each in maps.items()}
        best = {
            layer: _better(jnp.asarray(query[layer]), maps[layer], *best[layer], reach)
            for layer in layers
        }
    if best is None:
        raise ValueError("no guides: at least one guide image is needed")
    return {layer: values for layer, (_, values) in best.items()}


@functools.partial(jax.jit, static_argnums=4)
def _better(
    query: FeatureMap, maps: FeatureMap, score: Array, chosen: Array, reach: int
) -> tuple[Array, Array]:
    """Replace the maps chosen so far where a shifted patch of one more guide scores higher."""
    padded = jnp.pad(maps, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    height, width = query.shape[:2]
    for row in range(2 * reach + 1):
        for column in range(2 * reach + 1):
            shifted = padded[row : row + height, column : column + width]
            distance = float(abs(row - reach) + abs(column - reach))
            cosine = _patch_cosine(query, shifted) - 1e-3 * distance  # ties go to the nearest patch
            higher = cosine > score
            score = jnp.where(higher, cosine, score)
            chosen = jnp.where(higher[..., None], shifted, chosen)
    return score, chosen


def _patch_cosine(first: FeatureMap, second: FeatureMap) -> Float[Array, "height width"]:
    def patch_sum(values: Array) -> Array:
        return lax.reduce_window(values, jnp.float32(0), lax.add, (3, 3), (1, 1), "SAME")

    pairs = ((first, second), (first, first), (second, second))
    product, *squares = (patch_sum(jnp.sum(a * b, -1)) for a, b in pairs)
    return product / jnp.sqrt(squares[0] * squares[1] + 1e-12)
