"""Torch7 `.t7`: the binary serialisation of Lua objects, as far as networks use it.

Grammar as in torch/File.lua. Functions are refused. Objects may refer back to earlier ones, so
cycles are possible; they are never followed.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .cursor import Cursor, SourceError, strided_view
from .layout import TOP, Pair, Parsed, by_position
from .unmerged import normalised

NIL, NUMBER, STRING, TABLE, OBJECT, BOOLEAN = range(6)
DTYPES = {
    "Float": "<f4",
    "Double": "<f8",
    "Half": "<f2",
    "Cuda": "<f4",
    "CudaDouble": "<f8",
    "CudaHalf": "<f2",
    "Long": "<i8",
    "CudaLong": "<i8",
    "Int": "<i4",
    "CudaInt": "<i4",
    "Short": "<i2",
    "Char": "<i1",
    "Byte": "<u1",
    "CudaByte": "<u1",
}
MAX_OBJECTS, MAX_DEPTH, MAX_STRING = 100_000, 60, 1 << 16
LABELLED_DEPTH = 6
"""Deeper objects keep their parent's label, which bounds the length of messages."""
LAYERS = ("SpatialConvolution", "SpatialConvolutionMM", "Linear")


def is_torch7(data: memoryview) -> bool:
    """Return whether the data begins with object number 1: a Torch object or a table."""
    return len(data) > 12 and bytes(data[:8]) in (b"\4\0\0\0\1\0\0\0", b"\3\0\0\0\1\0\0\0")


def read(data: memoryview) -> tuple[Parsed, ...]:
    """Read a `.t7` file; see `layout.Parsed`. Layers are named by their order."""
    root = _Reader(Cursor(data)).object("the network", 0)
    found = {name: list(_pairs(module)) for name, module in _networks(root, (), set())}
    found = {name: pairs for name, pairs in found.items() if pairs} or {TOP: list(_pairs(root))}
    networks = []
    normal = normalised(_normalisations(root))
    for name, pairs in found.items():
        layers, problem = by_position(pairs)
        problem = problem or normal
        shown = name if len(found) > 1 else TOP
        networks.append(Parsed("Torch7 .t7", layers, "OIHW", "BGR", name=shown, problem=problem))
    return tuple(networks)


