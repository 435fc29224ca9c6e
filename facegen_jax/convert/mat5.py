"""MATLAB's MAT-file, level 5 (`save -v6` and `-v7`), read with bounds checks.

Ours rather than SciPy's, which ends in a segmentation fault on damaged files. Only what networks are stored in: numbers, text, cells and
structs. Format: MATLAB MAT-File Format, MathWorks (public documentation).
"""

import math
import struct
from typing import Any

import numpy as np

from .cursor import GROWTH, SMALL, Cursor, SourceError, inflate, shaped

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
"""Data types of elements, as NumPy's."""
TEXTS = {4: "utf-16-{}", 16: "utf-8", 17: "utf-16-{}", 18: "utf-32-{}"}
"""Data types of letters; all others are one byte each."""
MATRIX, COMPRESSED = 14, 15
CELL, STRUCT, CHAR, FIRST_NUMERIC, LAST_NUMERIC = 1, 2, 4, 6, 15
MAX_DEPTH, MAX_VALUES, MAX_FIELDS = 20, 100_000, 1000


def is_mat(data: memoryview) -> bool:
    """Whether the 128-byte header of a level 5 file is there."""
    return (
        len(data) >= 128 and bytes(data[126:128]) in (b"IM", b"MI") and bytes(data[:6]) == b"MATLAB"
    )


def read_mat(data: memoryview) -> dict[str, Any]:
    """Variables by name: arrays, `str`, a list for a cell, a dict for a struct, a list of dicts for an array of structs.

    Raises:
        SourceError: damaged, cut short, level 7.3 (which is HDF5), or nested deeper than networks are.
    """
    if bytes(data[124:128]) not in (b"\x00\x01IM", b"\x01\x00MI"):
        raise SourceError("a MAT-file of another level than 5; in MATLAB, save it again with -v7")
    reader = _Reader("<" if bytes(data[126:128]) == b"IM" else ">", max(SMALL, GROWTH * len(data)))
    cursor, variables = Cursor(data, 128), {}
    while cursor.position < len(data):
        kind, content = reader.element(cursor)
        if kind == COMPRESSED:
            content = reader.inflated(content.data)
        elif kind != MATRIX:
            raise SourceError(
                f"element of type {kind} where a variable was expected: the file is damaged"
            )
        name, value = reader.matrix(content, 0)
        variables[name] = value
    return variables


