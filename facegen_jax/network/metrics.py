"""Scores of finished edits; never losses.

A network judges images, many in one call of a compiled program; scores compare its judgements.
"""

import functools
import itertools
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float

from ..compilation import ONE_THREAD, OPTIONS
from ..types import AnyArray, Features, Images
from .devices import home, one_core_each, split
from .passes import maps_of
from .protocol import DESCRIPTOR, LOGITS, Backbone, Network


class Judged(NamedTuple):
    """What a network says of an image; None where it has no such output."""

    descriptor: Float[np.ndarray, " numbers"] | None
    logits: Float[np.ndarray, " outputs"] | None


def judge(network: Network, images: Images, size: int | None = None) -> list[Judged]:
    """Return what a network says of each image of a batch.

    On CPUs each image is judged alone, so that its last digit does not depend on the others.

    Args:
        network: the judge.
        images: of the network's own size.
        size: judge so many at a time, in one compiled program whatever their number; by default all
            together.
    """
    layers = tuple(layer for layer in (DESCRIPTOR, LOGITS) if network.has(layer))
    count = len(images)
    if not layers or not count:
        return [Judged(None, None)] * count
    mesh, sequential = home(network.params), jax.default_backend() == "cpu"
    run = judge_on_cores if one_core_each(mesh) else judge_together
    devices = mesh.size if mesh else 1
    size = -(-(size or count) // devices) * devices
    found = list[Features]()
    for first in range(0, count, size):
        some = np.asarray(images[first : first + size], np.float32)
        live = np.arange(size) < len(some)
        filled = np.concatenate([some, np.zeros((size - len(some), *some.shape[1:]), np.float32)])
        judged = run(network.backbone, layers, sequential, mesh, network.params, filled, live)
        found.append(jax.device_get(judged))
    joined = {name: np.concatenate([part[name] for part in found]) for name in layers}
    columns = (joined.get(name, [None] * count) for name in (DESCRIPTOR, LOGITS))
    return [Judged(*row) for row in itertools.islice(zip(*columns, strict=False), count)]


def _outputs(
    backbone: Backbone,
    layers: tuple[str, ...],
    sequential: bool,
    mesh: jax.sharding.Mesh | None,
    params: Any,
    images: Float[AnyArray, "batch height width 3"],
    live: Bool[AnyArray, " batch"],
) -> Features:
    """Return the outputs of each image that does not only fill the batch."""
    outputs = functools.partial(maps_of, backbone, layers=layers, sequential=sequential)
    return split(outputs, mesh, False, True, True)(params, images, live)


_judge = functools.partial(jax.jit, _outputs, static_argnums=(0, 1, 2, 3))
judge_together = _judge(compiler_options=OPTIONS)
judge_on_cores = _judge(compiler_options=ONE_THREAD)
"""The same where every device is one core of a CPU."""


def identity_similarity(image: Judged, reference: Judged) -> float:
    """Return the cosine of two faces' descriptors, in [-1, 1].

    Different people score about 0 with the small network.
    """
    assert image.descriptor is not None
    assert reference.descriptor is not None
    return float(image.descriptor @ reference.descriptor)


def identity_probability(image: Judged, reference: Judged) -> float:
    """Return the image's probability of the class that is most likely for the reference."""
    assert image.logits is not None
    assert reference.logits is not None
    shares = np.exp(image.logits - image.logits.max())
    return float(shares[np.argmax(reference.logits)] / shares.sum())


def attribute_gain(network: Network, image: Judged, reference: Judged, attribute: str) -> float:
    """Return how much an attribute's logit rose from the reference to the image.

    Raises:
        ValueError: the network does not score this attribute.
    """
    if attribute not in network.attributes:
        raise ValueError(
            f"the network {network.name!r} has no score for {attribute!r}; "
            f"it scores {', '.join(network.attributes) or 'nothing'}"
        )
    assert image.logits is not None
    assert reference.logits is not None
    return float((image.logits - reference.logits)[network.attributes.index(attribute)])


def attribute_scores(network: Network, images: Images) -> Float[AnyArray, "*batch attributes"]:
    """Return the logits of the network's attribute head, in the order of `network.attributes`."""
    return network.extract(images, (LOGITS,))[LOGITS]
