"""Named arrays as safetensors: read as views of the mapped file, written in pieces.

Ours rather than the library of that name, which takes three copies of 580 MB to write, and two to read into NumPy.
Format: 8 bytes of header length, a JSON header with dtype, shape and place of each array, then the numbers.
"""

import json
import math
import mmap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import ml_dtypes
import numpy as np

from ..files import write_atomically

DTYPES = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
}
MAX_HEADER = 1 << 20
_PIECE = 1 << 24


class TensorFileError(ValueError):
    """Not a safetensors file; the message says where it goes wrong."""


def map_file(path: Path) -> memoryview:
    """The bytes of a file, which the system reads where they are looked at."""
    with path.open("rb") as file:
        try:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except ValueError:  # empty files cannot be mapped
            return memoryview(b"")


def parse(data: memoryview) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays (views of `data`) and metadata.

    Raises:
        TensorFileError: damaged, cut short, or numbers of a kind that networks do not use.
    """
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(len(data) - 8, MAX_HEADER):
        raise TensorFileError(f"its header should have {length} bytes, the file has {len(data)}")
    try:
        header = json.loads(bytes(data[8 : 8 + length]))
        metadata = header.pop("__metadata__", {})
        arrays = {name: _array(data[8 + length :], name, entry) for name, entry in header.items()}
        return arrays, {str(key): str(value) for key, value in metadata.items()}
    except TensorFileError:
        raise
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise TensorFileError(
            f"its header is damaged ({type(error).__name__}: {str(error)[:80]})"
        ) from None


def _array(data: memoryview, name: str, entry: dict) -> np.ndarray:
    dtype, shape, (start, end) = (
        DTYPES.get(entry["dtype"]),
        tuple(entry["shape"]),
        entry["data_offsets"],
    )
    if dtype is None:
        raise TensorFileError(f"{name} holds {entry['dtype']}, expected one of {', '.join(DTYPES)}")
    numbers = (*shape[:9], start, end)
    if (
        len(shape) > 8
        or not all(isinstance(number, int) and 0 <= number < 1 << 62 for number in numbers)
        or end > len(data)
    ):
        shape = shape[:8]
        raise TensorFileError(
            f"{name} of shape {shape} lies at {start} to {end} of {len(data)} bytes: the file is cut short or damaged"
        )
    if math.prod(shape) * dtype.itemsize != end - start:
        raise TensorFileError(
            f"{name} of shape {shape} has {end - start} bytes, expected {math.prod(shape) * dtype.itemsize}"
        )
    return np.frombuffer(data[start:end], dtype).reshape(shape)


def write(
    path: Path,
    tensors: Mapping[str, np.ndarray],
    metadata: Mapping[str, str],
    dtype: str = "F32",
    *,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    progress: Callable[[int], object] = lambda done: None,
) -> None:
    """Write arrays, whole or not at all; views in any order of axes are written piece by piece.

    Args:
        path: to write.
        tensors: arrays by name.
        metadata: strings by name.
        dtype: a name of `DTYPES`.
        shapes: to write instead of an array's own, which merges axes without a copy.
        progress: told of bytes about to be written.
    """

    def pieces() -> Iterator[bytes | memoryview]:
        for piece in _pieces(tensors, metadata, dtype, shapes or {}):
            progress(len(piece))
            yield piece

    write_atomically(path, pieces())


def _pieces(
    tensors: Mapping[str, np.ndarray],
    metadata: Mapping[str, str],
    dtype: str,
    shapes: Mapping[str, tuple[int, ...]],
) -> Iterator[bytes | memoryview]:
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for name, array in tensors.items():
        start, end = end, end + array.size * DTYPES[dtype].itemsize
        header[name] = {
            "dtype": dtype,
            "shape": shapes.get(name, array.shape),
            "data_offsets": [start, end],
        }
    content = json.dumps(header).encode()
    content += b" " * (-len(content) % 8)
    yield len(content).to_bytes(8, "little") + content
    for array in tensors.values():
        yield from (
            np.ascontiguousarray(piece, DTYPES[dtype]).view(np.uint8).data
            for piece in blocks(array)
        )


def blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    """Cut along the first axis into pieces of about 16 MiB, or single rows where these are larger."""
    rows = max(1, _PIECE // max(1, array.nbytes // max(1, len(array)))) if array.ndim else 1
    yield from (
        (array[start : start + rows] for start in range(0, len(array), rows))
        if array.ndim
        else iter([array.reshape(1)])
    )
