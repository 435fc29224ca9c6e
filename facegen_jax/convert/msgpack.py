"""Flax's msgpack, as `flax.serialization` writes it, read with bounds checks.

Written here because the msgpack library copies what it reads, 580 MB of it, and makes as many
objects as a file asks it to.
Format: the MessagePack specification; arrays are extensions of type 1 (scalars 3) that hold an
array of three: shape, name of the dtype, bytes.
"""

from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np

from .cursor import Cursor, SourceError, reshape
from .layout import Parsed
from .naming import Path, by_path, path_of
from .networks import to_networks

ARRAY, SCALAR = 1, 3
PLAIN = ("float16", "float32", "float64", "int8", "int16", "int32", "int64")
DTYPES = {
    **{name: np.dtype(name).newbyteorder("<") for name in (*PLAIN, "uint8", "uint16", "uint32")},
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}
MAX_VALUES, MAX_DEPTH, MAX_TEXT = 100_000, 60, 1 << 10
_NUMBERS = {
    **{0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q"},
    **{0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"},
}
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
_SIZED = {
    **{0xC4: ("bytes", ">B"), 0xC5: ("bytes", ">H"), 0xC6: ("bytes", ">I")},
    **{0xC7: ("extension", ">B"), 0xC8: ("extension", ">H"), 0xC9: ("extension", ">I")},
    **{0xD9: ("text", ">B"), 0xDA: ("text", ">H"), 0xDB: ("text", ">I")},
    **{0xDC: ("array", ">H"), 0xDD: ("array", ">I"), 0xDE: ("map", ">H"), 0xDF: ("map", ">I")},
}
"""Kind of each code that a length follows, and the format of that length."""


def is_msgpack(data: memoryview) -> bool:
    """Return whether the data begins with a map whose first key is text."""
    try:
        reader = _Reader(Cursor(data))
        kind, size = reader.head()
        return kind == "map" and size > 0 and reader.head()[0] == "text"
    except SourceError:
        return False


def read(data: memoryview) -> tuple[Parsed, ...]:
    """Read a file of `flax.serialization.to_bytes`; see `layout.Parsed`."""
    reader = _Reader(Cursor(data))
    value = reader.value(0)
    if reader.cursor.position != len(data):
        raise SourceError(
            f"msgpack of {reader.cursor.position} bytes in a file of {len(data)}: "
            "the file is damaged"
        )
    arrays = by_path(_arrays(value, ()))
    return to_networks(arrays, lambda _, array: array, "Flax msgpack")


def _arrays(value: Any, path: Path) -> Iterator[tuple[Path, np.ndarray]]:
    if isinstance(value, np.ndarray):
        yield path, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _arrays(item, (*path, *path_of(name)))


class _Reader:
    """A position in the file, and the number of values read, which limits hostile files."""

    def __init__(self, cursor: Cursor, extensions: bool = True):
        self.cursor, self.extensions, self.values = cursor, extensions, 0

    def number(self, fmt: str) -> Any:
        return self.cursor.unpack(fmt, "a msgpack value")[0]

    def head(self) -> tuple[str, Any]:
        """Return the kind of the next value, and its length; or `constant` and the value itself."""
        code = self.number(">B")
        if code < 0x80 or code >= 0xE0:
            return "constant", code if code < 0x80 else code - 0x100
        if code < 0xC0:
            kind = "map" if code < 0x90 else "array" if code < 0xA0 else "text"
            return kind, code & (0x1F if kind == "text" else 0x0F)
        if code in _NUMBERS:
            return "constant", self.number(_NUMBERS[code])
        if code in _CONSTANTS:
            return "constant", _CONSTANTS[code]
        if code in _SIZED:
            kind, fmt = _SIZED[code]
            return kind, self.number(fmt)
        if 0xD4 <= code <= 0xD8:
            return "extension", 1 << (code - 0xD4)
        raise SourceError(
            f"msgpack code {code:#x} at offset {self.cursor.position - 1}: the file is damaged"
        )

    def value(self, depth: int) -> Any:
        """Read the next value: a plain one, a list, a dict, or an array of numbers."""
        self.values += 1
        if self.values > MAX_VALUES or depth > MAX_DEPTH:
            raise SourceError(
                f"more than {MAX_VALUES} values or nested deeper than {MAX_DEPTH}: not a network"
            )
        kind, size = self.head()
        if kind == "constant":
            return size
        if kind == "array":
            return [self.value(depth + 1) for _ in range(size)]
        if kind == "map":
            return self.map(size, depth)
        if kind == "extension":
            code = self.number(">b")
            content = self.cursor.take(size, "a msgpack extension")
            return _array(content) if self.extensions and code in (ARRAY, SCALAR) else None
        content = self.cursor.take(size, f"msgpack {kind}")
        return content if kind == "bytes" else _text(content)

    def map(self, size: int, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for _ in range(size):
            key = self.key()
            if key in found:
                raise SourceError(f"a msgpack map that holds {key!r} twice: the file is damaged")
            found[key] = self.value(depth + 1)
        return found

    def key(self) -> str:
        kind, size = self.head()
        if kind == "constant":
            return str(size)
        if kind != "text":
            raise SourceError("a msgpack map whose keys are not text: not Flax's, or damaged")
        return _text(self.cursor.take(size, "a msgpack key"))


def _text(content: memoryview) -> str:
    return bytes(content[:MAX_TEXT]).decode("utf-8", "replace")


def _array(content: memoryview) -> np.ndarray | None:
    """Read shape, dtype and bytes of an array; None if it is of no dtype that networks use."""
    parts = _Reader(Cursor(content), extensions=False).value(0)
    if not (
        isinstance(parts, list)
        and len(parts) == 3
        and isinstance(parts[0], list)
        and isinstance(parts[2], memoryview)
    ):
        raise SourceError("a msgpack array without shape, dtype and bytes: the file is damaged")
    shape, name, numbers = parts
    dtype = DTYPES.get(bytes(name).decode("latin-1") if isinstance(name, memoryview) else str(name))
    if dtype is None:
        return None
    count = len(numbers) // dtype.itemsize
    if count * dtype.itemsize != len(numbers):
        raise SourceError(f"a msgpack array of {len(numbers)} bytes of {name}: the file is damaged")
    return reshape(np.frombuffer(numbers, dtype), shape, "a msgpack array")
