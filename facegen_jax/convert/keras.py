"""Keras `.h5` files, and a flat HDF5 file in PyTorch's layout.

rcmalli's files are read by layer name, those of deepface and Keras 3 by layer order.
"""

import re
from collections.abc import Iterator

import numpy as np

from ..network.published import Colour
from .cursor import SourceError
from .hdf5 import Group, read_hdf5
from .layout import NAMES, Pair, Parsed, by_position

MAX_DEPTH = 3
"""Limit for models nested in models."""


def read(data: memoryview) -> Parsed:
    """Read an `.h5` file; see `layout.Parsed`."""
    root = read_hdf5(data)
    root = _group(root, "model_weights") or root  # where a saved model keeps its weights
    if flat := _flat(root):
        return Parsed("flat .h5 (PyTorch's axes)", flat, "OIHW", "BGR")
    if layers := _group(root, "layers"):
        pairs = [pair for _, layer in _ordered(layers) if (pair := _keras3_pair(layer))]
        return _by_order("Keras 3 .weights.h5", pairs)
    named = dict(_keras2_pairs(root, 0))
    if not named:
        raise SourceError(
            "an HDF5 file without Keras layers: expected groups that hold kernel:0 and bias:0"
        )
    if set(named) <= set(NAMES):
        return Parsed("Keras .h5 (by name)", named, "HWIO", "BGR")
    return _by_order("Keras .h5 (by order)", list(named.values()))


def _by_order(container: str, pairs: list[Pair]) -> Parsed:
    """Name layers by their order and infer the colour order from fc6.

    deepface's file was made from MatConvNet's (RGB) and keeps fc6 as a convolution; files with
    dense layers were made from Caffe's (BGR).
    """
    layers = by_position(pairs)
    colour: Colour = "BGR" if "fc6" in layers and layers["fc6"][0].ndim == 2 else "RGB"
    note = (
        f"layers without VGG-Face names: taken in order, and as {colour} because known files of "
        "this form are (check with --verify, change with --colour)"
    )
    return Parsed(container, layers, "HWIO", colour, notes=(note,))


def _group(group: Group, name: str) -> Group | None:
    member = group.members.get(name)
    return member if isinstance(member, Group) else None


def _flat(root: Group) -> dict[str, Pair]:
    """Return the layers stored as `conv1_1.weight` and `conv1_1.bias` at the root."""
    arrays = {name: array for name, array in root.members.items() if isinstance(array, np.ndarray)}
    return {
        name: (arrays[f"{name}.weight"], arrays[f"{name}.bias"])
        for name in NAMES
        if f"{name}.weight" in arrays and f"{name}.bias" in arrays
    }


def _ordered(group: Group) -> list[tuple[str, Group]]:
    """Return the member groups in the order the file states, else sorted by number.

    The numbers are those of Keras's default names: conv2d, conv2d_1, ..., conv2d_10, dense.
    """
    stated = group.texts.get("layer_names") or [
        name.split("/")[0] for name in group.texts.get("weight_names", ())
    ]
    # A layer named `fc6/relu` has no group of its own: its name leads to the group fc6.
    names = [name for name in stated if "/" not in name]
    unique = dict.fromkeys(names or sorted(group.members, key=_natural_key))
    return [(name, member) for name in unique if (member := _group(group, name))]


def _natural_key(name: str) -> list[int | str]:
    """Return a sort key that compares digits as numbers."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]{1,9})", name)]


def _keras2_pairs(group: Group, depth: int) -> Iterator[tuple[str, Pair]]:
    """Yield the name, kernel and bias of each layer, also of models nested in models.

    The arrays are stored as LAYER/kernel:0 or LAYER/ANY/kernel:0.
    """
    for name, layer in _ordered(group):
        inner = [layer, *(member for member in layer.members.values() if isinstance(member, Group))]
        pairs = [pair for member in inner if (pair := _kernel_and_bias(member, name))]
        if len(pairs) == 1:
            yield name, pairs[0]
        elif depth < MAX_DEPTH:
            yield from _keras2_pairs(layer, depth + 1)


def _kernel_and_bias(group: Group, layer: str) -> Pair | None:
    arrays = {
        name.removesuffix(":0"): array
        for name, array in group.members.items()
        if isinstance(array, np.ndarray)
    }
    if any(name.endswith("_W") for name in arrays):
        raise SourceError(
            f"{layer}: a Keras 1 file, whose kernels may or may not be flipped, depending on its "
            "backend; use another of the published files"
        )
    return (arrays["kernel"], arrays["bias"]) if {"kernel", "bias"} <= set(arrays) else None


def _keras3_pair(layer: Group) -> Pair | None:
    """Return the kernel and bias stored as layers/LAYER/vars/0 and 1."""
    variables = _group(layer, "vars")
    if variables is None:
        return None
    kernel, bias = variables.members.get("0"), variables.members.get("1")
    if isinstance(kernel, np.ndarray) and isinstance(bias, np.ndarray):
        return kernel, bias
    return None
