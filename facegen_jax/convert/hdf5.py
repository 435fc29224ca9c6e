"""HDF5 files, read with bounds checks.

Reads what Keras writes: groups, text attributes and contiguous arrays of numbers, in files with
superblocks 0 to 3, old groups (symbol tables), new groups with few links, and layouts 3 and 4.
Written here because the C library behind h5py crashes or hangs on damaged files.
Format: HDF5 File Format Specification, version 3.0, The HDF Group.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .cursor import Cursor, SourceError, reshape
from .hdf5_messages import (
    ATTRIBUTE,
    DATASPACE,
    DATATYPE,
    FILTERS,
    LAYOUT,
    LINK,
    LINK_INFO,
    SYMBOL_TABLE,
    Message,
    c_string,
    hard_link,
    number_type,
    read_messages,
    shape_of,
    text_attribute,
)

SIGNATURE = b"\x89HDF\r\n\x1a\n"
UNDEFINED = 0xFFFFFFFFFFFFFFFF
"""Address of data that does not exist."""
MAX_ITEMS = 100_000
"""Objects, header messages and attribute strings in a file; Keras writes a few thousand."""
MAX_TREE_DEPTH, MAX_NAME = 8, 256
REMEDY = "copy its arrays into a new file with h5py, or save the weights again with Keras"


class Group(NamedTuple):
    """The members and text attributes of a group, by name."""

    members: dict[str, "Group | np.ndarray"]
    texts: dict[str, list[str]]


def is_hdf5(data: memoryview) -> bool:
    """Return whether the data begins with the signature of HDF5."""
    return bytes(data[:8]) == SIGNATURE


def read_hdf5(data: memoryview) -> Group:
    """Return the root group.

    Raises:
        SourceError: damaged, truncated, or stored in a way that Keras does not use (chunks,
            compression, soft links).
    """
    cursor = Cursor(data, 8)
    version = cursor.unpack("<B", "the HDF5 superblock")[0]
    if version in (0, 1):
        sizes = cursor.at(13).unpack("<2B")
        base = cursor.at(24 + 4 * version).unpack("<Q")[0]
        root = cursor.at(24 + 4 * version + 40).unpack("<Q", "the root group")[0]
    elif version in (2, 3):
        sizes = cursor.unpack("<2B")
        base, root = cursor.at(12).unpack("<Q")[0], cursor.at(36).unpack("<Q", "the root group")[0]
    else:
        raise SourceError(
            f"HDF5 superblock of version {version}, expected 0 to 3: the file is damaged"
        )
    if sizes != (8, 8) or base:
        raise SourceError(
            f"HDF5 with offsets and lengths of {sizes} bytes and base address {base}, "
            f"expected (8, 8) and 0; {REMEDY}"
        )
    group = _Reader(data).object(root, "/")
    if not isinstance(group, Group):
        raise SourceError("an HDF5 file whose root is not a group: the file is damaged")
    return group


class _Reader:
    """The objects of a file by address, and a counter that limits what a hostile file can allocate.

    Objects are cached because several names can link to the same one.
    """

    def __init__(self, data: memoryview):
        self.file, self.objects, self.items = Cursor(data), {}, 0

    def object(self, address: int, path: str) -> Group | np.ndarray | None:
        """Return a group or an array of numbers; None for anything else."""
        if address in self.objects:
            return self.objects[address]
        self.objects[address] = None  # a group that contains itself sees None there
        messages = []
        for message in read_messages(self.file, address, path):
            self.count(1, path)
            messages += [message] if len(message[1].data) else []
        contents = {kind: content for kind, content in messages if kind != ATTRIBUTE}
        if {DATATYPE, DATASPACE, LAYOUT} <= contents.keys():
            result = self.array(contents, path)
        else:
            members = {}
            for name, child in self.links(messages, path):
                member = self.object(child, f"{path}{name}/")
                if member is not None:
                    members[name] = member
            result = Group(members, self.texts(messages, path))
        self.objects[address] = result
        return result

    def count(self, items: int, path: str) -> None:
        self.items += items
        if self.items > MAX_ITEMS:
            raise SourceError(f"{path}: more than {MAX_ITEMS} objects: not a network")

    def texts(self, messages: list[Message], path: str) -> dict[str, list[str]]:
        """Return the text attributes of a group."""
        attributes = [text_attribute(content) for kind, content in messages if kind == ATTRIBUTE]
        texts = dict(attribute for attribute in attributes if attribute)
        self.count(sum(map(len, texts.values())), path)
        return texts

    def links(self, messages: list[Message], path: str) -> Iterator[tuple[str, int]]:
        """Yield the name and address of each member of a group."""
        for kind, content in messages:
            if kind == SYMBOL_TABLE:
                tree, heap = content.unpack("<QQ", path)
                yield from self.tree_links(tree, self.heap(heap, path), path, 0)
            elif kind == LINK:
                yield from hard_link(content, path)
            elif kind == LINK_INFO:
                flags = content.unpack("<BB", path)[1]
                content.take(8 if flags & 1 else 0, path)
                if content.unpack("<Q", path)[0] != UNDEFINED:
                    raise SourceError(
                        f"{path}: an HDF5 group with dense link storage, which Keras does not "
                        f"write; {REMEDY}"
                    )

    def heap(self, address: int, path: str) -> memoryview:
        """Return the heap of an old group: its members' names, each terminated by a zero."""
        signature, size, _, position = self.file.at(address, path).unpack("<8sQQQ", path)
        if signature[:4] != b"HEAP":
            raise SourceError(f"{path}: no name heap at offset {address}: the file is damaged")
        return self.file.at(position, path).take(size, path)

    def tree_links(
        self, address: int, names: memoryview, path: str, depth: int
    ) -> Iterator[tuple[str, int]]:
        """Walk the version 1 B-tree of an old group down to its symbol nodes."""
        cursor = self.file.at(address, path)
        signature = bytes(cursor.take(4, path))
        if signature == b"SNOD":
            for _ in range(cursor.unpack("<BBH", path)[2]):
                start, child, _, _ = cursor.unpack("<QQQ16s", path)
                yield c_string(names[start : start + MAX_NAME]), child
            return
        if signature != b"TREE" or depth > MAX_TREE_DEPTH:
            raise SourceError(f"{path}: no B-tree node at offset {address}: the file is damaged")
        _, _, count, _, _ = cursor.unpack("<BBHQQ", path)
        for _ in range(count):
            _, child = cursor.unpack("<QQ", path)
            self.count(1, path)
            yield from self.tree_links(child, names, path, depth + 1)

    def array(self, messages: dict[int, Cursor], path: str) -> np.ndarray | None:
        """Return a contiguous or compact array as a view of the file; None if not of numbers."""
        dtype, shape = number_type(messages[DATATYPE]), shape_of(messages[DATASPACE], path)
        if dtype is None:
            return None
        layout = messages[LAYOUT]
        version, kind = layout.unpack("<BB", path)
        if version not in (3, 4) or kind not in (0, 1) or FILTERS in messages:
            raise SourceError(
                f"{path}: a chunked or compressed HDF5 array, which Keras does not write; {REMEDY}"
            )
        count = math.prod(shape)
        if kind == 0:
            content = Cursor(layout.take(layout.unpack("<H", path)[0], path))
        else:
            address, _ = layout.unpack("<QQ", path)
            empty = address == UNDEFINED and not count
            content = self.file.at(0 if empty else address, path)
        return reshape(content.array(dtype, count, f"{path} of shape {shape}"), shape, path)
