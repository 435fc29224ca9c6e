"""Attributes from other faces: guides of the user's own, or the most similar faces of a gallery."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..descent import targets
from ..descent.moments import moments, shrunk
from ..descent.patches import best_patches
from ..faces import align, colour, image, regions
from ..gallery.features import Described, describe
from ..gallery.labels import Choice, Gallery, having, lacking, load_gallery
from ..gallery.search import Query, available, matching, nearest, query
from ..names import by_spelling, normalise
from ..network import metrics
from ..network.direction import Levels
from ..network.protocol import DESCRIPTOR, LOGITS, Network
from ..types import Features, Image, Progress
from .parsing import Amounts, EditError
from .recipe import GUIDED_LAYERS, TUNED_LAYERS
from .request import Request
from .source import Source

GUIDES, DIFFERENCE_FACES = 5, 100
"""Defaults of k: Li, Zuo & Zhang's, and Deep Feature Interpolation's."""
DIFFERENCE_SCALE = 3.0
"""Factor that makes a difference of means the natural amount, chosen by eye."""
SHARPNESS = 20.0
"""Guides are weighted by exp(SHARPNESS x cosine): one that is 0.05 more similar counts 2.7 times as
much."""


class Pool(NamedTuple):
    """A gallery with features of its faces: opened once, used for any number of references."""

    gallery: Gallery
    described: Described


def open_pool(
    request: Request, network: Network, progress: Progress = lambda done, total: None
) -> Pool | None:
    """Open the gallery that the options name, if they do, and compute missing features."""
    options = request.options
    if not options.gallery:
        return None
    gallery = load_gallery(options.gallery)
    check_names(request.attributes, gallery)  # before thousands of features are computed
    if not network.has(DESCRIPTOR) and not options.similar_by:
        raise EditError(
            f"the network {network.name!r} has no descriptor to measure similarity with; "
            "give layers, as in --similar-by conv5_3"
        )
    described = describe(gallery, network, options.similar_by, options.align, progress)
    return Pool(gallery, described)


def check_names(attributes: Amounts, gallery: Gallery) -> None:
    """Refuse attributes that the gallery does not label.

    Raises:
        GalleryError: suggests the nearest names.
    """
    for name, _ in attributes:
        having(gallery, name)


def from_files(request: Request, network: Network, reference: align.Face) -> Source:
    """Use the guides that the options name."""
    options, size = request.options, len(reference.image)
    faces = [
        align.load_face(path, size, options.align, onto=reference.points) for path in options.guides
    ]
    similarities = [_similarity(network, face.image, reference.image) for face in faces]
    return _guided(request, network, reference, faces, similarities)


def from_pool(request: Request, network: Network, reference: align.Face, pool: Pool) -> Source:
    """Use the most similar faces of a gallery, as guides or as a direction."""
    (gallery, described), options = pool, request.options
    resized = image.resize(reference.image, (network.size, network.size))
    face = query(
        gallery,
        described,
        network,
        resized,
        options.reference,
        options.similar_by,
        options.identity,
    )
    matched = np.ones(len(gallery.filenames), bool)
    for attribute in options.match:
        matched &= matching(gallery, network, face, resized, attribute)
    heads = tuple((name.partition("/")[0], amount) for name, amount in request.attributes)
    if request.target == "difference":
        return _difference(request, network, reference, pool, face, matched)._replace(heads=heads)
    positive = [having(gallery, name) for name, _ in request.attributes]
    choice = np.logical_and.reduce(positive) & matched
    rows, cosines = _nearest(request, pool, reference, face, choice, options.k or GUIDES)
    faces = list(_faces(request, pool, rows, reference))
    chosen = tuple((gallery.path(row), each) for row, each in zip(rows, cosines, strict=True))
    source = _guided(request, network, reference, faces, cosines)
    return source._replace(chosen=chosen, heads=heads)


def _nearest(
    request: Request, pool: Pool, reference: align.Face, face: Query, choice: Choice, k: int
) -> tuple[list[int], list[float]]:
    candidates = request.options.candidates
    return nearest(*pool, face, choice, k, points=reference.points, candidates=candidates)


def _guided(
    request: Request,
    network: Network,
    reference: align.Face,
    faces: Sequence[align.Face],
    similarities: Sequence[float],
) -> Source:
    """Combine guides, in the reference's colours, into one target."""
    weights = None
    layers = request.objective.layers if request.objective else GUIDED_LAYERS
    images = [recoloured(face.image, reference) for face in faces]
    if request.target == "weighted":
        weights = [float(np.exp(SHARPNESS * (each - max(similarities)))) for each in similarities]
    maps = targets.mean(network, layers, images, weights)
    if request.target == "patches" and len(images) > 1:
        maps = {**maps, **best_patches(network, maps, images)}
    own = targets.own_maps(network, reference.image, layers)
    return Source(jax.tree.map(lambda new, old: new - old, maps, own), guides=tuple(faces))


