"""Finished edits: results in their final colours, their scores, and the image to write.

A batch is scored by one compiled program. What the network says of references and guides can be
remembered, because many edits share them.
"""

import hashlib
from collections.abc import MutableMapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from ..faces import colour, geometry, image
from ..network import metrics
from ..network.metrics import Judged
from ..network.protocol import Network
from ..types import Image
from .material import Material
from .recipe import INSIDE
from .record import edit_scores
from .request import Request

T = TypeVar("T")
Memory = MutableMapping[str, Judged]
"""What a network said of images, by a hash of their content."""


class Finished(NamedTuple):
    """A result with its final colours, and what the network says of it."""

    image: Image
    scores: dict[str, object]


class Solved(NamedTuple):
    """An edit with the image that its descent ended with."""

    request: Request
    material: Material
    result: Image
    factor: float | None = None
    """What calibration multiplied the strength by, for the record."""


def finish(
    network: Network, solved: Sequence[Solved], memory: Memory, size: int | None = None
) -> list[Finished]:
    """Match the results' colours, as the options ask, and score them.

    Args:
        network: the judge.
        solved: the edits.
        memory: remembers references and guides.
        size: judge so many images at a time; see `metrics.judge`.
    """
    coloured = [_coloured(each) for each in solved]
    images = [_images(each, result) for each, result in zip(solved, coloured, strict=True)]
    judged = _judged(network, images, memory, size)
    return [_finished(network, *each) for each in zip(solved, coloured, judged, strict=True)]


def _coloured(solved: Solved) -> Image:
    options, material, result = solved.request.options, solved.material, solved.result
    inside = material.masks.get(INSIDE)
    where = None
    if inside is not None and options.colour_at != "everywhere":
        where = inside if options.colour_at == "inside" else 1 - inside
    return np.asarray(colour.matched(options.colour, result, material.reference.image, where))


def _images(solved: Solved, result: Image) -> list[Image]:
    """Return all images that an edit's scores need: result, reference, guides."""
    reference, source = solved.material.reference, solved.material.source
    return [result, reference.image, *(guide.image for guide in source.guides)]


def _judged(
    network: Network, images: Sequence[Sequence[Image]], memory: Memory, size: int | None
) -> list[list[Judged]]:
    """Judge every image of every edit, equal ones once; remember all but the results."""
    keys = [[_hash(each) for each in group] for group in images]
    unique = dict(zip(_flat(keys), _flat(images), strict=True))
    known = {key: memory[key] for key in unique if key in memory}
    new = [key for key in unique if key not in known]
    if new:
        side = (network.size, network.size)
        resized = np.stack([image.resize(unique[key], side) for key in new])
        known |= zip(new, metrics.judge(network, resized, size), strict=True)
    for key in _flat([group[1:] for group in keys]):
        memory[key] = known[key]
    return [[known[key] for key in group] for group in keys]


def _flat(groups: Sequence[Sequence[T]]) -> list[T]:
    return [each for group in groups for each in group]


def _hash(array: Image) -> str:
    content = np.ascontiguousarray(array)
    return hashlib.blake2b(content.data, digest_size=16).hexdigest() + str(content.shape)


def _finished(
    network: Network, solved: Solved, result: Image, judged: Sequence[Judged]
) -> Finished:
    own, before, *guides = judged
    scores = edit_scores(network, own, before, solved.material.source.heads, guides)
    if solved.factor is not None:
        scores["strength_factor"] = solved.factor
    return Finished(result, scores)


def written(request: Request, material: Material, finished: Finished) -> Image:
    """Return the image to write: the result, or the whole photo with it pasted back."""
    if not request.options.paste_back:
        return finished.image
    reference = material.reference
    placed = (reference.photo, reference.placement)
    return geometry.paste_back(*placed, reference.image, finished.image)
