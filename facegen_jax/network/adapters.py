"""Backbones made of what people have: a plain function, a Flax linen module, a Flax nnx module."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
from flax import linen, nnx

from ..types import AnyArray, Features, Images
from .protocol import Network


@dataclass(frozen=True)
class Function:
    """A backbone that is a function `(params, images) -> {layer: maps}`.

    Images are `batch height width 3` in [0, 1], maps `batch height width channels` or `batch
    numbers`. Layers are named from shallow to deep; size is the side of an image in pixels.
    """

    function: Callable[[Any, Images], Mapping[str, AnyArray]]
    layers: tuple[str, ...]
    size: int

    def features(self, params: Any, images: Images, layers: tuple[str, ...]) -> Features:
        """Call the function; see `Backbone.features`."""
        return dict(self.function(params, images))


@dataclass(frozen=True)
class Linen:
    """A Flax linen module, unchanged: a layer is a submodule's path, as in `block/conv`.

    The parameters are the module's variables, `{"params": ..., "batch_stats": ...}`. The module
    takes images, `batch height width 3` in [0, 1]. Size is the side of an image in pixels.
    """

    module: linen.Module
    layers: tuple[str, ...]
    size: int

    def features(self, params: Any, images: Images, layers: tuple[str, ...]) -> Features:
        """Return what each submodule's `__call__` returned; see `Backbone.features`."""
        _, state = self.module.apply(
            params, images, capture_intermediates=True, mutable="intermediates"
        )
        return _by_path(state["intermediates"], layers)


@dataclass(frozen=True)
class NNX:
    """A Flax nnx module, unchanged: a layer is a submodule's path. `from_nnx` makes its network."""

    graph: nnx.GraphDef
    layers: tuple[str, ...]
    size: int

    def features(self, params: Any, images: Images, layers: tuple[str, ...]) -> Features:
        """Return what each submodule's `__call__` returned; see `Backbone.features`."""
        module = nnx.merge(self.graph, params)
        forward = nnx.capture(module, nnx.Intermediate, method_outputs=nnx.Intermediate)
        _, state = forward(images)
        return _by_path(state, layers)


def from_nnx(module: nnx.Module, layers: tuple[str, ...], size: int, **fields: Any) -> Network:
    """Return the network of an nnx module.

    Args:
        module: the module, in evaluation mode; its state becomes the network's parameters.
        layers: paths of submodules from shallow to deep, such as `conv1` or `block/conv`.
        size: side in pixels of the images that it was trained on.
        fields: further fields of `Network`, such as `name` or `attributes`.
    """
    graph, state = nnx.split(module)
    return Network(NNX(graph, layers, size), state, **fields)


def _by_path(captured: Any, layers: tuple[str, ...]) -> Features:
    """Name Flax's captured outputs by the paths of their submodules."""
    outputs: dict[str, AnyArray] = {}
    for path, value in jax.tree_util.tree_flatten_with_path(captured)[0]:
        keys = [entry.key for entry in path if isinstance(entry, jax.tree_util.DictKey)]
        if keys[-1] == "__call__":
            outputs.setdefault("/".join(map(str, keys[:-1])), value)
    return {name: outputs[name] for name in layers if name in outputs}
