"""Scores taken after the fact; never losses."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from ..types import AnyArray, Image, Images
from .checkpoint import Network
from .vgg_face import classify, descriptor, extract

_descriptor, _classify = jax.jit(descriptor), jax.jit(classify)
_logits = jax.jit(lambda params, images: extract(params, images, ("fc8",))["fc8"])


def identity_similarity(network: Network, image: Image, reference: Image) -> float:
    """Cosine of the two faces' descriptors, in [-1, 1]; about 0 for strangers with the small network."""
    first, second = _descriptor(
        network.params, jnp.stack([jnp.asarray(image), jnp.asarray(reference)])
    )
    return float(first @ second)


def identity_probability(network: Network, image: Image, reference: Image) -> float:
    """Probability, for the picture, of the person whom a network of classes sees most in the reference, in [0, 1]."""
    after, before = _classify(
        network.params, jnp.stack([jnp.asarray(image), jnp.asarray(reference)])
    )
    return float(after[jnp.argmax(before)])


def attribute_scores(network: Network, images: Images) -> Float[AnyArray, "*batch attributes"]:
    """Logits of the network's attribute head, in the order of `network.attributes`."""
    return _logits(network.params, jnp.asarray(images))


def attribute_gain(network: Network, image: Image, reference: Image, attribute: str) -> float:
    """How much the attribute's logit rose from the reference to the picture."""
    if attribute not in network.attributes:
        raise ValueError(
            f"the network {network.name!r} has no score for {attribute!r}; it scores {', '.join(network.attributes) or 'nothing'}"
        )
    after, before = attribute_scores(
        network, jnp.stack([jnp.asarray(image), jnp.asarray(reference)])
    )
    return float((after - before)[network.attributes.index(attribute)])
