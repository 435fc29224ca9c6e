"""Caffe `.caffemodel`: protocol buffer wire format, read for the few fields that networks need.

Field numbers as in caffe.proto: NetParameter layers = 2 (V1) and layer = 100; V1LayerParameter name = 4, blobs = 6; LayerParameter
name = 1, blobs = 7; BlobProto num ... width = 1 ... 4, data = 5, shape = 7, double_data = 8; BlobShape dim = 1.
"""

from collections.abc import Iterator

import numpy as np

from .cursor import Cursor, SourceError, shaped
from .layout import NAMES, Parsed

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
Value = int | memoryview
MAX_FIELDS = 1000
"""In one message; the network has some 40 layers, a layer and a blob some ten fields."""


def is_caffemodel(data: memoryview) -> bool:
    """Whether the file begins with fields of a NetParameter, and one of them is a layer."""
    try:
        return any(
            number in (2, 100) and isinstance(value, memoryview)
            for number, value in _fields(data, "the network", strict=True)
        )
    except SourceError:
        return False


def read(data: memoryview) -> Parsed:
    """Read a `.caffemodel` file; see `layout.Parsed`."""
    layers: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    forms = set()
    for number, value in _fields(data, "the network"):
        if number not in (2, 100) or not isinstance(value, memoryview):
            continue
        name_field, blob_field = (4, 6) if number == 2 else (1, 7)
        name, blobs = "", []
        for field, content in _fields(value, f"layer {name!r}"):
            if field == name_field and isinstance(content, memoryview):
                name = bytes(content[:100]).decode("utf-8", "replace")
            elif field == blob_field and isinstance(content, memoryview):
                blobs.append(content)
        if name in NAMES and len(blobs) == 2:
            layers[name] = (_blob(blobs[0], f"{name}/kernel"), _blob(blobs[1], f"{name}/bias"))
            forms.add("V1 layers" if number == 2 else "layer")
    return Parsed(
        f"Caffe .caffemodel ({' and '.join(sorted(forms)) or 'no VGG-Face layer'})",
        layers,
        "OIHW",
        "BGR",
    )


def _fields(data: memoryview, what: str, strict: bool = False) -> Iterator[tuple[int, Value]]:
    """Number and value of each field of a message."""
    cursor, count = Cursor(data), 0
    while cursor.position < len(data):
        count += 1
        tag = _varint(cursor, what)
        number, kind = tag >> 3, tag & 7
        if number < 1 or count > MAX_FIELDS or (strict and number > 200):
            raise SourceError(
                f"{what} has a field number {number} at {cursor.position} of {len(data)}: the file is damaged"
            )
        if kind == VARINT:
            yield number, _varint(cursor, what)
        elif kind == FIXED64:
            yield number, cursor.take(8, what)
        elif kind == FIXED32:
            yield number, cursor.take(4, what)
        elif kind == BYTES:
            yield number, cursor.take(_varint(cursor, what), f"field {number} of {what}")
        else:
            raise SourceError(
                f"{what} has a field of wire type {kind} at {cursor.position} of {len(data)}: the file is damaged"
            )


def _varint(cursor: Cursor, what: str) -> int:
    value = 0
    for place in range(10):
        (byte,) = cursor.take(1, what)
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value
    raise SourceError(f"{what} has an endless number at {cursor.position}: the file is damaged")


def _blob(data: memoryview, what: str) -> np.ndarray:
    """Numbers with their shape, which the old form fills up with unit axes in front."""
    legacy, shape = [1, 1, 1, 1], None
    single: list[memoryview] = []
    double: list[memoryview] = []
    for number, value in _fields(data, what):
        if number in (1, 2, 3, 4) and isinstance(value, int):
            legacy[number - 1] = value
        elif number == 7 and isinstance(value, memoryview):
            shape = _shape(value, what)
        elif number in (5, 8) and isinstance(value, memoryview):
            (single if number == 5 else double).append(value)
    dtype, pieces = (np.dtype("<f4"), single) if single else (np.dtype("<f8"), double)
    packed = pieces[0] if len(pieces) == 1 else memoryview(b"".join(pieces))
    if len(packed) % dtype.itemsize:
        raise SourceError(
            f"{what} has {len(packed)} bytes of data, not a multiple of {dtype.itemsize}: the file is damaged"
        )
    return shaped(np.frombuffer(packed, dtype), legacy if shape is None else shape, what)


def _shape(data: memoryview, what: str) -> list[int]:
    """BlobShape: packed numbers, or one field for each."""
    sides: list[int] = []
    for number, value in _fields(data, what):
        if number == 1 and isinstance(value, int):
            sides.append(value)
        elif number == 1 and isinstance(value, memoryview):
            cursor = Cursor(value)
            while cursor.position < len(value) and len(sides) < 64:
                sides.append(_varint(cursor, what))
    return sides
