"""Attribute directions from galleries: what changes in every map with one attribute while the others stay.

Every number of every map is regressed (least squares) on all the attributes and controls together, over the faces and their mirror images. An
attribute's coefficients are its direction, so that a mustache does not bring a man's face along as the plain mean(with) - mean(without) does.
Labels that are unknown are filled in by the network's own head, where it has one, else by the attribute's mean.
"""

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..names import normalise
from ..network.checkpoint import Network
from ..network.direction import save_directions
from ..network.vgg_face import extract
from ..types import Features, Images, Params
from . import sample
from .features import BATCH, Described
from .labels import Gallery
from .sample import Sample
from .separation import judge, pooled

RIDGE = 1e-3


class Directions(NamedTuple):
    """Directions and what can be said of them."""

    maps: dict[str, Features]
    """By attribute and layer, for an attribute that goes from 0 to 1."""
    faces: dict[str, dict[str, int]]
    """By attribute: how many faces `with` and `without` it the fit saw, and how many of each were `held_out_with` and `held_out_without`."""
    separation: dict[str, dict[str, float]]
    """By attribute and layer: the area under the ROC curve of the scalar product with the direction, on faces that were held out."""


def build(
    galleries: Sequence[tuple[Gallery, Described]],
    network: Network,
    attributes: Sequence[str],
    controls: Sequence[str] = (),
    layers: Sequence[str] = ("image", "conv1_2", "conv2_2", "conv3_3", "conv4_3"),
    mode: Literal["auto", "none"] = "auto",
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Directions:
    """Fit directions on one or more galleries.

    Args:
        galleries: with their faces described; a name that only some of them label is unknown in the others.
        network: whose maps are fitted; faces are brought to its size.
        attributes: names, or pairs of opposites as in `Senior/Youth`: 1 is the first without the second, 0 the second without the first. Labels that
            come from classifiers are clean only so.
        controls: further names or pairs that are held constant.
        layers: of which maps are wanted; `image` gives a direction its colours.
        mode: alignment, see `align.load_face`.
        progress: told how many faces are done, of how many.

    Raises:
        GalleryError: a name that no gallery has, or an attribute with fewer than 10 faces with or without it.
    """
    names = [*attributes, *controls]
    samples = [sample.take(gallery, described, names, mode) for gallery, described in galleries]
    sample.check(samples, names)
    done, work = 0, sum(int((faces.to_fit | faces.to_judge).sum()) for faces in samples)

    def tick(count: int) -> None:
        nonlocal done
        done += count
        progress(done, work)

    coefficients = _fit(samples, network, names, tuple(layers), mode, tick)
    maps = {
        name.partition("/")[0]: features
        for name, features in zip(attributes, coefficients, strict=False)
    }
    judged = [judge(faces, network, maps, mode, tick) for faces in samples]
    separation = {
        name: {layer: pooled([each[name][layer] for each in judged]) for layer in layers}
        for name in maps
    }
    return Directions(
        maps, {name: sample.counts(samples, column) for column, name in enumerate(maps)}, separation
    )


def write(
    path: Path,
    network: Network,
    made: Directions,
    attributes: Sequence[str],
    scales: Sequence[float],
    notes: dict[str, str],
) -> None:
    """Write directions with the factor that makes a strength of 1 natural, their numbers of faces and their separation."""
    opposites = {
        second: first for first, _, second in (name.partition("/") for name in attributes) if second
    }
    notes = {**notes, "faces": json.dumps(made.faces), "separation": json.dumps(made.separation)}
    save_directions(
        path, network, made.maps, dict(zip(made.maps, scales, strict=True)), opposites, notes
    )


def _fit(
    samples: list[Sample],
    network: Network,
    names: list[str],
    layers: tuple[str, ...],
    mode: Literal["auto", "none"],
    tick: Callable[[int], None],
) -> list[Features]:
    """Coefficients of each name, by layer; only the normal equations are kept in memory."""
    known = {normalise(name): place for place, name in enumerate(network.attributes)}
    heads = tuple(
        known.get(normalise(name.partition("/")[0]), -1) for name in names
    )  # the network's own opinion where a label is unknown
    means = jnp.array(
        np.nanmean(np.concatenate([faces.labels for faces in samples]), 0), jnp.float32
    )
    square, products = np.zeros(()), None
    for number, faces in enumerate(samples):
        for images, part in sample.batches(faces, network, faces.to_fit, mode):
            base = np.zeros((BATCH, len(samples)), np.float32)
            base[: len(part), [0, *([number] if number else [])]] = (
                1  # a constant, and what is peculiar to each further gallery
            )
            rows = np.pad(part, ((0, BATCH - len(part)), (0, 0)))
            for seen in (images, images[:, :, ::-1]):
                one, product = _normal_equations(
                    network.params, jnp.asarray(seen), base, rows, means, layers, heads
                )
                square = square + np.asarray(one, np.float64)
                products = product if products is None else jax.tree.map(jnp.add, products, product)
            tick(len(part))
    inverse = np.linalg.inv(square + RIDGE * np.eye(len(square))).astype(np.float32)[len(samples) :]
    return [
        {layer: np.tensordot(row, np.asarray((products or {})[layer]), 1) for layer in layers}
        for row in inverse
    ]


@functools.partial(jax.jit, static_argnums=(5, 6))
def _normal_equations(
    params: Params,
    images: Images,
    base: Float[Array, "faces galleries"],
    labels: Float[Array, "faces attributes"],
    means: Float[Array, " attributes"],
    layers: tuple[str, ...],
    heads: tuple[int, ...],
) -> tuple[Float[Array, "columns columns"], Features]:
    """One batch's part of both sides of the regression; rows of zeros in `base` are faces that do not count."""
    scored = any(head >= 0 for head in heads)
    features = extract(params, images, (*layers, "fc8") if scored else layers)
    guesses = jnp.broadcast_to(jnp.expand_dims(means, 0), labels.shape)
    if scored:
        seen = jax.nn.sigmoid(
            jnp.take(jnp.asarray(features["fc8"]), jnp.maximum(jnp.array(heads), 0), axis=-1)
        )
        guesses = jnp.where(jnp.expand_dims(jnp.array(heads) >= 0, 0), seen, guesses)
    columns = jnp.concatenate(
        [base, jnp.where(jnp.isnan(labels), guesses, labels) * base[:, :1]], -1
    )
    return columns.T @ columns, {
        layer: jnp.einsum("nj,nhwc->jhwc", columns, features[layer]) for layer in layers
    }
