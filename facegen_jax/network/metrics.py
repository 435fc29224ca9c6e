"""Scores of finished edits; never losses."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from ..types import AnyArray, Image, Images
from .protocol import DESCRIPTOR, LOGITS, Network


def identity_similarity(network: Network, image: Image, reference: Image) -> float:
    """Return the cosine of two faces' descriptors, in [-1, 1].

    Different people score about 0 with the small network.
    """
    first, second = network.extract(_pair(image, reference), (DESCRIPTOR,))[DESCRIPTOR]
    return float(first @ second)


def identity_probability(network: Network, image: Image, reference: Image) -> float:
    """Return the image's probability of the class that is most likely for the reference."""
    logits = network.extract(_pair(image, reference), (LOGITS,))[LOGITS]
    after, before = jax.nn.softmax(logits, -1)
    return float(after[jnp.argmax(before)])


def attribute_scores(network: Network, images: Images) -> Float[AnyArray, "*batch attributes"]:
    """Return the logits of the network's attribute head, in the order of `network.attributes`."""
    return network.extract(images, (LOGITS,))[LOGITS]


def attribute_gain(network: Network, image: Image, reference: Image, attribute: str) -> float:
    """Return how much the attribute's logit rose from the reference to the image.

    Raises:
        ValueError: the network does not score this attribute.
    """
    if attribute not in network.attributes:
        raise ValueError(
            f"the network {network.name!r} has no score for {attribute!r}; "
            f"it scores {', '.join(network.attributes) or 'nothing'}"
        )
    after, before = attribute_scores(network, _pair(image, reference))
    return float((after - before)[network.attributes.index(attribute)])


def _pair(image: Image, reference: Image) -> Images:
    return jnp.stack([jnp.asarray(image), jnp.asarray(reference)])
