"""Bounds-checked reads of untrusted bytes, and decompression with a size limit."""

import math
import mmap
import struct
import zlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ..text import printable

MAX_GROWTH = 2
"""How many times its own size a file may unpack to; float weights barely compress."""
SMALL = 4 << 20
"""Any file may unpack to this size, which covers tiny networks and the padding around weights."""
MAX_AXES, MAX_SIDE = 8, 1 << 31
MAX_MESSAGE = 600
BLOCK = 1 << 20
"""Bytes read or unpacked at a time."""
TOO_LARGE = f"unpacks to more than {MAX_GROWTH} times its size; float weights barely compress"


class SourceError(ValueError):
    """A source file that cannot be converted.

    The message states what was expected, what the file holds, and what to do.
    """

    def __init__(self, message: str):
        super().__init__(printable(message[:MAX_MESSAGE]))


class Cursor:
    """A read position in a buffer; every read is bounds-checked.

    `label` arguments name the object being read, for error messages.
    """

    def __init__(self, data: memoryview, position: int = 0):
        self.data, self.position = data, position

    def take(self, count: int, label: str = "data") -> memoryview:
        """Return the next `count` bytes without copying, and advance."""
        if count < 0 or count > len(self.data) - self.position:
            raise SourceError(
                f"{label} needs {count} bytes at offset {self.position}, but the file ends at "
                f"{len(self.data)}: it is damaged or truncated"
            )
        self.position += count
        return self.data[self.position - count : self.position]

    def unpack(self, fmt: str, label: str = "a number") -> tuple[Any, ...]:
        """Read the values of a `struct` format string."""
        return struct.unpack(fmt, self.take(struct.calcsize(fmt), label))

    def array(self, dtype: np.dtype, count: int, label: str) -> np.ndarray:
        """Return the next `count` numbers as a view of the buffer."""
        return np.frombuffer(self.take(count * dtype.itemsize, label), dtype)

    def at(self, position: int, label: str = "data") -> "Cursor":
        """Return a new cursor on the same buffer at an absolute position."""
        if not 0 <= position <= len(self.data):
            raise SourceError(
                f"{label} should start at offset {position}, but the file ends at "
                f"{len(self.data)}: it is damaged or truncated"
            )
        return Cursor(self.data, position)


def reshape(
    values: np.ndarray, shape: Sequence[Any], label: str, order: Literal["C", "F"] = "C"
) -> np.ndarray:
    """Reshape a flat array to a shape read from a file, after validating that shape."""
    valid = len(shape) <= MAX_AXES and all(
        isinstance(side, int) and 0 <= side < MAX_SIDE for side in shape
    )
    if not valid or math.prod(shape) != len(values):
        described = (
            str(tuple(shape[:MAX_AXES]))
            if valid
            else f"invalid ({len(shape)} axes, or a negative, huge or fractional side)"
        )
        raise SourceError(
            f"{label} holds {len(values)} numbers but its shape is {described}: the file is damaged"
        )
    return values.reshape(tuple(shape), order=order) if len(values) else np.empty(0, values.dtype)


def strided_view(
    storage: np.ndarray, shape: tuple[int, ...], strides: tuple[int, ...], offset: int, label: str
) -> np.ndarray:
    """Return a Torch tensor as a view of its flat storage, after checking its extent.

    `strides` and `offset` count elements, not bytes.
    """
    if 0 in shape:
        return np.empty(0, storage.dtype)
    last = offset + sum((side - 1) * step for side, step in zip(shape, strides, strict=True))
    if (
        min(shape, default=1) < 0
        or min(strides, default=0) < 0
        or offset < 0
        or last >= len(storage)
        or math.prod(shape) > len(storage)
    ):
        raise SourceError(
            f"{label} of shape {shape} extends beyond the {len(storage)} numbers of its storage: "
            "the file is damaged"
        )
    size = storage.dtype.itemsize
    return np.lib.stride_tricks.as_strided(
        storage[offset:], shape, [step * size for step in strides], writeable=False
    )


def unpacked_limit(packed: int) -> int:
    """Return how many bytes a compressed file of `packed` bytes may unpack to."""
    return max(SMALL, MAX_GROWTH * packed)


def allocate(size: int) -> memoryview:
    """Return a writable buffer whose pages take memory only once they are written."""
    return (
        memoryview(mmap.mmap(-1, size, access=mmap.ACCESS_COPY))
        if size
        else memoryview(bytearray())
    )


def inflate(packed: memoryview, size: int, label: str, raw: bool = False) -> memoryview:
    """Decompress exactly `size` bytes of a zlib stream, using no more memory than that.

    Set `raw` for a deflate stream without the zlib header, as zip members have.
    """
    if size > unpacked_limit(len(packed)):
        raise SourceError(
            f"{label} unpacks from {len(packed)} to {size} bytes; float weights barely compress"
        )
    view, filled, taken, stream = allocate(size), 0, 0, zlib.decompressobj(-15 if raw else 15)
    try:
        while filled < size:
            block = stream.unconsumed_tail or packed[taken : taken + BLOCK]
            taken += 0 if stream.unconsumed_tail else len(block)
            piece = stream.decompress(block, size - filled)
            if not piece and not block:
                raise SourceError(
                    f"{label}: the compressed data ends after {filled} of {size} bytes: "
                    "the file is truncated"
                )
            view[filled : filled + len(piece)] = piece
            filled += len(piece)
            if taken % (64 * BLOCK) == 0:
                _release(packed[:taken])
    except zlib.error as error:
        raise SourceError(f"{label}: damaged compressed data ({error})") from None
    return view.toreadonly()


def _release(consumed: memoryview) -> None:
    """Release the pages of bytes already read, so that packed and unpacked data do not add up."""
    mapped = consumed.obj
    if not isinstance(mapped, mmap.mmap) or not hasattr(mmap, "MADV_DONTNEED"):
        return
    addresses = [np.frombuffer(buffer, np.uint8).ctypes.data for buffer in (consumed, mapped)]
    first = addresses[0] - addresses[1]
    start = -(-first // mmap.PAGESIZE) * mmap.PAGESIZE
    end = (first + len(consumed)) // mmap.PAGESIZE * mmap.PAGESIZE
    if end > start:
        mapped.madvise(mmap.MADV_DONTNEED, start, end - start)
