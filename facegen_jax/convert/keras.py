"""Keras `.h5`: rcmalli's files (by name), deepface's and Keras 3's (by order), and a flat one in PyTorch's layout."""

import re
from collections.abc import Iterator

import numpy as np

from ..network.published import Colour
from .cursor import SourceError
from .hdf5 import Group, read_hdf5
from .layout import NAMES, Parsed, by_position

Pair = tuple[np.ndarray, np.ndarray]
MAX_DEPTH = 3
"""Of models within models."""


def read(data: memoryview) -> Parsed:
    """Read an `.h5` file; see `layout.Parsed`."""
    root = read_hdf5(data)
    root = _group(root, "model_weights") or root  # a whole model holds its weights in there
    flat = _flat(root)
    if flat:
        return Parsed("flat .h5 (PyTorch's axes)", flat, "OIHW", "BGR")
    if held := _group(root, "layers"):
        return _by_order(
            "Keras 3 .weights.h5", [pair for _, group in _ordered(held) if (pair := _keras3(group))]
        )
    found = dict(_keras2(root, 0))
    if not found:
        raise SourceError(
            "an HDF5 file without layers of Keras: expected groups with kernel:0 and bias:0 in them"
        )
    if set(found) <= set(NAMES):
        return Parsed("Keras .h5 (by name)", found, "HWIO", "BGR")
    return _by_order("Keras .h5 (by order)", list(found.values()))


def _by_order(container: str, pairs: list[Pair]) -> Parsed:
    """deepface's file was made from MatConvNet's (RGB) and keeps fc6 as a convolution; files with dense layers come from Caffe's (BGR)."""
    layers = by_position(pairs)
    colour: Colour = "BGR" if "fc6" in layers and layers["fc6"][0].ndim == 2 else "RGB"
    note = f"layers carry no names of VGG-Face: taken in order, and as {colour} by what is known of such files (--verify to see, --colour to change)"
    return Parsed(container, layers, "HWIO", colour, notes=(note,))


def _group(group: Group, name: str) -> Group | None:
    member = group.members.get(name)
    return member if isinstance(member, Group) else None


def _flat(root: Group) -> dict[str, Pair]:
    arrays = {name: array for name, array in root.members.items() if isinstance(array, np.ndarray)}
    return {
        name: (arrays[f"{name}.weight"], arrays[f"{name}.bias"])
        for name in NAMES
        if f"{name}.weight" in arrays and f"{name}.bias" in arrays
    }


def _ordered(group: Group) -> list[tuple[str, Group]]:
    """Groups in the order that the file states; else by their numbers (conv2d, conv2d_1, ..., conv2d_10; dense after them)."""
    stated = group.texts.get("layer_names") or [
        name.split("/")[0] for name in group.texts.get("weight_names", ())
    ]
    names = [
        name for name in stated if "/" not in name
    ]  # of a layer `fc6/relu` there is only the group fc6, named before
    groups = [
        (name, _group(group, name))
        for name in dict.fromkeys(names or sorted(group.members, key=_by_number))
    ]
    return [(name, found) for name, found in groups if found]


def _by_number(name: str) -> list[int | str]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]{1,9})", name)]


def _keras2(group: Group, depth: int) -> Iterator[tuple[str, Pair]]:
    """Kernel and bias of each layer, at LAYER/kernel:0 or LAYER/any name/kernel:0; a model within a model is a group of such layers."""
    for name, layer in _ordered(group):
        inner = [layer, *(member for member in layer.members.values() if isinstance(member, Group))]
        pairs = [pair for each in inner if (pair := _kernel_and_bias(each, name))]
        if len(pairs) == 1:
            yield name, pairs[0]
        elif depth < MAX_DEPTH:
            yield from _keras2(layer, depth + 1)


def _kernel_and_bias(group: Group, layer: str) -> Pair | None:
    arrays = {
        name.removesuffix(":0"): array
        for name, array in group.members.items()
        if isinstance(array, np.ndarray)
    }
    if any(name.endswith("_W") for name in arrays):
        raise SourceError(
            f"{layer}: a file of Keras 1, whose kernels are turned or not depending on its backend; use another of the published files"
        )
    return (arrays["kernel"], arrays["bias"]) if {"kernel", "bias"} <= set(arrays) else None


def _keras3(group: Group) -> Pair | None:
    """Kernel and bias at layers/LAYER/vars/0 and 1."""
    held = _group(group, "vars")
    kernel, bias = (held.members.get(number) for number in "01") if held else (None, None)
    return (
        (kernel, bias) if isinstance(kernel, np.ndarray) and isinstance(bias, np.ndarray) else None
    )
