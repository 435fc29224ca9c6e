"""The VGG-Face network: layer table, Flax module, named feature maps.

Architecture: Parkhi, Vedaldi & Zisserman, Deep Face Recognition, BMVC 2015 (configuration D of VGG-16). The 0-255 range and
the mean picture exist only in this file.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

from ..types import AnyArray, Features, Images, Params

BLOCKS = (
    ("conv1_1", "conv1_2"),
    ("conv2_1", "conv2_2"),
    ("conv3_1", "conv3_2", "conv3_3"),
    ("conv4_1", "conv4_2", "conv4_3"),
    ("conv5_1", "conv5_2", "conv5_3"),
)
"""Convolutions between max pools, as named in the VGG-Face release; each name means the map after its ReLU."""
CONVOLUTIONS = tuple(name for block in BLOCKS for name in block)
DENSE = ("fc6", "fc7", "fc8")
"""fc6 and fc7 are after their ReLU, fc8 has none: class logits of VGG-Face, attribute logits of the small network."""
LAYERS = ("image", *CONVOLUTIONS, *DENSE)
MEAN_RGB = (129.186279296875, 104.76238250732422, 93.59396362304688)
"""Mean of the training pictures, 0-255, as in the released network; subtracted for every network of this package."""


class Convolution(nn.Module):
    """3x3 convolution, stride 1, zero padding 1."""

    width: int

    @nn.compact
    def __call__(
        self, maps: Float[AnyArray, "batch height width inputs"]
    ) -> Float[Array, "batch height width outputs"]:
        kernel = self.param(
            "kernel", nn.initializers.he_normal(), (3, 3, maps.shape[-1], self.width)
        )
        bias = self.param("bias", nn.initializers.zeros_init(), (self.width,))
        return convolve(maps, kernel) + jnp.expand_dims(bias, (0, 1, 2))


class VGGFace(nn.Module):
    """VGG-Face with any widths: of the five convolution blocks, and of the dense layers (fc6, fc7, fc8)."""

    widths: tuple[int, ...] = (64, 128, 256, 512, 512)
    dense: tuple[int, ...] = (4096, 4096, 2622)

    @nn.compact
    def __call__(self, images: Images, layers: Sequence[str] = (DENSE[-1],)) -> Features:
        """Named maps of `images` (`batch height width 3`); nothing deeper than the deepest of `layers` is computed."""
        deepest = max(map(LAYERS.index, check_layers(layers)))
        features: Features = {"image": images}
        maps = jnp.asarray(images) * 255 - jnp.reshape(
            jnp.array(MEAN_RGB, images.dtype), (1, 1, 1, 3)
        )
        for block, width in zip(BLOCKS, self.widths, strict=True):
            for name in block:
                if LAYERS.index(name) > deepest:
                    return _only(features, layers)
                features[name] = maps = nn.relu(Convolution(width, name=name)(maps))
            if LAYERS.index(block[-1]) < deepest:
                maps = max_pool(maps)
        hidden = maps.reshape(len(maps), -1)  # height, width, channels
        for name, width in zip(DENSE, self.dense, strict=True):
            if LAYERS.index(name) > deepest:
                break
            hidden = nn.Dense(width, name=name)(hidden)
            features[name] = hidden = hidden if name == "fc8" else nn.relu(hidden)
        return _only(features, layers)


def extract(params: Params, images: Images, layers: Iterable[str]) -> Features:
    """Named post-ReLU maps of one picture or a batch, `*batch height width channels`; `"image"` is the picture itself.

    The network stops at the deepest layer asked for. Convolution layers take any picture of at least 16 pixels a side (deepest
    block); fc6 to fc8 take only the size the network was made for.

    Args:
        params: as from `load_params`; the widths are read from the shapes.
        images: RGB in [0, 1], `height width 3` or `batch height width 3`.
        layers: names of `LAYERS`.

    Raises:
        ValueError: an unknown layer, a layer that `params` lacks, or a size that does not fit.
    """
    layers = check_layers(layers, params)
    images = jnp.asarray(images)
    batch = images if images.ndim == 4 else images[None]
    _check_size(params, (batch.shape[1], batch.shape[2]), layers)
    features = module_of(params).apply({"params": params}, batch, layers)
    assert isinstance(features, dict)
    return features if images.ndim == 4 else {name: maps[0] for name, maps in features.items()}


def module_of(params: Params) -> VGGFace:
    """The module whose widths fit `params`; missing layers get the published widths."""

    def width(name: str, default: int) -> int:
        return params[name]["bias"].shape[0] if name in params else default

    widths = tuple(
        width(block[0], default) for block, default in zip(BLOCKS, VGGFace.widths, strict=True)
    )
    return VGGFace(
        widths,
        tuple(width(name, default) for name, default in zip(DENSE, VGGFace.dense, strict=True)),
    )


def init_params(key: jax.Array, module: VGGFace, size: int) -> Params:
    """Random parameters (He initialisation) for pictures of `size` pixels a side."""
    params: Any = module.init(key, jnp.zeros((1, size, size, 3)))["params"]
    return params


def descriptor(params: Params, images: Images) -> Float[Array, "*batch numbers"]:
    """Unit-length face descriptors, to be compared by their scalar product.

    fc7 after its ReLU as published for VGG-Face; a network with its own `embedding` on top of fc7, as the small one has, uses that.
    """
    hidden = jnp.asarray(extract(params, images, ("fc7",))["fc7"])
    if "embedding" in params:
        hidden = nn.Dense(params["embedding"]["bias"].shape[0]).apply(
            {"params": params["embedding"]}, hidden
        )
        assert isinstance(hidden, jax.Array)
    return hidden / jnp.sqrt(jnp.sum(jnp.square(hidden), -1, keepdims=True) + jnp.float32(1e-12))


def classify(params: Params, images: Images) -> Float[Array, "*batch classes"]:
    """Probabilities of the classes, the 2,622 people of VGG-Face: softmax of fc8 (attribute networks have no classes; see `metrics`)."""
    return jax.nn.softmax(jnp.asarray(extract(params, images, ("fc8",))["fc8"]), -1)


def check_layers(layers: Iterable[str], params: Params | None = None) -> tuple[str, ...]:
    """The names as a tuple, each once, or a ValueError that lists the valid ones."""
    layers = tuple(dict.fromkeys(layers))
    known = (
        LAYERS
        if params is None
        else tuple(name for name in LAYERS if name == "image" or name in params)
    )
    for name in layers:
        if name not in known:
            raise ValueError(f"no layer {name!r} in this network; it has {', '.join(known)}")
    return layers


def _check_size(params: Params, size: tuple[int, int], layers: tuple[str, ...]) -> None:
    blocks = [number for number, block in enumerate(BLOCKS) if set(block) & set(layers)]
    smallest = 2 ** max(blocks, default=0)
    if min(size) < smallest:
        raise ValueError(
            f"picture of {size[0]}x{size[1]} pixels; layers {', '.join(layers)} need at least {smallest}x{smallest}"
        )
    if set(layers) & set(DENSE):
        cells = params["fc6"]["kernel"].shape[0] // params["conv5_3"]["bias"].shape[0]
        if (size[0] // 32) * (size[1] // 32) != cells:
            side = 32 * round(cells**0.5)
            raise ValueError(
                f"picture of {size[0]}x{size[1]} pixels; fc6 of this network takes {side} to {side + 31} pixels a side"
            )


def _only(features: Features, layers: Iterable[str]) -> Features:
    return {name: features[name] for name in layers}


@jax.custom_vjp
def convolve(
    maps: Float[AnyArray, "batch height width inputs"], kernel: Float[Array, "3 3 inputs outputs"]
) -> Float[Array, "batch height width outputs"]:
    """3x3 correlation with zero padding 1.

    The input gradient is written as the same kind of convolution with the turned kernel: XLA's own transpose on CPUs is
    several times slower (see `experiments/speed`).
    """
    return _correlate(maps, kernel)


def _correlate(maps, kernel):
    return lax.conv_general_dilated(
        maps, kernel, (1, 1), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _convolve_forward(maps, kernel):
    return convolve(maps, kernel), (maps, kernel)


def _convolve_backward(saved, gradient):
    maps, kernel = saved
    turned = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
    _, of_kernel = jax.vjp(lambda kernel: _correlate(maps, kernel), kernel)
    return convolve(gradient, turned), of_kernel(gradient)[0]


convolve.defvjp(_convolve_forward, _convolve_backward)


def max_pool(
    maps: Float[Array, "batch height width channels"],
) -> Float[Array, "batch half_height half_width channels"]:
    """2x2 max pool, stride 2, an odd last row or column left out.

    The largest of four strided slices, whose gradient is elementwise: that of `reduce_window` is a scatter, slow on CPUs.
    """
    height, width = (side // 2 * 2 for side in maps.shape[1:3])
    corners = [maps[:, row:height:2, column:width:2] for row in (0, 1) for column in (0, 1)]
    return jnp.maximum(jnp.maximum(corners[0], corners[1]), jnp.maximum(corners[2], corners[3]))
