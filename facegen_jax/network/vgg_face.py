"""VGG-Face: layer table, Flax module, and the backbone that the program uses.

Architecture: Parkhi, Vedaldi & Zisserman, Deep Face Recognition, BMVC 2015 (configuration D of
VGG-16). The 0-255 range and the mean image exist only in this file.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from ..types import AnyArray, Features, Images, Params
from .convolution import Filters, convolve, convolve_with, filters, max_pool
from .protocol import DESCRIPTOR, IMAGE, LOGITS

BLOCKS = (
    ("conv1_1", "conv1_2"),
    ("conv2_1", "conv2_2"),
    ("conv3_1", "conv3_2", "conv3_3"),
    ("conv4_1", "conv4_2", "conv4_3"),
    ("conv5_1", "conv5_2", "conv5_3"),
)
"""Convolutions between max pools, named as in the VGG-Face release: the map after the ReLU."""
CONVOLUTIONS = tuple(name for block in BLOCKS for name in block)
DENSE = ("fc6", "fc7", "fc8")
"""fc6 and fc7 are taken after their ReLU. fc8 has none: it holds logits, of VGG-Face's 2,622 people
or of the small network's attributes."""
LAYERS = (IMAGE, *CONVOLUTIONS, *DENSE)
EMBEDDING = "embedding"
"""An optional dense layer on fc7 whose output, at unit length, is the descriptor."""
MEAN_RGB = (129.186279296875, 104.76238250732422, 93.59396362304688)
"""Mean of the training images, 0-255, as in the release. Every VGG network of this package uses
it."""


FILTERS = "filters"
"""The collection of variables that holds kernels prepared for a loop."""


class Prepared(NamedTuple):
    """Parameters as a loop reads them."""

    params: Params
    filters: dict[str, dict[str, Filters]]
    """By convolution, beside the kernel's name."""


class Convolution(nn.Module):
    """A 3x3 convolution with stride 1 and zero padding 1."""

    width: int

    @nn.compact
    def __call__(
        self, maps: Float[AnyArray, "batch height width inputs"]
    ) -> Float[Array, "batch height width outputs"]:
        """Return the maps before the ReLU."""
        shape = (3, 3, maps.shape[-1], self.width)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros_init(), (self.width,), jnp.float32)
        if self.has_variable(FILTERS, "kernel"):
            convolved = convolve_with(maps, self.get_variable(FILTERS, "kernel"))
        else:
            convolved = convolve(maps, kernel)
        return convolved + jnp.expand_dims(bias, (0, 1, 2))


class VGGFace(nn.Module):
    """VGG-Face with any widths: of its five blocks, and of its dense layers fc6, fc7, fc8."""

    widths: tuple[int, ...] = (64, 128, 256, 512, 512)
    dense: tuple[int, ...] = (4096, 4096, 2622)

    @nn.compact
    def __call__(self, images: Images, layers: Sequence[str] = (DENSE[-1],)) -> Features:
        """Return the maps of `layers` for RGB images in [0, 1]; stop at the deepest of them."""
        deepest = max(map(LAYERS.index, layers))
        features: Features = {IMAGE: images}
        mean = jnp.reshape(jnp.array(MEAN_RGB, images.dtype), (1, 1, 1, 3))
        maps = jnp.asarray(images) * 255 - mean
        for block, width in zip(BLOCKS, self.widths, strict=True):
            for name in block:
                if LAYERS.index(name) > deepest:
                    return _only(features, layers)
                features[name] = maps = nn.relu(Convolution(width, name=name)(maps))
            if LAYERS.index(block[-1]) < deepest:
                maps = max_pool(maps)
        hidden = maps.reshape(len(maps), -1)  # height, width, channels
        for name, width in zip(DENSE, self.dense, strict=False):
            if LAYERS.index(name) > deepest:
                break
            hidden = nn.Dense(width, name=name)(hidden)
            features[name] = hidden = hidden if name == "fc8" else nn.relu(hidden)
        return _only(features, layers)


