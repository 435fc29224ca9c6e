"""Features of images: of any network, or of VGG-Face parameters alone."""

from collections.abc import Iterable

import jax
from jaxtyping import Array, Float

from ..rgb import check_image
from ..types import Images, Params
from . import protocol
from .protocol import DESCRIPTOR, LOGITS, Network
from .vgg_face import CONVOLUTIONS, backbone_of


def as_network(network: Network | Params) -> Network:
    """Return a network as it is, and VGG-Face parameters as the network that they make.

    Raises:
        ValueError: anything else.
    """
    if isinstance(network, Network):
        return network
    if not isinstance(network, dict) or not set(CONVOLUTIONS) <= set(network):
        raise ValueError(
            "expected a Network or VGG-Face parameters (from load_network or load_params), "
            f"not {_described(network)}; docs/extending.md shows how to make a Network of your own"
        )
    return Network(backbone_of(network), network, "vgg")


def _described(value: object) -> str:
    if isinstance(value, dict):
        return f"a dict with the keys {', '.join(map(str, list(value)[:4])) or '(none)'}"
    return f"a {type(value).__name__}"


def extract(
    network: Network | Params, images: Images, layers: Iterable[str]
) -> dict[str, Float[Array, "..."]]:
    """Return named feature maps of one image or a batch; `"image"` is the image itself.

    The network stops at the deepest layer asked for.

    Args:
        network: as from `load_network`, or VGG-Face parameters.
        images: RGB in [0, 1], `height width 3` or `batch height width 3`.
        layers: names of the network's layers.

    Returns:
        Maps by layer: `height width channels`, or `numbers` of a layer without height and width;
        with `batch` in front where the images have it.

    Raises:
        ValueError: an unknown layer, a size that does not fit, or no images in [0, 1].
    """
    network = as_network(network)
    check_image(images, "an image", batch=True)
    return protocol.extract(network.backbone, network.params, images, layers)


def descriptor(network: Network | Params, images: Images) -> Float[Array, "*batch numbers"]:
    """Return unit-length face descriptors, to be compared by their scalar product.

    VGG-Face uses fc7 after its ReLU, as published; the small network has an embedding on top of it.

    Args:
        network: as from `load_network`, or VGG-Face parameters.
        images: RGB in [0, 1], `height width 3` or `batch height width 3`.

    Returns:
        Descriptors, `numbers` or `batch numbers`.
    """
    return extract(network, images, (DESCRIPTOR,))[DESCRIPTOR]


def classify(network: Network | Params, images: Images) -> Float[Array, "*batch classes"]:
    """Return class probabilities: the softmax of the logits, over the 2,622 people of VGG-Face.

    Args:
        network: as from `load_network`, or VGG-Face parameters.
        images: RGB in [0, 1], `height width 3` or `batch height width 3`.

    Returns:
        Probabilities that add up to 1, `classes` or `batch classes`.
    """
    return jax.nn.softmax(extract(network, images, (LOGITS,))[LOGITS], -1)
