"""HDF5, read with bounds checks: groups, text attributes and contiguous arrays of numbers, which is what Keras writes.

Ours rather than h5py, whose C library crashes or hangs on damaged files. Format: HDF5 File Format Specification, version 3.0, The HDF
Group. Superblocks 0 to 3, old groups (symbol tables) and new ones with few links, layouts 3 and 4.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .cursor import Cursor, SourceError, shaped

SIGNATURE = b"\x89HDF\r\n\x1a\n"
UNDEFINED = 0xFFFFFFFFFFFFFFFF
DATASPACE, LINK_INFO, DATATYPE, LINK, LAYOUT, FILTERS, ATTRIBUTE, CONTINUATION, SYMBOL_TABLE = (
    1,
    2,
    3,
    6,
    8,
    11,
    12,
    16,
    17,
)
MAX_OBJECTS, MAX_TEXTS = 100_000, 10_000
"""Objects and header messages in a file, strings in an attribute; Keras writes a few thousand."""
REMEDY = "copy its arrays into a new file with h5py, or save the weights again with Keras"


class Group(NamedTuple):
    """Members and text attributes of a group, by name."""

    members: dict[str, "Group | np.ndarray"]
    texts: dict[str, list[str]]


def is_hdf5(data: memoryview) -> bool:
    """Whether the file has the signature of HDF5 at its beginning."""
    return bytes(data[:8]) == SIGNATURE


def read_hdf5(data: memoryview) -> Group:
    """The root group.

    Raises:
        SourceError: damaged, cut short, or stored in a way that Keras does not use (chunks, compression, soft links).
    """
    cursor = Cursor(data, 8)
    version = cursor.unpack("<B", "the superblock")[0]
    if version in (0, 1):
        cursor = cursor.at(13, "the superblock")
        sizes = cursor.unpack("<2B")
        base, root = (
            cursor.at(24 + 4 * version).unpack("<Q")[0],
            cursor.at(24 + 4 * version + 40).unpack("<Q", "the root group")[0],
        )
    elif version in (2, 3):
        sizes = cursor.unpack("<2B")
        base, root = cursor.at(12).unpack("<Q")[0], cursor.at(36).unpack("<Q", "the root group")[0]
    else:
        raise SourceError(
            f"HDF5 superblock of version {version}, expected 0 to 3: the file is damaged"
        )
    if sizes != (8, 8) or base:
        raise SourceError(
            f"HDF5 with addresses of {sizes} bytes from {base}, expected (8, 8) from 0; {REMEDY}"
        )
    found = _Reader(data).object(root, "/")
    if not isinstance(found, Group):
        raise SourceError("an HDF5 file whose root is no group: it is damaged")
    return found


class _Reader:
    """The file, its objects so far (many names may lead to one), and a count that bounds what a hostile file can ask for."""

    def __init__(self, data: memoryview):
        self.data, self.known, self.count = data, {}, 0

    def object(self, address: int, path: str) -> Group | np.ndarray | None:
        """A group or an array of numbers; None for anything else."""
        if address in self.known:
            return self.known[address]
        self.known[address] = None  # a group inside itself finds nothing there
        messages = []
        for message in self.messages(address, path):
            self.tick(path)
            messages += [message] if len(message[1].data) else []
        kinds = {kind: content for kind, content in messages if kind != ATTRIBUTE}
        if DATATYPE in kinds and DATASPACE in kinds and LAYOUT in kinds:
            found = self.array(kinds, path)
        else:
            members = {}
            for name, child in self.links(messages, path):
                member = self.object(child, f"{path}{name}/")
                if member is not None:
                    members[name] = member
            texts = dict(
                text
                for kind, content in messages
                if kind == ATTRIBUTE and (text := _text_attribute(content))
            )
            self.tick(path, sum(map(len, texts.values())))
            found = Group(members, texts)
        self.known[address] = found
        return found

    def tick(self, path: str, count: int = 1) -> None:
        self.count += count
        if self.count > MAX_OBJECTS:
            raise SourceError(f"{path}: more than {MAX_OBJECTS} objects: not a network")

    def messages(self, address: int, path: str) -> Iterator[tuple[int, Cursor]]:
        """Type and content of the header messages of an object, either version."""
        cursor = Cursor(self.data).at(address, path)
        if bytes(cursor.data[address : address + 4]) == b"OHDR":
            yield from self.new_messages(cursor, path)
            return
        version, _, total, _, size, _ = cursor.unpack("<BBHIII", path)
        if version != 1:
            raise SourceError(
                f"{path}: object header of version {version} at {address}, expected 1 or 2: the file is damaged"
            )
        blocks = [Cursor(cursor.take(size, path))]
        while blocks and total > 0:
            block = blocks.pop(0)
            while total > 0 and block.position + 8 <= len(block.data):
                kind, length, _ = block.unpack("<HHI", path)
                content, total = Cursor(block.take(length, path)), total - 1
                if kind == CONTINUATION:
                    position, length = content.unpack("<QQ", path)
                    blocks.append(Cursor(Cursor(self.data).at(position, path).take(length, path)))
                yield kind, content

    def new_messages(self, cursor: Cursor, path: str) -> Iterator[tuple[int, Cursor]]:
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
                    inner = Cursor(Cursor(self.data).at(position, path).take(length, path))
                    blocks.append(
                        Cursor(inner.data[4 : max(4, length - 4)])
                    )  # between signature and checksum
                yield kind, content

    def links(self, messages: list[tuple[int, Cursor]], path: str) -> Iterator[tuple[str, int]]:
        """Name and address of each member of a group."""
        for kind, content in messages:
            if kind == SYMBOL_TABLE:
                tree, heap = content.unpack("<QQ", path)
                yield from self.old_links(tree, self.heap(heap, path), path, 0)
            elif kind == LINK:
                yield from _link(content, path)
            elif kind == LINK_INFO:
                flags = content.unpack("<BB", path)[1]
                content.take(8 if flags & 1 else 0, path)
                if content.unpack("<Q", path)[0] != UNDEFINED:
                    raise SourceError(
                        f"{path}: an HDF5 group of the dense kind, which Keras does not write; {REMEDY}"
                    )

    def heap(self, address: int, path: str) -> memoryview:
        """The names of an old group's members, each ended by a zero."""
        signature, size, _, position = Cursor(self.data).at(address, path).unpack("<8sQQQ", path)
        if signature[:4] != b"HEAP":
            raise SourceError(f"{path}: no list of names at {address}: the file is damaged")
        return Cursor(self.data).at(position, path).take(size, path)

    def old_links(
        self, address: int, names: memoryview, path: str, depth: int
    ) -> Iterator[tuple[str, int]]:
        """Walk a version 1 B-tree of symbol nodes."""
        cursor = Cursor(self.data).at(address, path)
        signature = bytes(cursor.take(4, path))
        if signature == b"SNOD":
            count = cursor.unpack("<BBH", path)[2]
            for _ in range(count):
                place, child, _, _ = cursor.unpack("<QQQ16s", path)
                yield (
                    bytes(names[place : place + 256]).split(b"\0")[0].decode("utf-8", "replace"),
                    child,
                )
            return
        if signature != b"TREE" or depth > 8:
            raise SourceError(f"{path}: no table of members at {address}: the file is damaged")
        _, _, count, _, _ = cursor.unpack("<BBHQQ", path)
        for _ in range(count):
            _, child = cursor.unpack("<QQ", path)
            self.tick(path)
            yield from self.old_links(child, names, path, depth + 1)

    def array(self, kinds: dict[int, Cursor], path: str) -> np.ndarray | None:
        """A contiguous or compact array, as a view of the file."""
        dtype, shape = _dtype(kinds[DATATYPE]), _shape(kinds[DATASPACE], path)
        if dtype is None:
            return None
        version, kind = kinds[LAYOUT].unpack("<BB", path)
        if version not in (3, 4) or kind not in (0, 1) or FILTERS in kinds:
            raise SourceError(
                f"{path}: an HDF5 array in chunks or compressed, which Keras does not write; {REMEDY}"
            )
        count = math.prod(shape)
        if kind == 0:
            content = Cursor(kinds[LAYOUT].take(kinds[LAYOUT].unpack("<H", path)[0], path))
        else:
            address, _ = kinds[LAYOUT].unpack("<QQ", path)
            content = Cursor(self.data).at(
                0 if address == UNDEFINED and not count else address, path
            )
        return shaped(content.array(dtype, count, f"{path} of shape {shape}"), shape, path)