@dataclass(frozen=True)
class VGGBackbone:
    """VGG-Face as a `Backbone`: its module's layers, and `descriptor` and `logits` on top."""

    module: VGGFace
    size: int
    grid: tuple[int, int] | None = None
    """Height and width of the last pooled map that fc6 takes; None without dense layers."""
    embedding: int | None = None
    """Width of the embedding on fc7."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers; see `Backbone.layers`."""
        dense = DENSE[: len(self.module.dense)]
        derived = [
            name for name, source in ((DESCRIPTOR, "fc7"), (LOGITS, "fc8")) if source in dense
        ]
        return (*CONVOLUTIONS, *dense, *derived)

    def prepared(self, params: Params, height: int, width: int) -> Prepared:
        """Return parameters for a loop over images of one size; see `descent.program.prepared`."""
        sides = zip(BLOCKS, range(len(BLOCKS)), strict=True)
        found = {
            name: {"kernel": filters(params[name]["kernel"], height >> depth, width >> depth)}
            for block, depth in sides
            for name in block
        }
        return Prepared(params, found)

    def features(
        self, params: Params | Prepared, images: Images, layers: tuple[str, ...]
    ) -> Features:
        """Return the maps of `layers`; see `Backbone.features`.

        Convolution layers take any image of at least 16 pixels a side (deepest block), dense layers
        only the size that the network was made for.

        Raises:
            ValueError: a size that does not fit.
        """
        sources = {DESCRIPTOR: "fc7", LOGITS: "fc8"}
        needed = tuple(dict.fromkeys(sources.get(name, name) for name in layers))
        self._check_size((images.shape[1], images.shape[2]), needed)
        variables: dict[str, Any] = {"params": params}
        if isinstance(params, Prepared):
            params, variables = params.params, {"params": params.params, FILTERS: params.filters}
        features = self.module.apply(variables, jnp.asarray(images), needed)
        assert isinstance(features, dict)
        if DESCRIPTOR in layers:
            features[DESCRIPTOR] = self._descriptor(params, jnp.asarray(features["fc7"]))
        if LOGITS in layers:
            features[LOGITS] = features["fc8"]
        return features

    def _descriptor(self, params: Params, hidden: Array) -> Float[Array, "batch numbers"]:
        if self.embedding is not None:
            dense = nn.Dense(self.embedding)
            embedded = dense.apply({"params": params[EMBEDDING]}, hidden)
            assert isinstance(embedded, jax.Array)
            hidden = embedded
        squares = jnp.sum(jnp.square(hidden), -1, keepdims=True)
        return hidden / jnp.sqrt(squares + jnp.asarray(1e-12, squares.dtype))

    def _check_size(self, size: tuple[int, int], layers: tuple[str, ...]) -> None:
        blocks = [index for index, block in enumerate(BLOCKS) if set(block) & set(layers)]
        smallest = 2 ** max(blocks, default=0)
        given = f"image of {size[0]}x{size[1]} pixels"
        if min(size) < smallest:
            names = ", ".join(layers)
            raise ValueError(f"{given}; layers {names} need at least {smallest}x{smallest}")
        if set(layers) & set(DENSE):
            assert self.grid is not None
            if (size[0] // 32) * (size[1] // 32) != self.grid[0] * self.grid[1]:
                side = 32 * self.grid[0]
                raise ValueError(
                    f"{given}; fc6 of this network takes {side} to {side + 31} pixels a side"
                )


def backbone_of(params: Params, size: int | None = None) -> VGGBackbone:
    """Return the backbone whose widths are those of VGG parameters.

    Args:
        params: convolutions, and the first dense layers if there are any.
        size: side of its images; by default the smallest that its dense layers take, or 224.
    """

    def width(name: str) -> int:
        return params[name]["bias"].shape[0]

    dense = tuple(width(name) for name in DENSE if name in params)
    embedding = width(EMBEDDING) if EMBEDDING in params else None
    grid = None
    if "fc6" in params:
        side = max(1, round((params["fc6"]["kernel"].shape[0] / width("conv5_3")) ** 0.5))
        grid = (side, side)
    module = VGGFace(tuple(width(block[0]) for block in BLOCKS), dense)
    return VGGBackbone(module, size or (32 * grid[0] if grid else 224), grid, embedding)


@functools.partial(jax.jit, static_argnums=(1, 2))
def init_params(key: jax.Array, module: VGGFace, size: int) -> Params:
    """Return random parameters (He initialisation) for images of `size` pixels a side."""
    deepest = DENSE[len(module.dense) - 1] if module.dense else CONVOLUTIONS[-1]
    params: Any = module.init(key, jnp.zeros((1, size, size, 3), jnp.float32), (deepest,))["params"]
    return params


def param_shapes(module: VGGFace, size: int) -> dict[str, dict[str, jax.ShapeDtypeStruct]]:
    """Return the shapes of a module's parameters for images of `size` pixels a side."""
    return init_params.eval_shape(jax.random.key(0), module, size)


def _only(features: Features, layers: Iterable[str]) -> Features:
    return {name: features[name] for name in layers}
