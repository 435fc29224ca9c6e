"""Pure array maths: one loss a function, each with its equation and source.

Every function returns one scalar for one picture's arrays and is smooth enough to descend. No layers, weights or names here.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ..faces.colour import LUMA_CHROMA
from ..types import AnyArray, FeatureMap, Image, Mask, Scalar

EPSILON = 1e-12


def feature_distance(
    features: Float[AnyArray, "*shape"], target: Float[AnyArray, "*shape"], mask: Mask | None = None
) -> Scalar:
    """Mean squared difference over the target's mean square: mean(M (f - t)^2) / mean(M t^2).

    The ratio makes a weight of 1 mean the same at every layer, width and picture size: 0 is equal, 1 is as far as a map of zeros.
    Li, Zuo & Zhang (arXiv:1608.06434) sum the squares, which ties weights to the layer's size; elsewhere it is the same.

    Args:
        features: maps of the picture, `height width channels` (or any one shape, such as a descriptor).
        target: the maps to come close to; the denominator is not differentiated.
        mask: soft mask in [0, 1] at the layer's resolution; None is 1 everywhere.
    """
    difference, size = jnp.square(jnp.asarray(features) - target), jnp.square(target)
    if mask is not None:
        difference, size = difference * mask[..., None], size * mask[..., None]
    return jnp.sum(difference) / (lax.stop_gradient(jnp.sum(size)) + EPSILON)


def gram(features: FeatureMap) -> Float[Array, "channels channels"]:
    """Channel correlations averaged over positions: F^T F / (height width).

    Source: Gatys, Ecker & Bethge, arXiv:1508.06576, equation 3, divided by the number of positions so that size does not matter.
    """
    flat = jnp.asarray(features).reshape(-1, features.shape[-1])
    return flat.T @ flat / flat.shape[0]


def gram_distance(
    features: FeatureMap, target: Float[AnyArray, "other_height other_width channels"]
) -> Scalar:
    """Distance of the Gram matrices of two maps, normalised as in `feature_distance`: texture without place."""
    return feature_distance(gram(features), gram(target))


def descriptor_distance(
    descriptor: Float[AnyArray, " numbers"], target: Float[AnyArray, " numbers"]
) -> Scalar:
    """1 - cosine of two vectors, in [0, 2]; they need not have unit length. Finite, with a finite gradient, at zero."""
    lengths = jnp.sqrt(
        (jnp.sum(jnp.square(descriptor)) + EPSILON) * (jnp.sum(jnp.square(target)) + EPSILON)
    )
    return 1 - jnp.sum(descriptor * target) / lengths


def total_variation(image: Image, *, exponent: float = 2.0) -> Scalar:
    """Mean over pixels of (dx^2 + dy^2)^(exponent / 2), dx and dy being differences to the right and lower neighbour.

    Source: Mahendran & Vedaldi, arXiv:1412.0035, equation 6 (their beta is `exponent`): 2 smooths, 1 keeps edges. A small
    constant under the root keeps the gradient finite on a flat image.
    """
    image = jnp.asarray(image)
    right = jnp.diff(image, axis=1)[:-1]
    down = jnp.diff(image, axis=0)[:, :-1]
    squares = jnp.square(right) + jnp.square(down)
    if exponent == 2:
        return jnp.mean(squares)
    floor = 1e-6
    return jnp.mean((squares + floor) ** (exponent / 2) - floor ** (exponent / 2))


def chroma(image: Image) -> Float[Array, "height width 2"]:
    """The two colour-difference channels (BT.601 Cb and Cr, centred at 0)."""
    return jnp.asarray(image) @ jnp.array(LUMA_CHROMA[1:], jnp.float32).T
