"""How well directions separate people that their fit has not seen."""

import functools
import math
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..network.protocol import Backbone, Network, extract
from ..types import Features, Images
from .sample import Sample, batches

Judgement = dict[str, dict[str, tuple[float, int]]]
"""Area under the ROC curve, and number of pairs of faces compared, by attribute and layer."""


def separation(scores: Float[np.ndarray, " faces"], has: Bool[np.ndarray, " faces"]) -> float:
    """Return the area under the ROC curve.

    That is how often a face with the attribute scores above one without it; ties count half.
    """
    positives, negatives = scores[has], np.sort(scores[~has])
    below = np.searchsorted(negatives, positives, "left")
    not_above = np.searchsorted(negatives, positives, "right")
    return float((below + not_above).mean() / 2 / len(negatives))


@functools.partial(jax.jit, static_argnums=0)
def _projections(
    backbone: Backbone, params: Any, images: Images, directions: dict[str, Features]
) -> dict[str, dict[str, Float[Array, " faces"]]]:
    """Return the scalar products of the faces' maps with the directions."""
    features = extract(backbone, params, images, tuple(next(iter(directions.values()))))

    def product(layer: str, values: Array) -> Float[Array, " faces"]:
        return jnp.sum(
            features[layer] * jnp.expand_dims(values, 0), tuple(range(1, values.ndim + 1))
        )

    return {
        name: {layer: product(layer, jnp.asarray(values)) for layer, values in maps.items()}
        for name, maps in directions.items()
    }


def judge(
    faces: Sample,
    network: Network,
    maps: dict[str, Features],
    mode: Literal["auto", "none"],
    count: Callable[[int], None],
) -> Judgement:
    """Measure how each direction separates one gallery's held-out faces, by scalar product.

    Args:
        faces: the faces of one gallery; their labels begin with those of the directions, in order.
        network: the network of the directions.
        maps: directions, by attribute and layer.
        mode: alignment, see `align.load_face`.
        count: receives the number of faces of each batch when it is done.
    """
    scored = []
    for images, part in batches(faces, network, faces.to_judge, mode):
        products = _projections(network.backbone, network.params, images, maps)
        rows = len(part)
        scored.append(jax.tree.map(lambda values, rows=rows: np.asarray(values)[:rows], products))
        count(rows)
    labels = faces.labels[faces.to_judge]
    judged: Judgement = {}
    for column, (name, layers) in enumerate(maps.items()):
        known = ~np.isnan(labels[:, column])
        has = labels[known, column] == 1
        pairs = int(has.sum()) * int((~has).sum())
        judged[name] = dict.fromkeys(layers, (math.nan, pairs))
        for layer in layers if pairs else ():
            scores = np.concatenate([batch[name][layer] for batch in scored])[known]
            judged[name][layer] = (separation(scores, has), pairs)
    return judged


def pooled(judged: list[tuple[float, int]]) -> float:
    """Average the galleries' separations by their pairs of faces; NaN if there were none."""
    pairs = sum(count for _, count in judged)
    if not pairs:
        return math.nan
    return round(sum(area * count for area, count in judged if count) / pairs, 4)
