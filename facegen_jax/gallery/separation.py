"""How well directions separate people whom their fit has not seen."""

import math
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..network.checkpoint import Network
from ..network.vgg_face import extract
from ..types import Features, Images, Params
from .sample import Sample, batches


def separation(scores: Float[np.ndarray, " faces"], has: Bool[np.ndarray, " faces"]) -> float:
    """Area under the ROC curve: how often a face with the attribute scores above one without it; ties count half."""
    with_it, without = scores[has], np.sort(scores[~has])
    below = np.searchsorted(without, with_it, "left") + np.searchsorted(without, with_it, "right")
    return float(below.mean() / 2 / len(without))


@jax.jit
def _projections(
    params: Params, images: Images, directions: dict[str, Features]
) -> dict[str, dict[str, Float[Array, " faces"]]]:
    """Scalar products of the faces' maps with the directions."""
    features = extract(params, images, tuple(next(iter(directions.values()))))
    return {
        name: {
            layer: jnp.einsum("nhwc,hwc->n", features[layer], values)
            for layer, values in maps.items()
        }
        for name, maps in directions.items()
    }


def judge(
    faces: Sample,
    network: Network,
    maps: dict[str, Features],
    mode: Literal["auto", "none"],
    tick: Callable[[int], None],
) -> dict[str, dict[str, tuple[float, int]]]:
    """Separation of one gallery's held-out faces by the scalar product with each direction, and how many pairs of faces were compared.

    Args:
        faces: of one gallery; their labels begin with those of the directions, in order.
        network: whose maps they are.
        maps: directions, by attribute and layer.
        mode: alignment, see `align.load_face`.
        tick: told how many faces were done.
    """
    scored = []
    for images, part in batches(faces, network, faces.to_judge, mode):
        scored.append(
            jax.tree.map(
                lambda values, part=part: np.asarray(values)[: len(part)],
                _projections(network.params, images, maps),
            )
        )
        tick(len(part))
    labels = faces.labels[faces.to_judge]
    judged: dict[str, dict[str, tuple[float, int]]] = {}
    for column, (name, layers) in enumerate(maps.items()):
        known = ~np.isnan(labels[:, column])
        has = labels[known, column] == 1
        pairs = int(has.sum()) * int((~has).sum())
        scores = (
            {
                layer: np.concatenate([batch[name][layer] for batch in scored])[known]
                for layer in layers
            }
            if pairs
            else {}
        )
        judged[name] = {
            layer: (separation(scores[layer], has) if pairs else math.nan, pairs)
            for layer in layers
        }
    return judged


def pooled(judged: list[tuple[float, int]]) -> float:
    """The galleries' separations, weighted by their pairs of faces; not a number where there were none."""
    pairs = sum(count for _, count in judged)
    return (
        round(sum(area * count for area, count in judged if count) / pairs, 4)
        if pairs
        else math.nan
    )
