"""Losses as pure array maths, one function each, with its equation and source.

Every function returns one scalar for one image's arrays and is smooth enough to descend.
No layers, weights or names here.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ..faces.colour import LUMA_CHROMA
from ..types import AnyArray, FeatureMap, Image, Mask, Scalar

EPSILON = 1e-12
MOST_POSITIONS = 4096
"""Largest feature map (height x width) whose positions are compared pairwise: 64 MiB a matrix."""
OtherMap = Float[AnyArray, "other_height other_width channels"]


def squared_distance(
    features: Float[AnyArray, "*shape"],
    target: Float[AnyArray, "*shape"],
    mask: Mask | None = None,
) -> Scalar:
    """Mean squared difference over the target's mean square: mean(M (f - t)^2) / mean(M t^2).

    The ratio makes a weight of 1 mean the same at every layer, width and image size: 0 is equal, 1
    is as far as a map of zeros. Li, Zuo & Zhang (arXiv:1608.06434) sum the squares, which ties
    weights to the layer's size.

    Args:
        features: maps of the image, `height width channels`, or any one shape such as a descriptor.
        target: the maps to approach; the denominator is not differentiated.
        mask: soft mask in [0, 1] at the layer's resolution; None is 1 everywhere.
    """
    return _relative(jnp.square(jnp.asarray(features) - target), jnp.square(target), mask)


def absolute_distance(
    features: Float[AnyArray, "*shape"],
    target: Float[AnyArray, "*shape"],
    mask: Mask | None = None,
) -> Scalar:
    """Mean absolute difference over the target's mean magnitude: mean(M |f - t|) / mean(M |t|).

    Large differences pull less than in `squared_distance`. Smoothed near 0, where |x| has no
    gradient.
    """
    smooth = 1e-6
    difference = jnp.sqrt(jnp.square(jnp.asarray(features) - target) + smooth**2) - smooth
    return _relative(difference, jnp.abs(target), mask)


def _relative(difference: AnyArray, size: AnyArray, mask: Mask | None) -> Scalar:
    if mask is not None:
        difference, size = difference * mask[..., None], size * mask[..., None]
    return jnp.sum(difference) / (lax.stop_gradient(jnp.sum(size)) + EPSILON)


def cosine_distance(
    features: Float[AnyArray, "*shape"],
    target: Float[AnyArray, "*shape"],
    mask: Mask | None = None,
) -> Scalar:
    """1 - cosine along the last axis, averaged over positions; in [0, 2].

    Compares the pattern of channels at each position, whatever its contrast. Vectors need not have
    unit length; the value and its gradient are finite at zero.
    """
    features, target = jnp.asarray(features), jnp.asarray(target)
    squares = [jnp.sum(jnp.square(each), -1) + EPSILON for each in (features, target)]
    distances = 1 - jnp.sum(features * target, -1) / jnp.sqrt(squares[0] * squares[1])
    if mask is None:
        return jnp.mean(distances)
    return jnp.sum(distances * mask) / (jnp.sum(mask) + EPSILON)


def gram(features: FeatureMap, mask: Mask | None = None) -> Float[Array, "channels channels"]:
    """Channel correlations averaged over positions: F^T F / (height width).

    Source: Gatys, Ecker & Bethge, arXiv:1508.06576, equation 3, divided by the number of positions
    so that size does not matter. A mask weighs positions.
    """
    flat = jnp.asarray(features).reshape(-1, features.shape[-1])
    if mask is None:
        return flat.T @ flat / flat.shape[0]
    weights = jnp.reshape(jnp.asarray(mask), (-1, 1))
    return (flat * weights).T @ flat / (jnp.sum(weights) + EPSILON)


def gram_distance(features: FeatureMap, target: OtherMap, mask: Mask | None = None) -> Scalar:
    """Squared distance of the Gram matrices of two maps, normalised: texture without position."""
    same = mask is None or features.shape == target.shape
    return squared_distance(gram(features, mask), gram(target, mask if same else None))


def contextual_distance(
    features: FeatureMap, target: OtherMap, mask: Mask | None = None, *, bandwidth: float = 0.5
) -> Scalar:
    """Contextual loss: every target feature should be the clear nearest of some image feature.

    Source: Mechrez, Talmi & Zelnik-Manor, arXiv:1803.02077, equations 2 to 5 (h is `bandwidth`),
    with features centred on the target's mean. It needs no alignment between image and target.

    Raises:
        ValueError: a map of more than `MOST_POSITIONS` positions.
    """
    mean = jnp.mean(jnp.asarray(target), (0, 1), keepdims=True)
    distances = 1 - _cosines(features - mean, target - mean)  # image positions x target positions
    relative = distances / (jnp.min(distances, 1, keepdims=True) + 1e-5)
    similarity = jnp.exp((1 - relative) / bandwidth)
    similarity = similarity / jnp.sum(similarity, 1, keepdims=True)
    if mask is not None:
        similarity = similarity * jnp.reshape(jnp.asarray(mask), (-1, 1))
    return -jnp.log(jnp.mean(jnp.max(similarity, 0)) + EPSILON)


def patch_distance(features: FeatureMap, target: OtherMap, mask: Mask | None = None) -> Scalar:
    """Mean 1 - cosine between each 3x3 patch of the image and its best match in the target.

    Source: Li & Wand, arXiv:1601.04589, equations 2 and 3; they take squared differences of the
    matched patches, the cosine makes layers comparable. It needs no alignment between image and
    target.

    Raises:
        ValueError: a map of more than `MOST_POSITIONS` positions.
    """
    best = jnp.max(_cosines(_patches(features), _patches(target)), 1)
    if mask is None:
        return 1 - jnp.mean(best)
    weights = jnp.reshape(jnp.asarray(mask), -1)
    return jnp.sum((1 - best) * weights) / (jnp.sum(weights) + EPSILON)


def _patches(maps: FeatureMap) -> Float[Array, "height width patch"]:
    """Stack each position's 3x3 neighbourhood along the channels."""
    padded = jnp.pad(jnp.asarray(maps), ((1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = maps.shape[:2]
    shifts = [(row, column) for row in range(3) for column in range(3)]
    return jnp.concatenate([padded[r : r + height, c : c + width] for r, c in shifts], -1)


def _cosines(first: FeatureMap, second: OtherMap) -> Float[Array, "positions other_positions"]:
    """Cosines between all positions of two maps."""
    for maps in (first, second):
        if maps.shape[0] * maps.shape[1] > MOST_POSITIONS:
            raise ValueError(
                f"this distance compares all pairs of positions; a map of {maps.shape[0]}x"
                f"{maps.shape[1]} has more than {MOST_POSITIONS} of them: take a deeper layer"
            )
    flat = [jnp.asarray(maps).reshape(-1, maps.shape[-1]) for maps in (first, second)]
    units = [
        each / jnp.sqrt(jnp.sum(jnp.square(each), -1, keepdims=True) + EPSILON) for each in flat
    ]
    return units[0] @ units[1].T


def total_variation(image: Image, *, exponent: float = 2.0) -> Scalar:
    """Mean over pixels of (dx^2 + dy^2)^(exponent / 2), with differences to the right and below.

    Source: Mahendran & Vedaldi, arXiv:1412.0035, equation 6 (their beta is `exponent`): 2 smooths,
    1 keeps edges. A small constant under the root keeps the gradient finite on a flat image.
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
    """Return the two colour-difference channels (BT.601 Cb and Cr, centred at 0)."""
    return jnp.asarray(image) @ jnp.array(LUMA_CHROMA[1:], jnp.float32).T


DISTANCES = {
    "squared": squared_distance,
    "l1": absolute_distance,
    "cosine": cosine_distance,
    "gram": gram_distance,
    "contextual": contextual_distance,
    "patch": patch_distance,
}
"""Distances by the name that terms use."""
