"""Named arrays as safetensors: read as views of a mapped file, written in pieces.

Written here because the safetensors library makes three copies of 580 MB to write, and two to read
into NumPy.
Format: 8 bytes of header length; a JSON header with dtype, shape and offsets of each array; the
numbers.
"""

import json
import math
import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path

import ml_dtypes
import numpy as np

from ..files import write_atomically
from ..types import Progress

DTYPES = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    **{f"I{size}": np.dtype(f"<i{size // 8}") for size in (8, 16, 32, 64)},
    **{f"U{size}": np.dtype(f"<u{size // 8}") for size in (8, 16, 32, 64)},
    "BOOL": np.dtype("?"),
}
KNOWN = (
    (b"PK", "a zip file, as torch.save and NumPy write"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x89HDF", "an HDF5 file"),
    *((magic, "a picture") for magic in (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF")),
)
"""Beginnings of files that are often taken for one of these."""
MAX_HEADER, MAX_AXES = 1 << 20, 8
_BLOCK = 1 << 24


class TensorFileError(ValueError):
    """Data that is not a valid safetensors file; the message says why."""


def map_file(path: Path) -> memoryview:
    """Map a file into memory; the system reads pages when they are accessed."""
    with path.open("rb") as file:
        try:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except ValueError:  # empty files cannot be mapped
            return memoryview(b"")


def parse(data: memoryview) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays, as views of `data`, and the metadata.

    Raises:
        TensorFileError: damaged, truncated, or a dtype that networks do not use.
    """
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(len(data) - 8, MAX_HEADER):
        raise TensorFileError(_unlike(bytes(data[:16]), length, len(data)))
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


def _unlike(head: bytes, length: int, size: int) -> str:
    """Return what is wrong with a file whose header cannot be as long as it says."""
    if not size:
        return "the file is empty"
    known = next((kind for magic, kind in KNOWN if head.startswith(magic)), None)
    if known or head[8:9] not in (b"{", b""):
        return known or f"it begins with {head[:8]!r}, not with the length of a header"
    return f"its header should have {length} bytes, but the file has {size}"


def _array(data: memoryview, name: str, entry: dict) -> np.ndarray:
    dtype, shape = DTYPES.get(entry["dtype"]), tuple(entry["shape"])
    start, end = entry["data_offsets"]
    if dtype is None:
        raise TensorFileError(
            f"{name} has dtype {entry['dtype']}, expected one of {', '.join(DTYPES)}"
        )
    numbers = (*shape[: MAX_AXES + 1], start, end)
    if (
        len(shape) > MAX_AXES
        or not all(isinstance(number, int) and 0 <= number < 1 << 62 for number in numbers)
        or end > len(data)
    ):
        raise TensorFileError(
            f"{name} of shape {shape[:MAX_AXES]} has offsets {start} to {end} in {len(data)} bytes "
            "of data: the file is damaged or truncated"
        )
    expected = math.prod(shape) * dtype.itemsize
    if end - start != expected:
        raise TensorFileError(
            f"{name} of shape {shape} has {end - start} bytes, expected {expected}"
        )
    return np.frombuffer(data[start:end], dtype).reshape(shape)


def write(
    path: Path,
    tensors: Mapping[str, np.ndarray],
    metadata: Mapping[str, str],
    dtype: str = "F32",
    *,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    progress: Progress = lambda done, total: None,
) -> None:
    """Write arrays atomically and in blocks, so that views with any order of axes need no copy.

    Args:
        path: file to write.
        tensors: arrays by name.
        metadata: strings by name.
        dtype: a key of `DTYPES`.
        shapes: shapes to write instead of an array's own, to merge axes without a copy.
        progress: counts bytes, including the block about to be written.
    """
    header = _header(tensors, metadata, dtype, shapes or {})
    size = DTYPES[dtype].itemsize
    total = len(header) + size * sum(array.size for array in tensors.values())

    def pieces() -> Iterator[bytes | memoryview]:
        done = len(header)
        progress(done, total)
        yield header
        for array in tensors.values():
            for block in blocks(array):
                done += size * block.size
                progress(done, total)
                yield np.ascontiguousarray(block, DTYPES[dtype]).view(np.uint8).data

    write_atomically(path, pieces())


def _header(
    tensors: Mapping[str, np.ndarray],
    metadata: Mapping[str, str],
    dtype: str,
    shapes: Mapping[str, tuple[int, ...]],
) -> bytes:
    """Return the header with its length, padded to eight bytes."""
    entries: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for name, array in tensors.items():
        start, end = end, end + array.size * DTYPES[dtype].itemsize
        entries[name] = {
            "dtype": dtype,
            "shape": shapes.get(name, array.shape),
            "data_offsets": [start, end],
        }
    content = json.dumps(entries).encode()
    content += b" " * (-len(content) % 8)
    return len(content).to_bytes(8, "little") + content


def blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    """Split along the first axis into blocks of about 16 MiB, or into rows if those are larger."""
    if not array.ndim:
        yield array.reshape(1)
        return
    rows = max(1, _BLOCK // max(1, array.nbytes // max(1, len(array))))
    yield from (array[start : start + rows] for start in range(0, len(array), rows))