class _Reader:
    """Byte order of the file, and counts that bound what a hostile one can ask for."""

    def __init__(self, order: str, room: int):
        self.order, self.room, self.values = order, room, 0

    def inflated(self, packed: memoryview) -> Cursor:
        """The content of a compressed variable."""
        kind, size = struct.unpack(self.order + "II", inflate(packed, 8, "a variable's head"))
        if kind != MATRIX:
            raise SourceError(
                f"compressed element of type {kind} where a variable was expected: the file is damaged"
            )
        self.room -= size
        if self.room < 0:
            raise SourceError(
                f"unpacks to more than {GROWTH} times its size, which no network of float weights does"
            )
        return Cursor(inflate(packed, 8 + size, "a variable"), 8)

    def element(self, cursor: Cursor) -> tuple[int, Cursor]:
        """Type and content of the next element; small ones are packed into the tag."""
        kind, size = cursor.unpack(self.order + "II", "an element")
        if kind >> 16:
            kind, size = kind & 0xFFFF, kind >> 16
            cursor.position -= 4
            return kind, Cursor(cursor.take(4)[:size])
        content = cursor.take(size, "an element")
        if kind != COMPRESSED:  # all others are padded to eight bytes
            cursor.position = min(cursor.position + -size % 8, len(cursor.data))
        return kind, Cursor(content)

    def numbers(self, cursor: Cursor, what: str) -> np.ndarray:
        kind, content = self.element(cursor)
        if kind not in NUMBERS:
            raise SourceError(
                f"{what} has data of type {kind}, expected numbers: the file is damaged"
            )
        dtype = np.dtype(self.order + NUMBERS[kind])
        return content.array(dtype, len(content.data) // dtype.itemsize, what)

    def integers(self, cursor: Cursor, what: str) -> list[int]:
        """A few whole numbers, such as dimensions."""
        values = self.numbers(cursor, what)
        if values.dtype.kind not in "iu" or not 1 <= len(values) <= 32:
            raise SourceError(
                f"{what} are {len(values)} of type {values.dtype}, expected up to 32 whole numbers: the file is damaged"
            )
        return values.tolist()

    def text(self, cursor: Cursor, what: str) -> str:
        """Letters, up to 64 thousand."""
        kind, content = self.element(cursor)
        encoding = TEXTS.get(kind, "latin-1")
        return bytes(content.data[: 1 << 16]).decode(
            encoding.format("le" if self.order == "<" else "be"), "replace"
        )

    def matrix(self, cursor: Cursor, depth: int) -> tuple[str, Any]:
        """Name and value of an array of any class."""
        self.values += 1
        if depth > MAX_DEPTH or self.values > MAX_VALUES:
            raise SourceError(
                f"more than {MAX_VALUES} values or nested deeper than {MAX_DEPTH}: not a network"
            )
        if not len(cursor.data):  # written for what does not exist
            return "", np.empty(0, np.float32)
        flags, shape = (
            self.integers(cursor, "array flags"),
            tuple(self.integers(cursor, "array dimensions")),
        )
        name = self.text(cursor, "an array's name")
        if min(shape) < 0:
            raise SourceError(f"array {name!r} has dimensions {shape}: the file is damaged")
        kind = flags[0] & 0xFF
        if kind == CELL:
            return name, [
                self.matrix(self.child(cursor, name), depth + 1)[1]
                for _ in range(self.count(shape, cursor, name))
            ]
        if kind == STRUCT:
            return name, self.struct(cursor, shape, name, depth)
        if kind == CHAR:
            return name, self.text(cursor, name)
        if FIRST_NUMERIC <= kind <= LAST_NUMERIC and not flags[0] & 0x0800:
            what = f"array {name!r} of shape {shape}"
            return name, shaped(self.numbers(cursor, what), shape, what, "F")
        return name, None  # sparse, complex, functions, objects: nothing a network needs

    def struct(self, cursor: Cursor, shape: tuple[int, ...], name: str, depth: int) -> Any:
        step = self.integers(cursor, f"field name lengths of {name!r}")[0]
        packed = self.numbers(cursor, f"field names of {name!r}").tobytes()
        if step < 1 or len(packed) > step * MAX_FIELDS:
            raise SourceError(
                f"struct {name!r} has field names of {step} letters in {len(packed)} bytes: the file is damaged"
            )
        fields = [
            packed[start : start + step].split(b"\0")[0].decode("latin-1")
            for start in range(0, len(packed), step)
        ]
        rows = range(self.count((*shape, len(fields)), cursor, name) // max(1, len(fields)))
        found = [
            {field: self.matrix(self.child(cursor, name), depth + 1)[1] for field in fields}
            for _ in rows
        ]
        return found[0] if len(found) == 1 else found

    def child(self, cursor: Cursor, name: str) -> Cursor:
        kind, content = self.element(cursor)
        if kind != MATRIX:
            raise SourceError(
                f"element of type {kind} inside {name!r} where an array was expected: the file is damaged"
            )
        return content

    def count(self, shape: tuple[int, ...], cursor: Cursor, name: str) -> int:
        """Product of the sides, which must fit into what is left: every child takes eight bytes at least."""
        count = math.prod(shape)
        if count > (len(cursor.data) - cursor.position) // 8:
            raise SourceError(
                f"{name!r} should hold {count} arrays, the file ends before: it is damaged or cut short"
            )
        return count
