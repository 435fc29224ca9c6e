"""MATLAB's MAT-file, level 5 (`save -v6` and `-v7`), read with bounds checks.

Written here because SciPy's reader segfaults on damaged files. Reads only the types that networks
use: numbers, text, cells and structs.
Format: MATLAB MAT-File Format, MathWorks (public documentation).
"""

import math
import struct
from typing import Any

import numpy as np

from .cursor import TOO_LARGE, Cursor, SourceError, inflate, reshape, unpacked_limit

NUMBERS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
    16: "u1",
    17: "u2",
    18: "u4",
}
"""NumPy type of each numeric element type."""
ENCODINGS = {4: "utf-16-{}", 16: "utf-8", 17: "utf-16-{}", 18: "utf-32-{}"}
"""Encoding of each text element type; all others hold one byte per character."""
MATRIX, COMPRESSED = 14, 15
CELL, STRUCT, CHAR, FIRST_NUMERIC, LAST_NUMERIC = 1, 2, 4, 6, 15
MAX_DEPTH, MAX_VALUES, MAX_FIELDS, MAX_TEXT = 20, 100_000, 1000, 1 << 16


def is_mat(data: memoryview) -> bool:
    """Return whether the data begins with the 128-byte header of a level 5 file."""
    return (
        len(data) >= 128 and bytes(data[126:128]) in (b"IM", b"MI") and bytes(data[:6]) == b"MATLAB"
    )


def read_mat(data: memoryview) -> dict[str, Any]:
    """Return the variables by name.

    An array stays an array, text becomes `str`, a cell a list, a struct a dict, and an array of
    structs a list of dicts.

    Raises:
        SourceError: damaged, truncated, level 7.3 (which is HDF5), or nested too deep.
    """
    if bytes(data[124:128]) not in (b"\x00\x01IM", b"\x01\x00MI"):
        raise SourceError("a MAT-file of a level other than 5; in MATLAB, save it again with -v7")
    reader = _Reader("<" if bytes(data[126:128]) == b"IM" else ">", unpacked_limit(len(data)))
    cursor, variables = Cursor(data, 128), {}
    while cursor.position < len(data):
        kind, content = reader.element(cursor)
        if kind == COMPRESSED:
            content = reader.inflated(content.data)
        elif kind != MATRIX:
            raise SourceError(
                f"element of type {kind}, expected a variable (type {MATRIX}): the file is damaged"
            )
        name, value = reader.matrix(content, 0)
        variables[name] = value
    return variables


