"""The wire format of protocol buffers: the fields of a message, with bounds checks."""

from collections.abc import Iterator
from typing import TypeAlias

from .cursor import Cursor, SourceError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
Value: TypeAlias = int | memoryview
MAX_FIELDS = 1000
"""Per message; the network has about 40 layers, a layer or blob about ten fields."""


def fields(
    data: memoryview, label: str, *, largest: int = 1 << 29, clip: bool = False
) -> Iterator[tuple[int, Value]]:
    """Yield the number and value of each field of a message.

    Args:
        data: the message.
        label: names it in errors.
        largest: the largest field number that it may have.
        clip: yield what there is of a field that ends after the data.

    Raises:
        SourceError: anything that is no message.
    """
    cursor, count = Cursor(data), 0
    while cursor.position < len(data):
        count += 1
        tag = varint(cursor, label)
        number, wire_type = tag >> 3, tag & 7
        if not 1 <= number <= largest or count > MAX_FIELDS:
            raise SourceError(
                f"{label} has a field number {number} at offset {cursor.position} of {len(data)}: "
                "the file is damaged"
            )
        if wire_type == VARINT:
            yield number, varint(cursor, label)
        elif wire_type == FIXED64:
            yield number, cursor.take(8, label)
        elif wire_type == FIXED32:
            yield number, cursor.take(4, label)
        elif wire_type == BYTES:
            size = varint(cursor, label)
            size = min(size, len(data) - cursor.position) if clip else size
            yield number, cursor.take(size, f"field {number} of {label}")
        else:
            raise SourceError(
                f"{label} has a field of wire type {wire_type} at offset {cursor.position} of "
                f"{len(data)}: the file is damaged"
            )


def varint(cursor: Cursor, label: str) -> int:
    """Read an integer of up to 64 bits, seven to a byte."""
    value = 0
    for index in range(10):
        (byte,) = cursor.take(1, label)
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value
    raise SourceError(
        f"{label} has an integer longer than 10 bytes at offset {cursor.position}: "
        "the file is damaged"
    )