def _networks(value: Any, path: tuple[str, ...], seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Yield the networks of a table, such as a model and its average, and their names."""
    if not isinstance(value, dict) or id(value) in seen or len(path) > LABELLED_DEPTH:
        return
    seen.add(id(value))
    if isinstance(value.get("class"), str) or isinstance(value.get("modules"), dict):
        yield ".".join(path) or TOP, value
        return
    for key, item in value.items():
        yield from _networks(item, (*path, _key_label(key)), seen)


def _pairs(root: Any) -> Iterator[Pair]:
    """Yield the weight and bias of every layer of a type that has them."""
    for module in _modules(root, set(), 0):
        kind = module.get("class")
        if not isinstance(kind, str) or kind.rpartition(".")[2] not in LAYERS:
            continue
        weight, bias = module.get("weight"), module.get("bias")
        if (
            not isinstance(weight, np.ndarray)
            or not isinstance(bias, np.ndarray)
            or not weight.size
            or not bias.size
        ):
            raise SourceError(f"a layer {kind} without weight or bias: the file is damaged")
        yield weight, bias


def _normalisations(root: Any) -> list[str]:
    """Return the types of all layers of batch normalisation."""
    networks = [module for _, module in _networks(root, (), set())] or [root]
    kinds = [module.get("class") for each in networks for module in _modules(each, set(), 0)]
    return [kind for kind in kinds if isinstance(kind, str) and "BatchNormalization" in kind]


def _modules(value: Any, seen: set[int], depth: int) -> Iterator[dict[Any, Any]]:
    """Yield the layers of nested containers in order, each once, even if containers are cyclic."""
    if not isinstance(value, dict) or id(value) in seen or depth > MAX_DEPTH:
        return
    seen.add(id(value))
    inner = value.get("modules")
    if not isinstance(inner, dict):
        yield value
        return
    for number in sorted(key for key in inner if isinstance(key, float)):
        yield from _modules(inner[number], seen, depth + 1)


class _Reader:
    """The objects read so far, by index, and their number, which limits hostile files."""

    def __init__(self, cursor: Cursor):
        self.cursor, self.objects, self.count = cursor, {}, 0

    def number(self, fmt: str, label: str) -> Any:
        return self.cursor.unpack(fmt, label)[0]

    def text(self, label: str) -> str:
        length = self.number("<i", label)
        if length > MAX_STRING:
            raise SourceError(f"{label} holds a string of {length} characters: not a network")
        return bytes(self.cursor.take(length, label)).decode("latin-1")

    def object(self, label: str, depth: int) -> Any:
        """Read the next object of any kind: None, float, bool, str, dict or array."""
        self.count += 1
        if self.count > MAX_OBJECTS or depth > MAX_DEPTH:
            raise SourceError(
                f"more than {MAX_OBJECTS} objects or nested deeper than {MAX_DEPTH}: not a network"
            )
        kind = self.number("<i", label)
        if kind == NIL:
            return None
        if kind == NUMBER:
            return self.number("<d", label)
        if kind == STRING:
            return self.text(label)
        if kind == BOOLEAN:
            return bool(self.number("<i", label))
        if kind not in (TABLE, OBJECT):
            raise SourceError(
                f"{label}: object of kind {kind} at offset {self.cursor.position - 4}, "
                "expected numbers, strings, tables and tensors only"
            )
        index = self.number("<i", label)
        if index in self.objects:
            return self.objects[index]
        if kind == TABLE:
            return self.table(index, {}, label, depth)
        version = self.text(label)
        name = self.text(label) if version.startswith("V ") else version
        family, _, member = name.rpartition(".")
        if family == "torch" and member.endswith("Tensor"):
            return self.tensor(index, name, label, depth)
        if family == "torch" and member.endswith("Storage"):
            return self.storage(index, name, label)
        self.objects[index] = module = {}
        content = self.object(f"{label} ({name})", depth + 1)
        module.update(content if isinstance(content, dict) else {})
        module["class"] = name
        return module

    def table(self, index: int, table: dict[Any, Any], label: str, depth: int) -> dict[Any, Any]:
        self.objects[index] = table
        for _ in range(self.number("<i", label)):
            key = self.object(f"a key of {label}", depth + 1)
            value_label = f"{label}.{_key_label(key)}" if depth < LABELLED_DEPTH else label
            value = self.object(value_label, depth + 1)
            if isinstance(key, str | float | bool):
                table[key] = value
        return table

    def dtype(self, name: str, suffix: str, label: str) -> np.dtype:
        element = name.removeprefix("torch.").removesuffix(suffix)
        if element not in DTYPES:
            raise SourceError(
                f"{label} is a {name}, expected an element type of {', '.join(DTYPES)}"
            )
        return np.dtype(DTYPES[element])

    def tensor(self, index: int, name: str, label: str, depth: int) -> np.ndarray:
        axes = self.number("<i", label)
        if not 0 <= axes <= 8:
            raise SourceError(f"{label} has {axes} axes: the file is damaged")
        shape = self.cursor.unpack(f"<{axes}q", label)
        strides = self.cursor.unpack(f"<{axes}q", label)
        offset = self.number("<q", label) - 1  # Lua counts from one
        dtype = self.dtype(name, "Tensor", label)
        storage = self.object(f"{label} of shape {shape}", depth + 1)
        self.objects[index] = array = _view(storage, dtype, shape, strides, offset, label)
        return array

    def storage(self, index: int, name: str, label: str) -> np.ndarray:
        dtype = self.dtype(name, "Storage", label)
        self.objects[index] = array = self.cursor.array(dtype, self.number("<q", label), label)
        return array


def _key_label(key: Any) -> str:
    if isinstance(key, float) and key.is_integer():
        return str(int(key))
    return key if isinstance(key, str) else "?"


def _view(
    storage: Any,
    dtype: np.dtype,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
    label: str,
) -> np.ndarray:
    if not shape or 0 in shape or storage is None:
        return np.empty(0, dtype)
    if not isinstance(storage, np.ndarray) or storage.dtype != dtype:
        raise SourceError(
            f"{label} of shape {shape} has no storage of its own type: the file is damaged"
        )
    return strided_view(storage, shape, strides, offset, label)
