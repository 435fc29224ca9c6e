"""Bytes that nobody vouches for: read through a cursor that never leaves them, unpacked within bounds."""

import math
import mmap
import struct
import zlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

GROWTH = 2
"""How often its own size a compressed file may unpack to: float weights hardly shrink, so more is not a network."""
SMALL = 4 << 20
"""Files below this size may unpack to this size in any case (tiny networks, names and padding beside weights)."""
MAX_AXES, MAX_SIDE = 8, 1 << 31
BLOCK = 1 << 20
"""Bytes that are read or unpacked at a time."""


class SourceError(ValueError):
    """A file that is not the network it should be; the message says what was expected, what came, and what to do."""

    def __init__(self, message: str):
        """Names in the message may come from the file: whatever could break the line is left out."""
        super().__init__(
            "".join(letter if letter.isprintable() else "?" for letter in message[:600])
        )


class Cursor:
    """A position in bytes; every read is checked against their end."""

    def __init__(self, data: memoryview, position: int = 0):
        self.data, self.position = data, position

    def take(self, count: int, what: str = "data") -> memoryview:
        """The next `count` bytes, not copied."""
        if count < 0 or count > len(self.data) - self.position:
            raise SourceError(
                f"{what} needs {count} bytes at {self.position}, the file ends at {len(self.data)}: it is damaged or cut short"
            )
        self.position += count
        return self.data[self.position - count : self.position]

    def unpack(self, form: str, what: str = "a number") -> tuple[Any, ...]:
        """Numbers in the notation of `struct`."""
        return struct.unpack(form, self.take(struct.calcsize(form), what))

    def array(self, dtype: np.dtype, count: int, what: str) -> np.ndarray:
        """`count` numbers as a view of the file."""
        return np.frombuffer(self.take(count * dtype.itemsize, what), dtype)

    def at(self, position: int, what: str = "data") -> "Cursor":
        """Another cursor on the same bytes."""
        if not 0 <= position <= len(self.data):
            raise SourceError(
                f"{what} lies at {position}, the file ends at {len(self.data)}: it is damaged or cut short"
            )
        return Cursor(self.data, position)


def shaped(
    values: np.ndarray, shape: Sequence[Any], what: str, order: Literal["C", "F"] = "C"
) -> np.ndarray:
    """Numbers in a shape that the file states, if that is one and fits."""
    whole = len(shape) <= MAX_AXES and all(
        isinstance(side, int) and 0 <= side < MAX_SIDE for side in shape
    )
    if not whole or math.prod(shape) != len(values):
        shown = (
            tuple(shape[:MAX_AXES])
            if whole
            else f"of {len(shape)} axes, negative, huge or fractional"
        )
        raise SourceError(
            f"{what} holds {len(values)} numbers, its shape is {shown}: the file is damaged"
        )
    return values.reshape(tuple(shape), order=order) if len(values) else np.empty(0, values.dtype)


def strided(
    storage: np.ndarray, shape: tuple[int, ...], strides: tuple[int, ...], offset: int, what: str
) -> np.ndarray:
    """A tensor as Torch stores it, a view with steps into flat numbers, checked against their end."""
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
            f"{what} of shape {shape} reaches beyond its {len(storage)} numbers: the file is damaged"
        )
    size = storage.dtype.itemsize
    return np.lib.stride_tricks.as_strided(
        storage[offset:], shape, [step * size for step in strides], writeable=False
    )


def room(size: int) -> memoryview:
    """Bytes to fill, which take memory only as they are filled."""
    return (
        memoryview(mmap.mmap(-1, size, access=mmap.ACCESS_COPY))
        if size
        else memoryview(bytearray())
    )


def inflate(packed: memoryview, size: int, what: str, headless: bool = False) -> memoryview:
    """Exactly `size` bytes out of a zlib stream (`headless`: of a zip member), with no more memory than that."""
    if size > max(SMALL, GROWTH * len(packed)):
        raise SourceError(
            f"{what} unpacks to {size} bytes from {len(packed)}, which no float weights do"
        )
    view, filled, taken, stream = room(size), 0, 0, zlib.decompressobj(-15 if headless else 15)
    try:
        while filled < size:
            block = stream.unconsumed_tail or packed[taken : taken + BLOCK]
            taken += 0 if stream.unconsumed_tail else len(block)
            piece = stream.decompress(block, size - filled)
            if not piece and not block:
                raise SourceError(
                    f"{what}: the compressed data end after {filled} of {size} bytes: the file is cut short"
                )
            view[filled : filled + len(piece)] = piece
            filled += len(piece)
            if taken % (64 * BLOCK) == 0:
                _give_back(packed[:taken])
    except zlib.error as error:
        raise SourceError(f"{what}: damaged compressed data ({error})") from None
    return view.toreadonly()


def _give_back(consumed: memoryview) -> None:
    """Return the memory of bytes that will not be read again, so that packed and unpacked data do not add up."""
    mapped = consumed.obj
    if not isinstance(mapped, mmap.mmap) or not hasattr(mmap, "MADV_DONTNEED"):
        return
    addresses = [np.frombuffer(buffer, np.uint8).ctypes.data for buffer in (consumed, mapped)]
    first = addresses[0] - addresses[1]
    start, end = (
        -(-first // mmap.PAGESIZE) * mmap.PAGESIZE,
        (first + len(consumed)) // mmap.PAGESIZE * mmap.PAGESIZE,
    )
    if end > start:
        mapped.madvise(mmap.MADV_DONTNEED, start, end - start)