def recoloured(guide: Image, reference: align.Face) -> Image:
    """Give a guide the reference's light and skin tone, so that only the attribute differs."""
    face = regions.region("face", len(guide), reference.points)
    return colour.match_statistics(guide, reference.image, face)


def _similarity(network: Network, guide: Image, reference: Image) -> float:
    if not network.has(DESCRIPTOR):
        return 1.0
    size = (network.size, network.size)
    pair = (image.resize(guide, size), image.resize(reference, size))
    return metrics.identity_similarity(network, *pair)


def _difference(
    request: Request,
    network: Network,
    reference: align.Face,
    pool: Pool,
    face: Query,
    matched: Choice,
) -> Source:
    """Sum mean(with) - mean(without) over the attributes, each over its own nearest faces."""
    (gallery, described), options = pool, request.options
    default = ("image", *TUNED_LAYERS)
    layers = request.objective.layers if request.objective else default
    heads = _scored(request, network)
    read = (*layers, LOGITS) if heads else layers
    chosen = []

    def images(choice: Choice) -> Iterator[Image]:
        count = int(available(gallery, described, face, choice).sum())
        k = options.k or max(1, min(DIFFERENCE_FACES, count))
        rows, cosines = _nearest(request, pool, reference, face, choice, k)
        chosen.extend((gallery.path(row), each) for row, each in zip(rows, cosines, strict=True))
        return (
            recoloured(each.image, reference) for each in _faces(request, pool, rows, reference)
        )

    directions, levels = list[tuple[Features, float]](), list[Levels]()
    for name, amount in request.attributes:
        choices = (lacking(gallery, name) & matched, having(gallery, name) & matched)
        without, positive = (moments(network, read, images(choice)) for choice in choices)
        direction = {layer: positive.mean[layer] - without.mean[layer] for layer in layers}
        if options.shrinkage:
            error = jax.tree.map(jnp.add, without.error, positive.error)
            direction = shrunk(direction, error)
        deep = {layer: values for layer, values in direction.items() if layer != "image"}
        beta = options.scaling == "beta"
        scale = targets.interpolation_scale(deep) if beta else DIFFERENCE_SCALE
        directions.append((direction, amount * scale))
        if heads:
            column = heads[len(levels)]
            low, high = (float(each.mean[LOGITS][column]) for each in (without, positive))
            levels.append((low, high))
    return Source(targets.add_directions(directions), chosen=tuple(chosen), levels=tuple(levels))


def _scored(request: Request, network: Network) -> list[int]:
    """Return the network's outputs for the attributes; none if it does not score all of them."""
    known = by_spelling(network.attributes)
    names = [normalise(name.partition("/")[0]) for name, _ in request.attributes]
    if request.size(network) != network.size or not all(name in known for name in names):
        return []
    return [network.attributes.index(known[name]) for name in names]


def _faces(
    request: Request, pool: Pool, rows: list[int], reference: align.Face
) -> Iterator[align.Face]:
    """Read faces of the gallery one by one, warped to the reference by their known landmarks."""
    size, mode = len(reference.image), request.options.align
    for row in rows:
        path, known = pool.gallery.path(row), pool.described.pick(row)
        yield align.load_face(path, size, mode, known, onto=reference.points, centre=True)
