"""Torch7 `.t7`: the binary serialisation of Lua objects, as far as networks use it.

Grammar as in torch/File.lua. Functions are refused; objects may refer back to earlier ones, so loops are possible and never followed.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .cursor import Cursor, SourceError, strided
from .layout import Parsed, by_position

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
}
DTYPES |= {
    "Int": "<i4",
    "CudaInt": "<i4",
    "Short": "<i2",
    "Char": "<i1",
    "Byte": "<u1",
    "CudaByte": "<u1",
}
MAX_OBJECTS, MAX_DEPTH, MAX_TEXT = 100_000, 60, 1 << 16
LAYERS = ("SpatialConvolution", "SpatialConvolutionMM", "Linear")


def is_torch7(data: memoryview) -> bool:
    """Whether the file begins with object number 1, a torch object or a table."""
    return len(data) > 12 and bytes(data[:8]) in (b"\4\0\0\0\1\0\0\0", b"\3\0\0\0\1\0\0\0")


def read(data: memoryview) -> Parsed:
    """Read a `.t7` file; see `layout.Parsed`. Layers are named by their order."""
    root = _Reader(Cursor(data)).object("the network", 0)
    return Parsed("Torch7 .t7", by_position(list(_pairs(root))), "OIHW", "BGR")


def _pairs(root: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Weight and bias of each layer that should have them."""
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
            raise SourceError(f"a layer {kind} without its weight or bias: the file is damaged")
        yield weight, bias


def _modules(value: Any, seen: set[int], depth: int) -> Iterator[dict[Any, Any]]:
    """Layers of nested containers, in order; each once, as files may make containers hold each other."""
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
    """Objects read so far by their number, and a count that bounds what a hostile file can ask for."""

    def __init__(self, cursor: Cursor):
        self.cursor, self.seen, self.count = cursor, {}, 0

    def number(self, form: str, what: str) -> Any:
        return self.cursor.unpack(form, what)[0]

    def text(self, what: str) -> str:
        length = self.number("<i", what)
        if length > MAX_TEXT:
            raise SourceError(f"{what} holds a text of {length} letters: not a network")
        return bytes(self.cursor.take(length, what)).decode("latin-1")

    def object(self, what: str, depth: int) -> Any:
        """The next object of any kind: None, float, bool, str, dict or array."""
        self.count += 1
        if self.count > MAX_OBJECTS or depth > MAX_DEPTH:
            raise SourceError(
                f"more than {MAX_OBJECTS} objects or nested deeper than {MAX_DEPTH}: not a network"
            )
        kind = self.number("<i", what)
        if kind == NIL:
            return None
        if kind == NUMBER:
            return self.number("<d", what)
        if kind == STRING:
            return self.text(what)
        if kind == BOOLEAN:
            return bool(self.number("<i", what))
        if kind not in (TABLE, OBJECT):
            raise SourceError(
                f"{what}: object of kind {kind} at {self.cursor.position - 4}; networks hold numbers, text, tables and tensors only"
            )
        index = self.number("<i", what)
        if index in self.seen:
            return self.seen[index]
        if kind == TABLE:
            return self.table(index, {}, what, depth)
        version = self.text(what)
        name = self.text(what) if version.startswith("V ") else version
        family, _, member = name.rpartition(".")
        if family == "torch" and member.endswith("Tensor"):
            return self.tensor(index, name, what, depth)
        if family == "torch" and member.endswith("Storage"):
            return self.storage(index, name, what)
        self.seen[index] = module = {}
        content = self.object(f"{what} ({name})", depth + 1)
        module.update(content if isinstance(content, dict) else {})
        module["class"] = name
        return module

    def table(self, index: int, table: dict[Any, Any], what: str, depth: int) -> dict[Any, Any]:
        self.seen[index] = table
        for _ in range(self.number("<i", what)):
            key = self.object(f"a key of {what}", depth + 1)
            shown = (
                int(key)
                if isinstance(key, float) and key.is_integer()
                else key
                if isinstance(key, str)
                else "?"
            )
            value = self.object(f"{what}.{shown}" if depth < 6 else what, depth + 1)
            if isinstance(key, str | float | bool):
                table[key] = value
        return table

    def dtype(self, name: str, ending: str, what: str) -> np.dtype:
        kind = name.removeprefix("torch.").removesuffix(ending)
        if kind not in DTYPES:
            raise SourceError(f"{what} is a {name}; known are {', '.join(DTYPES)}")
        return np.dtype(DTYPES[kind])

    def tensor(self, index: int, name: str, what: str, depth: int) -> np.ndarray:
        axes = self.number("<i", what)
        if not 0 <= axes <= 8:
            raise SourceError(f"{what} has {axes} axes: the file is damaged")
        shape, strides = (
            self.cursor.unpack(f"<{axes}q", what),
            self.cursor.unpack(f"<{axes}q", what),
        )
        (offset,) = self.cursor.unpack("<q", what)
        dtype = self.dtype(name, "Tensor", what)
        storage = self.object(f"{what} of shape {shape}", depth + 1)
        self.seen[index] = array = _view(storage, dtype, shape, strides, offset - 1, what)
        return array

    def storage(self, index: int, name: str, what: str) -> np.ndarray:
        dtype = self.dtype(name, "Storage", what)
        self.seen[index] = array = self.cursor.array(dtype, self.number("<q", what), what)
        return array


def _view(
    storage: Any,
    dtype: np.dtype,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
    what: str,
) -> np.ndarray:
    if not shape or 0 in shape or storage is None:
        return np.empty(0, dtype)
    if not isinstance(storage, np.ndarray) or storage.dtype != dtype:
        raise SourceError(
            f"{what} of shape {shape} has no storage of its type: the file is damaged"
        )
    return strided(storage, shape, strides, offset, what)
