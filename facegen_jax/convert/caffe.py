"""Caffe `.caffemodel`: protocol buffers, read for the few fields that hold weights.

Field numbers, from caffe.proto:
- NetParameter: layers = 2 (V1), layer = 100
- V1LayerParameter: name = 4, blobs = 6
- LayerParameter: name = 1, type = 2, blobs = 7
- BlobProto: num, channels, height, width = 1 to 4, data = 5, shape = 7, double_data = 8
- BlobShape: dim = 1
"""

import numpy as np

from .cursor import Cursor, SourceError, reshape
from .layout import NAMES, Pair, Parsed
from .protobuf import fields, varint
from .unmerged import normalised

KIND, NORMALISATIONS = 2, (b"BatchNorm", b"BN", b"SyncBN")
"""Field of a layer's type, and types of Caffe and its forks that normalise a batch."""


def is_caffemodel(data: memoryview) -> bool:
    """Return whether the data parses as a NetParameter up to its first layer."""
    try:
        return any(
            number in (2, 100) and isinstance(value, memoryview)
            for number, value in fields(data, "the network", largest=200)
        )
    except SourceError:
        return False


def read(data: memoryview) -> Parsed:
    """Read a `.caffemodel` file; see `layout.Parsed`."""
    layers: dict[str, Pair] = {}
    formats, normalisations, named = set(), [], False
    for number, value in fields(data, "the network"):
        if number not in (2, 100) or not isinstance(value, memoryview):
            continue
        name_field, blob_field = (4, 6) if number == 2 else (1, 7)
        name, kind, blobs = "", b"", []
        for field, content in fields(value, f"layer {name!r}"):
            if field == name_field and isinstance(content, memoryview):
                name = bytes(content[:100]).decode("utf-8", "replace")
            elif field == KIND and isinstance(content, memoryview):
                kind = bytes(content[:100])
            elif field == blob_field and isinstance(content, memoryview):
                blobs.append(content)
        if number == 100 and kind in NORMALISATIONS:
            normalisations.append(name)
        named |= name in NAMES
        if name in layers:
            raise SourceError(f"two layers called {name}; save one network to a file")
        if name in NAMES and len(blobs) == 2:
            layers[name] = (_blob(blobs[0], f"{name}/kernel"), _blob(blobs[1], f"{name}/bias"))
            formats.add("V1 layers" if number == 2 else "layer")
    described = " and ".join(sorted(formats)) or "no VGG-Face layer"
    problem = normalised(normalisations) if named else ""
    return Parsed(f"Caffe .caffemodel ({described})", layers, "OIHW", "BGR", problem=problem)


def _blob(data: memoryview, label: str) -> np.ndarray:
    """Read an array; the old format pads its shape to four axes with leading ones."""
    legacy, shape = [1, 1, 1, 1], None
    single: list[memoryview] = []
    double: list[memoryview] = []
    for number, value in fields(data, label):
        if number in (1, 2, 3, 4) and isinstance(value, int):
            legacy[number - 1] = value
        elif number == 7 and isinstance(value, memoryview):
            shape = _shape(value, label)
        elif number in (5, 8) and isinstance(value, memoryview):
            (single if number == 5 else double).append(value)
    dtype, pieces = (np.dtype("<f4"), single) if single else (np.dtype("<f8"), double)
    packed = pieces[0] if len(pieces) == 1 else memoryview(b"".join(pieces))
    if len(packed) % dtype.itemsize:
        raise SourceError(
            f"{label} has {len(packed)} bytes of data, not a multiple of {dtype.itemsize}: "
            "the file is damaged"
        )
    return reshape(np.frombuffer(packed, dtype), legacy if shape is None else shape, label)


def _shape(data: memoryview, label: str) -> list[int]:
    """Read a BlobShape, whose sides are packed in one field or stored in one field each."""
    sides: list[int] = []
    for number, value in fields(data, label):
        if number == 1 and isinstance(value, int):
            sides.append(value)
        elif number == 1 and isinstance(value, memoryview):
            cursor = Cursor(value)
            while cursor.position < len(value) and len(sides) < 64:
                sides.append(varint(cursor, label))
    return sides
