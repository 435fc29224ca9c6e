"""HDF5 header messages: data types, shapes, links and text attributes.

An HDF5 object (a group or an array) is described by a list of typed messages in its header.
Format: HDF5 File Format Specification, version 3.0, The HDF Group, section IV.A.
"""

import math
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from .cursor import Cursor, SourceError

DATASPACE, LINK_INFO, DATATYPE, LINK = 1, 2, 3, 6
LAYOUT, FILTERS, ATTRIBUTE, CONTINUATION, SYMBOL_TABLE = 8, 11, 12, 16, 17
MAX_STRINGS = 10_000
"""Limit for one attribute; Keras writes a few dozen."""
Message: TypeAlias = tuple[int, Cursor]
"""Type and content of a header message."""


def read_messages(file: Cursor, address: int, path: str) -> Iterator[Message]:
    """Yield the header messages of the object at an address, for either header version."""
    cursor = file.at(address, path)
    if bytes(cursor.data[address : address + 4]) == b"OHDR":
        yield from _version_2(cursor, path)
        return
    version, _, total, _, size, _ = cursor.unpack("<BBHIII", path)
    if version != 1:
        raise SourceError(
            f"{path}: object header of version {version} at offset {address}, expected 1 or 2: "
            "the file is damaged"
        )
    blocks = [Cursor(cursor.take(size, path))]
    while blocks and total > 0:
        block = blocks.pop(0)
        while total > 0 and block.position + 8 <= len(block.data):
            kind, length, _ = block.unpack("<HHI", path)
            content, total = Cursor(block.take(length, path)), total - 1
            if kind == CONTINUATION:
                position, length = content.unpack("<QQ", path)
                blocks.append(Cursor(file.at(position, path).take(length, path)))
            yield kind, content


def _version_2(cursor: Cursor, path: str) -> Iterator[Message]:
    _, _, flags = cursor.unpack("<IBB", path)
    cursor.take((16 if flags & 32 else 0) + (4 if flags & 16 else 0), path)
    size = cursor.unpack("<" + "BHIQ"[flags & 3], path)[0]
    blocks = [Cursor(cursor.take(size, path))]
    while blocks:
        block = blocks.pop(0)
        while block.position + 4 <= len(block.data):
            kind, length, _ = block.unpack("<BHB", path)
            block.take(2 if flags & 4 else 0, path)
            content = Cursor(block.take(length, path))
            if kind == CONTINUATION:
                position, length = content.unpack("<QQ", path)
                inner = cursor.at(position, path).take(length, path)
                blocks.append(Cursor(inner[4 : max(4, length - 4)]))  # less signature and checksum
            yield kind, content


def number_type(cursor: Cursor) -> np.dtype | None:
    """Return a data type message as a NumPy dtype; None unless it is a plain number."""
    first, bits, _, _, size = cursor.unpack("<BBBBI", "a data type")
    byte_order = ">" if bits & 1 else "<"
    name = {0: "i" if bits & 8 else "u", 1: "f"}.get(first & 15)
    supported = size in (2, 4, 8) if name == "f" else size in (1, 2, 4, 8)
    return np.dtype(f"{byte_order}{name}{size}") if name and supported else None


def shape_of(cursor: Cursor, path: str) -> tuple[int, ...]:
    """Return the shape in a dataspace message."""
    version, axes, _ = cursor.unpack("<BBB", path)
    if version not in (1, 2) or axes > 32:
        raise SourceError(
            f"{path}: a shape of version {version} with {axes} axes: the file is damaged"
        )
    cursor.take(5 if version == 1 else 1, path)
    return cursor.unpack(f"<{axes}Q", path)


def hard_link(cursor: Cursor, path: str) -> Iterator[tuple[str, int]]:
    """Yield the name and address of a link message; skip soft and external links."""
    _, flags = cursor.unpack("<BB", path)
    kind = cursor.unpack("<B", path)[0] if flags & 8 else 0
    cursor.take((8 if flags & 4 else 0) + (1 if flags & 16 else 0), path)
    length = cursor.unpack("<" + "BHIQ"[flags & 3], path)[0]
    name = bytes(cursor.take(length, path)).decode("utf-8", "replace")
    if kind == 0:
        yield name, cursor.unpack("<Q", path)[0]


def text_attribute(cursor: Cursor) -> tuple[str, list[str]] | None:
    """Return the name and strings of a fixed-length text attribute; None for other kinds."""
    version, _, name_size, type_size, space_size = cursor.unpack("<BBHHH", "an attribute")
    cursor.take(1 if version == 3 else 0)
    padding = 8 if version == 1 else 1
    name = c_string(cursor.take(name_size + -name_size % padding, "an attribute"))
    datatype = Cursor(cursor.take(type_size + -type_size % padding, name))
    space = Cursor(cursor.take(space_size + -space_size % padding, name))
    first, _, _, _, size = datatype.unpack("<BBBBI", name)
    if first & 15 != 3 or not size:
        return None
    count = math.prod(shape_of(space, name))
    if count > MAX_STRINGS:
        raise SourceError(f"attribute {name!r} of {count} strings: not a network")
    text = cursor.take(count * size, name)
    return name, [c_string(text[start : start + size]) for start in range(0, len(text), size)]


def c_string(data: memoryview) -> str:
    """Decode text up to its terminating zero, if it has one."""
    return bytes(data).split(b"\0")[0].decode("utf-8", "replace")