class _Reader:
    """The file's byte order, and counters that limit what a hostile file can allocate."""

    def __init__(self, byte_order: str, limit: int):
        self.byte_order, self.left, self.values = byte_order, limit, 0

    def inflated(self, packed: memoryview) -> Cursor:
        """Return a cursor on the content of a compressed variable."""
        header = inflate(packed, 8, "a variable's header")
        kind, size = struct.unpack(self.byte_order + "II", header)
        if kind != MATRIX:
            raise SourceError(
                f"compressed element of type {kind}, expected a variable (type {MATRIX}): "
                "the file is damaged"
            )
        self.left -= size
        if self.left < 0:
            raise SourceError(TOO_LARGE)
        return Cursor(inflate(packed, 8 + size, "a variable"), 8)

    def element(self, cursor: Cursor) -> tuple[int, Cursor]:
        """Return the type and content of the next element; small ones are packed in the tag."""
        kind, size = cursor.unpack(self.byte_order + "II", "an element")
        if kind >> 16:
            kind, size = kind & 0xFFFF, kind >> 16
            cursor.position -= 4
            return kind, Cursor(cursor.take(4)[:size])
        content = cursor.take(size, "an element")
        if kind != COMPRESSED:  # all others are padded to eight bytes
            cursor.position = min(cursor.position + -size % 8, len(cursor.data))
        return kind, Cursor(content)

    def numbers(self, cursor: Cursor, label: str) -> np.ndarray:
        kind, content = self.element(cursor)
        if kind not in NUMBERS:
            raise SourceError(
                f"{label} has data of type {kind}, expected numbers: the file is damaged"
            )
        dtype = np.dtype(self.byte_order + NUMBERS[kind])
        return content.array(dtype, len(content.data) // dtype.itemsize, label)

    def integers(self, cursor: Cursor, label: str) -> list[int]:
        """Read up to 32 integers, such as dimensions."""
        values = self.numbers(cursor, label)
        if values.dtype.kind not in "iu" or not 1 <= len(values) <= 32:
            raise SourceError(
                f"{label} are {len(values)} numbers of type {values.dtype}, "
                "expected 1 to 32 integers: the file is damaged"
            )
        return values.tolist()

    def text(self, cursor: Cursor) -> str:
        """Read text, up to 64 KiB of it."""
        kind, content = self.element(cursor)
        encoding = ENCODINGS.get(kind, "latin-1")
        return bytes(content.data[:MAX_TEXT]).decode(
            encoding.format("le" if self.byte_order == "<" else "be"), "replace"
        )

    def matrix(self, cursor: Cursor, depth: int) -> tuple[str, Any]:
        """Return the name and value of an array of any class."""
        self.values += 1
        if depth > MAX_DEPTH or self.values > MAX_VALUES:
            raise SourceError(
                f"more than {MAX_VALUES} values or nested deeper than {MAX_DEPTH}: not a network"
            )
        if not len(cursor.data):  # MATLAB's placeholder for a missing value
            return "", np.empty(0, np.float32)
        flags = self.integers(cursor, "array flags")
        shape = tuple(self.integers(cursor, "array dimensions"))
        name = self.text(cursor)
        if min(shape) < 0:
            raise SourceError(f"array {name!r} has dimensions {shape}: the file is damaged")
        kind = flags[0] & 0xFF
        if kind == CELL:
            return name, [
                self.matrix(self.child(cursor, name), depth + 1)[1]
                for _ in range(self.child_count(shape, cursor, name))
            ]
        if kind == STRUCT:
            return name, self.struct(cursor, shape, name, depth)
        if kind == CHAR:
            return name, self.text(cursor)
        if FIRST_NUMERIC <= kind <= LAST_NUMERIC and not flags[0] & 0x0800:
            label = f"array {name!r} of shape {shape}"
            return name, reshape(self.numbers(cursor, label), shape, label, "F")
        return name, None  # sparse, complex, function or object: no network needs these

    def struct(self, cursor: Cursor, shape: tuple[int, ...], name: str, depth: int) -> Any:
        """Read a struct as a dict, or an array of structs as a list of dicts."""
        width = self.integers(cursor, f"field name lengths of {name!r}")[0]
        packed = self.numbers(cursor, f"field names of {name!r}").tobytes()
        if width < 1 or len(packed) > width * MAX_FIELDS:
            raise SourceError(
                f"struct {name!r} has field names of {width} characters in {len(packed)} bytes: "
                "the file is damaged"
            )
        fields = [
            packed[start : start + width].split(b"\0")[0].decode("latin-1")
            for start in range(0, len(packed), width)
        ]
        count = self.child_count((*shape, len(fields)), cursor, name) // max(1, len(fields))
        structs = [
            {field: self.matrix(self.child(cursor, name), depth + 1)[1] for field in fields}
            for _ in range(count)
        ]
        return structs[0] if len(structs) == 1 else structs

    def child(self, cursor: Cursor, name: str) -> Cursor:
        kind, content = self.element(cursor)
        if kind != MATRIX:
            raise SourceError(
                f"element of type {kind} inside {name!r}, expected an array (type {MATRIX}): "
                "the file is damaged"
            )
        return content

    def child_count(self, shape: tuple[int, ...], cursor: Cursor, name: str) -> int:
        """Return the number of children, checked against the bytes left (at least 8 for each)."""
        count = math.prod(shape)
        if count > (len(cursor.data) - cursor.position) // 8:
            raise SourceError(
                f"{name!r} should hold {count} arrays, but the file ends too soon: "
                "it is damaged or truncated"
            )
        return count
