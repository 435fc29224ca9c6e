"""Keras `.h5` files, and a flat HDF5 file in PyTorch's layout.

rcmalli's files are read by layer name, those of deepface and Keras 3 by layer order.
"""

import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import numpy as np

from ..network.published import Colour
from .cursor import SourceError
from .hdf5 import Group, read_hdf5
from .layout import NAMES, POSSIBLE, TOP, Pair, Parsed, by_position
from .naming import MAX_PARTS, Path, like_known, path_of
from .unmerged import could_be, unmerged

MAX_DEPTH = 3
"""Limit for models nested in models."""
Named: TypeAlias = list[tuple[str, Pair]]
Tree: TypeAlias = "list[tuple[str, Pair | Tree]]"
"""Layers by name, in order; a nested model is a list itself."""


def read(data: memoryview) -> tuple[Parsed, ...]:
    """Read an `.h5` file; see `layout.Parsed`."""
    root = read_hdf5(data)
    root = _group(root, "model_weights") or root  # where a saved model keeps its weights
    if flat := _flat(root):
        notes, problem = (like_known("BGR"),), _unmerged(_arrays(root, (), set()), ())
        return (Parsed("flat .h5", flat, "OIHW", "BGR", notes=notes, problem=problem),)
    layers = _group(root, "layers")
    tree = _keras3_tree(layers, 0) if layers else _keras2_tree(root, 0)
    arrays = _arrays(layers or root, (), set())
    if not tree and not layers:
        raise SourceError(
            _unmerged(arrays, ())
            or "an HDF5 file without Keras layers: expected groups that hold kernel:0 and bias:0"
        )
    container = "Keras 3 .weights.h5" if layers else "Keras .h5"
    networks = []
    for path, named in _divide(tree, ()):
        parsed = _parsed(container, "/".join(path) or TOP, named)
        problem = _unmerged(arrays, path) or parsed.problem
        networks.append(parsed._replace(problem=problem))
    return tuple(networks)


def _arrays(group: Group, path: Path, seen: set[int]) -> dict[Path, np.ndarray]:
    """Return all arrays below a group; groups that several names lead to are visited once."""
    arrays: dict[Path, np.ndarray] = {}
    for name, member in group.members.items():
        # Keras 3 puts the layers of a nested model under `layers` again.
        inner = path if name == "layers" else (*path, *path_of(name))
        if isinstance(member, np.ndarray):
            arrays[inner] = member
        elif id(member) not in seen and len(path) < MAX_PARTS:
            seen.add(id(member))
            arrays |= _arrays(member, inner, seen)
    return arrays


def _unmerged(arrays: Mapping[Path, np.ndarray], model: Path) -> str:
    """Return what must be merged into a model first, if it may be VGG-Face."""
    own = {path: array for path, array in arrays.items() if path[: len(model)] == model}
    layers = {path[:-1] for path, array in own.items() if array.ndim > 1}
    members = [path for path in own if path[:-1] in layers]
    others = [path for path in own if path[:-1] not in layers]
    return unmerged(members, others) if could_be(own.values()) else ""


def _divide(tree: Tree, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Named]]:
    """Yield the networks of a model: itself, or the models nested in it if those are several."""
    named = list(_flattened(tree))
    models = [(name, item) for name, item in tree if isinstance(item, list)]
    unique = len({name for name, _ in named}) == len(named)
    if not models or len(named) in POSSIBLE or (unique and _has_names(named)):
        yield path, named
        return
    for name, model in models:
        yield from _divide(model, (*path, name))
    own = [(name, item) for name, item in tree if isinstance(item, tuple)]
    if len(own) in POSSIBLE:
        yield path, own


def _flattened(tree: Tree) -> Iterator[tuple[str, Pair]]:
    for name, item in tree:
        if isinstance(item, tuple):
            yield name, item
        else:
            yield from _flattened(item)


def _has_names(named: Named) -> bool:
    return {name for name, _ in named} <= set(NAMES)


def _parsed(container: str, name: str, named: Named) -> Parsed:
    """Name layers by their names, or by their order, and infer the colour order from fc6 then.

    deepface's file was made from MatConvNet's (RGB) and keeps fc6 as a convolution; files with
    dense layers were made from Caffe's (BGR).
    """
    if _has_names(named) and not container.startswith("Keras 3"):
        notes = (like_known("BGR"),)
        described = f"{container} (by name)"
        return Parsed(described, dict(named), "HWIO", "BGR", notes=notes, name=name)
    layers, problem = by_position([pair for _, pair in named])
    colour: Colour = "BGR" if "fc6" in layers and layers["fc6"][0].ndim == 2 else "RGB"
    note = (
        f"layers without VGG-Face names: taken in order, and as {colour} because known files of "
        "this form are (check with --verify, change with --colour)"
    )
    described = container if container.startswith("Keras 3") else f"{container} (by order)"
    return Parsed(described, layers, "HWIO", colour, notes=(note,), name=name, problem=problem)


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


def _keras2_tree(group: Group, depth: int) -> Tree:
    """Return the kernel and bias of each layer by name, and models nested in the model.

    The arrays are stored as LAYER/kernel:0 or LAYER/ANY/kernel:0.
    """
    tree: Tree = []
    for name, layer in _ordered(group):
        inner = [layer, *(member for member in layer.members.values() if isinstance(member, Group))]
        pairs = [pair for member in inner if (pair := _kernel_and_bias(member, name))]
        if len(pairs) == 1:
            tree.append((name, pairs[0]))
        elif depth < MAX_DEPTH and (nested := _keras2_tree(layer, depth + 1)):
            tree.append((name, nested))
    return tree


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


def _keras3_tree(layers: Group, depth: int) -> Tree:
    """Return the same of a Keras 3 file, which stores them as layers/LAYER/vars/0 and 1."""
    tree: Tree = []
    for name, layer in _ordered(layers):
        variables = _group(layer, "vars")
        kernel, bias = (variables.members.get(each) if variables else None for each in "01")
        nested = _group(layer, "layers")
        if isinstance(kernel, np.ndarray) and isinstance(bias, np.ndarray):
            tree.append((name, (kernel, bias)))
        elif nested and depth < MAX_DEPTH and (inner := _keras3_tree(nested, depth + 1)):
            tree.append((name, inner))
    return tree
