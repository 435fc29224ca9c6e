"""Attributes as differences: a gallery's faces with an attribute, minus those without it."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ..descent import targets
from ..descent.moments import Moments, moments, shrunk
from ..faces import align
from ..gallery.labels import Choice, Gallery, GalleryError, having, lacking
from ..names import by_spelling, normalise
from ..network.protocol import LOGITS, Network
from ..types import Features, Image
from .pool import Pool, count, files, look_up, most_similar, recoloured, warped
from .recipe import TUNED_LAYERS
from .request import Request
from .settings import Edit
from .source import Source

FACES = 100
"""Default of k, Deep Feature Interpolation's."""
NATURAL_SCALE = 3.0
"""Factor that makes a difference of means the natural amount, chosen by eye."""


class Sides(NamedTuple):
    """The faces nearest to the reference without an attribute and with it."""

    without: Moments
    having: Moments


def from_pool(request: Request, network: Network, reference: align.Face, pool: Pool) -> Source:
    """Sum mean(with) - mean(without) over the attributes, each over its own nearest faces.

    Source: Upchurch et al., Deep Feature Interpolation, arXiv:1611.05507; shrinkage is ours.
    """
    lookup, chosen = look_up(request, network, reference, pool), list[tuple[Path, float]]()
    layers = request.objective.layers if request.objective else ("image", *TUNED_LAYERS)
    columns = _scored(request, network)
    read = (*layers, LOGITS) if columns else layers

    def faces(choice: Choice) -> Iterator[Image]:
        k = request.options.k or max(1, min(FACES, count(lookup, choice)))
        rows, cosines = most_similar(lookup, choice, k)
        chosen.extend(files(lookup, rows, cosines))
        return (recoloured(each.image, reference) for each in warped(lookup, rows))

    sides = list[Sides]()
    for name, _ in request.attributes:
        choices = (lacking(pool.gallery, name), having(pool.gallery, name))
        _check_both(pool.gallery, name, *choices)
        sides.append(Sides(*(moments(network, read, faces(choice)) for choice in choices)))
    pairs = zip(sides, request.attributes, strict=True)
    return Source(
        targets.add_directions(
            (_direction(request.options, side, layers), amount) for side, (_, amount) in pairs
        ),
        chosen=tuple(chosen),
        heads=request.heads,
        levels=tuple(
            (float(side.without.mean[LOGITS][column]), float(side.having.mean[LOGITS][column]))
            for side, column in zip(sides, columns, strict=bool(columns))
        ),
    )


def _check_both(gallery: Gallery, name: str, without: Choice, positive: Choice) -> None:
    """Refuse an attribute that all faces of a gallery have, or none.

    Raises:
        GalleryError: says how many there are of each, and what to do.
    """
    having, lacking = int(positive.sum()), int(without.sum())
    if not having or not lacking:
        unknown = len(gallery.filenames) - having - lacking
        remedy = (
            "--target patches needs no faces without it" if having else "take another attribute"
        )
        raise GalleryError(
            f"{gallery.folder}: {having} faces have {name}, {lacking} lack it, {unknown} are not "
            f"labelled; a difference needs some of both ({remedy})"
        )


def _direction(options: Edit, sides: Sides, layers: tuple[str, ...]) -> Features:
    """Return the difference at a strength of 1, shrunk and scaled as the options ask."""
    without, positive = sides
    direction = {layer: positive.mean[layer] - without.mean[layer] for layer in layers}
    if options.shrinkage:
        direction = shrunk(direction, jax.tree.map(jnp.add, without.error, positive.error))
    if options.scaling == "beta":
        deep = {layer: values for layer, values in direction.items() if layer != "image"}
        scale = targets.interpolation_scale(deep)
    else:
        scale = NATURAL_SCALE
    return {layer: jnp.float32(scale) * values for layer, values in direction.items()}


def _scored(request: Request, network: Network) -> list[int]:
    """Return the network's outputs for the attributes; none if it does not score all of them."""
    known = by_spelling(network.attributes)
    names = [normalise(name) for name, _ in request.heads]
    if request.size(network) != network.size or not all(name in known for name in names):
        return []
    return [network.attributes.index(known[name]) for name in names]
