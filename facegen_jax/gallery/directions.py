"""Attribute directions from galleries: what changes in every map with one attribute, others fixed.

Every number of every map is regressed (least squares) on all attributes and controls together, over
the faces and their mirror images. An attribute's coefficients are its direction, so that a mustache
does not bring a man's face along, as the plain mean(with) - mean(without) does. Unknown labels are
filled in by the network's own head if it has one, else by the attribute's mean.

Light and skin tone are held constant too: the mean colour of each face, and how its brightness
grows from left to right. Else the flash that people smile into becomes part of the smile.
"""

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..names import normalise
from ..network.direction import Levels, save_directions
from ..network.protocol import LOGITS, Backbone, Network, extract
from ..types import Features, Images, Progress
from . import sample
from .features import BATCH, Described
from .labels import Gallery
from .sample import Sample
from .separation import judge, pooled
from .settings import LAYERS

RIDGE = 1e-3


class Directions(NamedTuple):
    """Directions, and how well they were fitted."""

    maps: dict[str, Features]
    """Change of the maps when an attribute goes from 0 to 1, by attribute and layer."""
    faces: dict[str, dict[str, int]]
    """Number of faces by attribute: fitted `with` and `without` it, and held out (`held_out_with`,
    `held_out_without`)."""
    separation: dict[str, dict[str, float]]
    """Area under the ROC curve of the scalar product with the direction, on held-out faces, by
    attribute and layer."""
    levels: dict[str, Levels]
    """The network's median score of faces without and with each attribute that it scores."""


def build(
    galleries: Sequence[tuple[Gallery, Described]],
    network: Network,
    attributes: Sequence[str],
    controls: Sequence[str] = (),
    layers: Sequence[str] = LAYERS,
    mode: Literal["auto", "none"] = "auto",
    progress: Progress = lambda done, total: None,
) -> Directions:
    """Fit directions on one or more galleries.

    Args:
        galleries: with their features; a name that only some of them label is unknown in the
            others.
        network: the network whose maps are fitted; faces are resized to its size.
        attributes: names, or pairs of opposites as in `Senior/Youth`: 1 is the first without the
            second, 0 the second without the first. Labels of classifiers are clean only so.
        controls: further names or pairs that are held constant.
        layers: layers to fit.
        mode: alignment, see `align.load_face`.
        progress: counts faces.

    Raises:
        GalleryError: a name that no gallery has, or an attribute with fewer than 10 faces with or
            without it.
    """
    names = [*attributes, *controls]
    samples = [sample.take(gallery, described, names, mode) for gallery, described in galleries]
    sample.check(samples, names)
    done, total = 0, sum(int((faces.to_fit | faces.to_judge).sum()) for faces in samples)

    def count(faces: int) -> None:
        nonlocal done
        done += faces
        progress(done, total)

    coefficients, scores = _fit(samples, network, names, tuple(layers), mode, count)
    firsts = [name.partition("/")[0] for name in attributes]
    maps = dict(zip(firsts, coefficients, strict=False))
    judged = [judge(faces, network, maps, mode, count) for faces in samples]
    separation = {
        name: {layer: pooled([each[name][layer] for each in judged]) for layer in layers}
        for name in maps
    }
    numbers = {name: sample.counts(samples, column) for column, name in enumerate(maps)}
    scored = [name for name, head in zip(maps, _heads(network, names), strict=False) if head >= 0]
    levels = {name: _levels(samples, scores, list(maps).index(name)) for name in scored}
    return Directions(maps, numbers, separation, levels)


def _levels(samples: list[Sample], scores: Float[np.ndarray, "faces names"], column: int) -> Levels:
    """Return the median score of the fitted faces without and with one attribute."""
    labels = np.concatenate([faces.labels[faces.to_fit, column] for faces in samples])
    without, having = (np.median(scores[labels == each, column]) for each in (0, 1))
    return round(float(without), 4), round(float(having), 4)