def _dtype(cursor: Cursor) -> np.dtype | None:
    """Plain numbers as NumPy's type; None for anything else."""
    first, bits, _, _, size = cursor.unpack("<BBBBI", "a data type")
    order = ">" if bits & 1 else "<"
    name = {0: "i" if bits & 8 else "u", 1: "f"}.get(first & 15)
    known = size in (2, 4, 8) if name == "f" else size in (1, 2, 4, 8)
    return np.dtype(f"{order}{name}{size}") if name and known else None


def _shape(cursor: Cursor, path: str) -> tuple[int, ...]:
    version, axes, _ = cursor.unpack("<BBB", path)
    if version not in (1, 2) or axes > 32:
        raise SourceError(
            f"{path}: a shape of version {version} with {axes} axes: the file is damaged"
        )
    cursor.take(5 if version == 1 else 1, path)
    return cursor.unpack(f"<{axes}Q", path)


def _link(cursor: Cursor, path: str) -> Iterator[tuple[str, int]]:
    """A link message of a new group; soft and external links are left out."""
    _, flags = cursor.unpack("<BB", path)
    kind = cursor.unpack("<B", path)[0] if flags & 8 else 0
    cursor.take((8 if flags & 4 else 0) + (1 if flags & 16 else 0), path)
    name = bytes(cursor.take(cursor.unpack("<" + "BHIQ"[flags & 3], path)[0], path)).decode(
        "utf-8", "replace"
    )
    if kind == 0:
        yield name, cursor.unpack("<Q", path)[0]


def _text_attribute(cursor: Cursor) -> tuple[str, list[str]] | None:
    """Name and strings of an attribute of fixed-length text; None for other kinds, which nothing here needs."""
    version, _, name_size, type_size, space_size = cursor.unpack("<BBHHH", "an attribute")
    cursor.take(1 if version == 3 else 0)
    padding = 8 if version == 1 else 1
    name = (
        bytes(cursor.take(name_size + -name_size % padding, "an attribute"))
        .split(b"\0")[0]
        .decode("utf-8", "replace")
    )
    datatype = Cursor(cursor.take(type_size + -type_size % padding, name))
    space = Cursor(cursor.take(space_size + -space_size % padding, name))
    first, _, _, _, size = datatype.unpack("<BBBBI", name)
    if first & 15 != 3 or not size:
        return None
    count = math.prod(_shape(space, name))
    if count > MAX_TEXTS:
        raise SourceError(f"attribute {name!r} of {count} strings: not a network")
    text = bytes(cursor.take(count * size, name))
    return name, [
        text[start : start + size].split(b"\0")[0].decode("utf-8", "replace")
        for start in range(0, len(text), size)
    ]
