"""Keras `.h5`: rcmalli's files (by name), deepface's and Keras 3's (by order), and a flat one in PyTorch's layout."""

import re

import numpy as np

from ..published import Colour
from .cursor import SourceError
from .hdf5 import Group, read_hdf5
from .layout import NAMES, Parsed, by_position

Pair = tuple[np.ndarray, np.ndarray]


def read(data: memoryview) -> Parsed:
    """Read an `.h5` file; see `layout.Parsed`."""
    root = read_hdf5(data)
    root = _group(root, "model_weights") or root  # a whole model holds its weights in there
    flat = _flat(root)
    if flat:
        return Parsed("flat .h5 (PyTorch's axes)", flat, "OIHW", "BGR")
    if held := _group(root, "layers"):
        return _by_order("Keras 3 .weights.h5", [pair for _, group in _ordered(held) if (pair := _keras3(group))])
    found = {name: pair for name, group in _ordered(root) if (pair := _keras2(name, group))}
    if not found:
        raise SourceError("an HDF5 file without layers of Keras: expected groups with kernel:0 and bias:0 in them")
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
    return {name: (arrays[f"{name}.weight"], arrays[f"{name}.bias"]) for name in NAMES if f"{name}.weight" in arrays and f"{name}.bias" in arrays}


def _ordered(group: Group) -> list[tuple[str, Group]]:
    """Groups in the order of `layer_names`; where it is missing, by their numbers (conv2d, conv2d_1, ..., conv2d_10; dense after them)."""
    names = group.texts.get("layer_names") or sorted(group.members, key=lambda name: [int(part) if part.isdigit() else part for part in _parts(name)])
    groups = [(name, _group(group, name.split("/")[0])) for name in dict.fromkeys(names)]
    return [(name, found) for name, found in groups if found]


def _parts(name: str) -> list[str]:
    return re.split(r"(\d+)", name)


def _keras2(name: str, group: Group) -> Pair | None:
    """Kernel and bias at LAYER/LAYER/kernel:0, whatever the inner name (`fc6/relu` and the like hold nothing)."""
    if "/" in name:
        return None
    for inner in [group, *(member for member in group.members.values() if isinstance(member, Group))]:
        kernel, bias = inner.members.get("kernel:0"), inner.members.get("bias:0")
        if isinstance(kernel, np.ndarray) and isinstance(bias, np.ndarray):
            return kernel, bias
        if any(member.endswith("_W") for member in inner.members):
            raise SourceError(
                f"{name}: a file of Keras 1, whose kernels are turned or not depending on its backend; use another of the published files"
            )
    return None


def _keras3(group: Group) -> Pair | None:
    """Kernel and bias at layers/LAYER/vars/0 and 1."""
    held = _group(group, "vars")
    kernel, bias = (held.members.get(number) for number in "01") if held else (None, None)
    return (kernel, bias) if isinstance(kernel, np.ndarray) and isinstance(bias, np.ndarray) else None
