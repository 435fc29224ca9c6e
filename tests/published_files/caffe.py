"""Caffe's `.caffemodel`: a NetParameter message, written from the public field numbers."""

import struct
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .network import SEQUENCE, Layout, Network, as_convolution, channels_first, in_colour

Parts = list[bytes | memoryview]  # a message in pieces, so that large arrays are never joined

# Layer kind: its number in V1LayerParameter, its name in LayerParameter.
TYPES = {
    "conv": (4, "Convolution"),
    "relu": (18, "ReLU"),
    "pool": (17, "Pooling"),
    "dense": (14, "InnerProduct"),
    "dropout": (6, "Dropout"),
    "softmax": (20, "Softmax"),
}


class Dialect(NamedTuple):
    """Variations between files."""

    new: bool = False  # LayerParameter and `shape` instead of V1LayerParameter and four sizes
    double: bool = False  # float64, in `double_data`
    diff: bool = False  # include training gradients (empty for biases)


DEFAULT = Dialect()


def _varint(value: int) -> bytes:
    """Encode an integer in groups of seven bits, the lowest first."""
    groups = []
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes((*groups, value))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _float32(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)


def _delimited(field: int, content: str | Iterable[bytes | memoryview]) -> Parts:
    """Encode a string, a packed list or a message."""
    parts: Parts = [content.encode()] if isinstance(content, str) else list(content)
    return [_varint(field << 3 | 2), _varint(sum(map(len, parts))), *parts]


def _blob(values: np.ndarray, shape: Sequence[int], dialect: Dialect) -> Parts:
    """Encode a BlobProto."""
    data, diff = (8, 9) if dialect.double else (5, 6)
    values = np.ascontiguousarray(values, "<f8" if dialect.double else "<f4").reshape(-1)
    shape = shape if dialect.new else (1,) * (4 - len(shape)) + tuple(shape)
    fields = {data: _delimited(data, [values.data.cast("B")])}
    if dialect.diff:
        is_bias = max(shape) == values.size
        fields[diff] = _delimited(diff, [] if is_bias else [(values + 1).data.cast("B")])
    if dialect.new:
        fields[7] = _delimited(7, _delimited(1, map(_varint, shape)))
    else:
        fields |= {number: [_number(number, size)] for number, size in enumerate(shape, 1)}
    return list(chain.from_iterable(fields[number] for number in sorted(fields)))


def _blobs(network: Network, name: str, dialect: Dialect) -> list[Parts]:
    """Encode the kernel and bias of a layer; return an empty list if it has none."""
    if f"{name}/kernel" not in network:
        return []
    kernel, bias = channels_first(network, name), network[f"{name}/bias"]
    return [_blob(kernel, kernel.shape, dialect), _blob(bias, bias.shape, dialect)]


def _settings(kind: str, outputs: int) -> Parts:
    """Encode a Convolution-, Pooling-, InnerProduct- or DropoutParameter."""
    match kind:
        case "conv":
            return [_number(1, outputs), _number(3, 1), _number(4, 3)]
        case "pool":
            return [_number(1, 0), _number(2, 2), _number(3, 2)]
        case "dense":
            return [_number(1, outputs)]
        case "dropout":
            return [_float32(1, 0.5)]
    return []


def _layer(
    network: Network, dialect: Dialect, kind: str, name: str, bottom: str, top: str
) -> Parts:
    """Encode an entry of the list of layers."""
    blobs = _blobs(network, name, dialect)
    settings = _settings(kind, len(network[f"{name}/bias"]) if blobs else 0)
    number, title = TYPES[kind]
    if dialect.new:
        field = {"conv": 106, "dropout": 108, "dense": 117, "pool": 121}.get(kind)
        head = [
            *_delimited(1, name),
            *_delimited(2, title),
            *_delimited(3, bottom),
            *_delimited(4, top),
        ]
        rates = (
            [part for rate in (1, 2) for part in _delimited(6, [_float32(3, rate)])]
            if blobs
            else []
        )
        body = [
            *head,
            *rates,
            *(part for blob in blobs for part in _delimited(7, blob)),
            _number(10, 1),
        ]
    else:
        field = {"conv": 10, "dropout": 12, "dense": 17, "pool": 19}.get(kind)
        head = [
            *_delimited(2, bottom),
            *_delimited(3, top),
            *_delimited(4, name),
            _number(5, number),
        ]
        rates = [_float32(7, 1), _float32(7, 2)] if blobs else []
        body = [*head, *(part for blob in blobs for part in _delimited(6, blob)), *rates]
    return _delimited(
        100 if dialect.new else 2, body + (_delimited(field, settings) if field else [])
    )


def write(path: Path, network: Network, dialect: Dialect = DEFAULT) -> None:
    """Write the deployed network for BGR images, with ascending field numbers, as protobuf does."""
    network = in_colour(network, "BGR")
    side = 32 * len(as_convolution(network, "fc6"))
    inputs = [*_delimited(3, "data"), *(_number(4, size) for size in (1, 3, side, side))]
    with path.open("wb") as file:
        file.writelines(_delimited(1, "VGG_FACE_16_layers"))
        if dialect.new:
            file.writelines(inputs)
        bottom = "data"
        for kind, name in SEQUENCE:
            top = bottom if kind in ("relu", "dropout") else name  # both are in-place layers
            file.writelines(_layer(network, dialect, kind, name, bottom, top))
            bottom = top
        if not dialect.new:
            file.writelines(inputs)


def _row(name: str, dialect: Dialect) -> Layout:
    return Layout(
        f"caffe-{name}", "VGG_FACE.caffemodel", "BGR", True, partial(write, dialect=dialect)
    )


LAYOUTS = (
    _row("v1", DEFAULT),
    _row("v1-diff", Dialect(diff=True)),
    _row("new", Dialect(new=True)),
    _row("new-double", Dialect(new=True, double=True)),
)
