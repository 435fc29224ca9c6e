"""Attributes from guides: photos of the user's own, or the most similar faces of a gallery."""

import functools
from collections.abc import Sequence

import jax
import numpy as np

from ..descent import targets
from ..descent.patches import best_patches
from ..faces import align, image, photos
from ..faces.photos import NO_PHOTO, Wanted
from ..gallery.labels import having
from ..network import metrics
from ..network.protocol import DESCRIPTOR, Network
from .pool import Pool, files, look_up, most_similar, recoloured, warped
from .recall import Recall, make_anew
from .recipe import GUIDED_LAYERS
from .request import Request
from .source import Source

FACES = 5
"""Default of k, Li, Zuo & Zhang's."""
SHARPNESS = 20.0
"""Guides are weighted by exp(SHARPNESS x cosine): one that is 0.05 more similar counts 2.7 times as
much."""


def from_files(
    request: Request, network: Network, reference: align.Face, recall: Recall = make_anew
) -> Source:
    """Use the guides that the options name."""
    options, size = request.options, len(reference.image)
    faces = list[align.Face]()
    for path in options.guides:
        wanted = Wanted(path, size, options.align, onto=photos.flat(reference.points))
        faces.append(recall(wanted, functools.partial(photos.read, wanted)))
    return _guided(request, network, reference, faces)


def from_pool(request: Request, network: Network, reference: align.Face, pool: Pool) -> Source:
    """Use the most similar faces of a gallery that have all attributes."""
    lookup = look_up(request, network, reference, pool)
    choice = np.logical_and.reduce([having(pool.gallery, name) for name, _ in request.attributes])
    rows, cosines = most_similar(lookup, choice, request.options.k or FACES)
    source = _guided(request, network, reference, list(warped(lookup, rows)), cosines)
    return source._replace(chosen=tuple(files(lookup, rows, cosines)), heads=request.heads)


def _guided(
    request: Request,
    network: Network,
    reference: align.Face,
    faces: Sequence[align.Face],
    similarities: Sequence[float] | None = None,
) -> Source:
    """Combine guides, in the reference's colours, into one target."""
    weights = None
    layers = request.objective.layers if request.objective else GUIDED_LAYERS
    images = [recoloured(face.image, reference) for face in faces]
    if request.target == "weighted":
        known = similarities or _similarities(network, reference, faces)
        weights = [float(np.exp(SHARPNESS * (each - max(known)))) for each in known]
    maps = targets.mean(network, layers, images, weights)
    if request.target == "patches" and len(images) > 1:
        maps = {**maps, **best_patches(network, maps, images)}
    own = targets.own_maps(network, reference.image, layers)
    slim = tuple(face._replace(photo=NO_PHOTO) for face in faces)
    return Source(jax.tree.map(lambda new, old: new - old, maps, own), guides=slim)


def _similarities(
    network: Network, reference: align.Face, faces: Sequence[align.Face]
) -> list[float]:
    """Return how much each guide looks like the reference; 1 if the network cannot tell."""
    if not network.has(DESCRIPTOR):
        return [1.0] * len(faces)
    size = (network.size, network.size)
    images = np.stack([image.resize(each.image, size) for each in (reference, *faces)])
    own, *others = metrics.judge(network, images)
    return [metrics.identity_similarity(each, own) for each in others]