def write(
    path: Path,
    network: Network,
    directions: Directions,
    attributes: Sequence[str],
    scales: Sequence[float],
    notes: dict[str, str],
) -> None:
    """Write directions with their natural scales, numbers of faces and separation."""
    pairs = [name.partition("/") for name in attributes]
    opposites = {second: first for first, _, second in pairs if second}
    notes = {
        **notes,
        "faces": json.dumps(directions.faces),
        "separation": json.dumps(directions.separation),
        "levels": json.dumps(directions.levels),
    }
    by_name = dict(zip(directions.maps, scales, strict=True))
    save_directions(path, network, directions.maps, by_name, opposites, notes)


def _fit(
    samples: list[Sample],
    network: Network,
    names: list[str],
    layers: tuple[str, ...],
    mode: Literal["auto", "none"],
    count: Callable[[int], None],
) -> tuple[list[Features], Float[np.ndarray, "faces names"]]:
    """Return the coefficients of each name, by layer, and the network's scores of the faces.

    Of the maps, memory holds the normal equations alone. A name that is not scored has zeros.
    """
    heads = _heads(network, names)
    labels = np.concatenate([faces.labels for faces in samples])
    means = jnp.array(np.nanmean(labels, 0), jnp.float32)
    square, products, scores = np.zeros(()), None, list[np.ndarray]()
    for number, faces in enumerate(samples):
        for images, part in sample.batches(faces, network, faces.to_fit, mode):
            base = np.zeros((BATCH, len(samples)), np.float32)
            # A constant, and an offset for each further gallery.
            base[: len(part), [0, *([number] if number else [])]] = 1
            rows = np.pad(part, ((0, BATCH - len(part)), (0, 0)))
            for view in (images[:, :, ::-1], images):
                one, product, scored = _normal_equations(
                    network.backbone, network.params, view, base, rows, means, layers, heads
                )
                square = square + np.asarray(one, np.float64)
                products = product if products is None else jax.tree.map(jnp.add, products, product)
            scores.append(np.asarray(scored)[: len(part)])
            count(len(part))
    ridge = RIDGE * np.eye(len(square))
    inverse = np.linalg.inv(square + ridge).astype(np.float32)[len(samples) :][: len(names)]
    sums = {layer: np.asarray((products or {})[layer]) for layer in layers}
    fitted: list[Features] = [
        {layer: np.tensordot(row, sums[layer], 1) for layer in layers} for row in inverse
    ]
    return fitted, np.concatenate(scores)


def _heads(network: Network, names: list[str]) -> tuple[int, ...]:
    """Return the network's output for each name, which guesses unknown labels; -1 without one."""
    known = {normalise(name): index for index, name in enumerate(network.attributes)}
    return tuple(known.get(normalise(name.partition("/")[0]), -1) for name in names)


@functools.partial(jax.jit, static_argnums=(0, 6, 7))
def _normal_equations(
    backbone: Backbone,
    params: Any,
    images: Images,
    base: Float[Array, "faces galleries"],
    labels: Float[Array, "faces attributes"],
    means: Float[Array, " attributes"],
    layers: tuple[str, ...],
    heads: tuple[int, ...],
) -> tuple[Float[Array, "columns columns"], Features, Float[Array, "faces attributes"]]:
    """Return one batch's part of both sides of the regression, and its scores.

    Rows of zeros in `base` are padding.
    """
    scored = any(head >= 0 for head in heads)
    features = extract(backbone, params, images, (*layers, LOGITS) if scored else layers)
    guesses = jnp.broadcast_to(jnp.expand_dims(means, 0), labels.shape)
    scores = jnp.zeros_like(labels)
    if scored:
        outputs = jnp.maximum(jnp.array(heads), 0)
        has_head = jnp.expand_dims(jnp.array(heads) >= 0, 0)
        scores = jnp.where(has_head, jnp.take(features[LOGITS], outputs, axis=-1), scores)
        guesses = jnp.where(has_head, jax.nn.sigmoid(scores), guesses)
    filled = jnp.where(jnp.isnan(labels), guesses, labels)
    columns = jnp.concatenate(
        [base, jnp.concatenate([filled, sample.light(images)], -1) * base[:, :1]], -1
    )
    products: Features = {layer: jnp.tensordot(columns.T, features[layer], 1) for layer in layers}
    return columns.T @ columns, products, scores
