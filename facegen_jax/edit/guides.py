"""Attributes from guides: photos of the user's own, or the most similar faces of a gallery."""

from collections.abc import Sequence

import jax
import numpy as np

from ..descent import targets
from ..descent.patches import best_patches
from ..faces import align, image
from ..gallery.labels import having
from ..network import metrics
from ..network.protocol import DESCRIPTOR, Network
from ..types import Image
from .pool import Pool, files, look_up, most_similar, recoloured, warped
from .recipe import GUIDED_LAYERS
from .request import Request
from .source import Source

FACES = 5
"""Default of k, Li, Zuo & Zhang's."""
SHARPNESS = 20.0
"""Guides are weighted by exp(SHARPNESS x cosine): one that is 0.05 more similar counts 2.7 times as
much."""


def from_files(request: Request, network: Network, reference: align.Face) -> Source:
    """Use the guides that the options name."""
    options, size = request.options, len(reference.image)
    faces = [
        align.load_face(path, size, options.align, onto=reference.points) for path in options.guides
    ]
    similarities = [_similarity(network, face.image, reference.image) for face in faces]
    return _guided(request, network, reference, faces, similarities)


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


def _similarity(network: Network, guide: Image, reference: Image) -> float:
    if not network.has(DESCRIPTOR):
        return 1.0
    size = (network.size, network.size)
    pair = (image.resize(guide, size), image.resize(reference, size))
    return metrics.identity_similarity(network, *pair)
