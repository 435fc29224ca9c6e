"""Names of tensors: the layer they mean, in the styles of VGG-Face's ports, and what is around it.

A name is a path: its parts are divided by dots (PyTorch), slashes (Flax), or the punctuation of
Python's keys, as in `['params']['conv1_1']['kernel']`.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias, TypeVar

from ..network.published import Colour
from .cursor import SourceError

Tensor = TypeVar("Tensor")
Path: TypeAlias = tuple[str, ...]
Layer: TypeAlias = str | tuple[int, int]
"""A layer's name; or, for styles that number layers, its part of the network and its number."""


class Style(NamedTuple):
    """A way to name the layers of VGG-Face."""

    name: str
    colour: Colour
    """Order of conv1_1's input channels in known files of this style."""
    note: str
    """What a user should check."""


def like_known(colour: Colour) -> str:
    """Return what a user should check where names tell nothing but their origin."""
    return (
        f"read as {colour}, like known files with these names (check with --verify, change with "
        "--colour)"
    )


FLAT = Style(
    "flat names",
    "RGB",
    "files of both colour orders use these names; read as RGB, like vgg_face_dag.pth "
    "(--colour BGR for weights from Caffe, --verify to check)",
)
UNDERSCORED = Style("PyVGGFace names", "BGR", like_known("BGR"))
TORCHVISION = Style("torchvision numbers", "BGR", like_known("BGR"))
_TAKEN_IN_ORDER = (
    "layers without VGG-Face names: taken in order, and as {0} because known files of this form "
    "are (check with --verify, change with --colour)"
)
SEQUENCE = Style("numbers of a sequence", "BGR", _TAKEN_IN_ORDER.format("BGR"))
LINEN = Style("Flax's numbers", "RGB", _TAKEN_IN_ORDER.format("RGB"))
OPTIMIZER = {
    *("opt_state", "opt_states", "optimizer", "optimizer_state", "optimizer_states"),
    *("optimizer_state_dict", "optim", "mu", "nu", "trace", "momentum", "momentum_buffer"),
    *("exp_avg", "exp_avg_sq", "grad", "grads", "gradients"),
}
"""Parts of a path that lead to an optimizer's numbers, which have the names of the parameters."""
MAX_PARTS = 60
_SEPARATORS = re.compile(r"[\s./\[\]()'\",]+")
_NAMED = re.compile(r"(conv)(_?)([0-9]_[0-9])|fc[0-9]")
_LINEN = re.compile(r"(Conv|Dense)_([0-9]{1,3})")
_NUMBER = re.compile("(?:layer_with_weights-)?([0-9]{1,3})")
_LEAVES = {
    **{"weight": "weight", "bias": "bias", "biases": "bias"},
    **{"kernel": "kernel", "_kernel": "kernel", "weights": "kernel"},
}
"""What an array of a layer is called: by PyTorch, by Flax and Keras, by TensorFlow-Slim."""
_ENDINGS = ("value", "ATTRIBUTES", "VARIABLE_VALUE")
"""What Flax's nnx and TensorFlow's checkpoints put behind that."""
_SECTIONS = ("features", "classifier")


class Place(NamedTuple):
    """Where a tensor belongs."""

    style: Style
    network: Path
    """What is around the layer."""
    layer: Layer
    leaf: str
    """`bias`; `weight` with PyTorch's order of axes; `kernel` with Flax's and TensorFlow's."""


def path_of(name: str) -> Path:
    """Return the parts of a tensor's name."""
    return tuple(part for part in _SEPARATORS.split(name) if part)


def place(path: Path) -> Place | None:
    """Return where a tensor belongs; None if its name has no style of VGG-Face."""
    while path[-1:] and path[-1] in _ENDINGS:
        path = path[:-1]
    leaf = _LEAVES.get(path[-1].removesuffix(":0")) if path else None
    if leaf is None or not 2 <= len(path) <= MAX_PARTS or OPTIMIZER & {*path}:
        return None
    *around, layer = path[:-1]
    if match := _NAMED.fullmatch(layer):
        style = UNDERSCORED if match[2] else FLAT
        return Place(style, (*around,), f"conv{match[3]}" if match[1] else layer, leaf)
    if match := _LINEN.fullmatch(layer):
        return Place(LINEN, (*around,), (int(match[1] == "Dense"), int(match[2])), leaf)
    match = _NUMBER.fullmatch(layer)
    if match is None:
        return None
    if around and around[-1] in _SECTIONS:
        section = _SECTIONS.index(around[-1])
        return Place(TORCHVISION, (*around[:-1],), (section, int(match[1])), leaf)
    return Place(SEQUENCE, (*around,), (0, int(match[1])), leaf)


def by_path(tensors: Iterable[tuple[Path, Tensor]]) -> dict[Path, Tensor]:
    """Return tensors by path.

    Raises:
        SourceError: two have the same.
    """
    found: dict[Path, Tensor] = {}
    for path, tensor in tensors:
        if path in found:
            raise SourceError(f"several tensors are called {'.'.join(path)}")
        found[path] = tensor
    return found
