"""Zip archives in memory: members by name, as views where they are stored plainly.

Ours rather than `zipfile`, which takes ten times a hostile directory's size in memory, and copies what it reads.
Format: PKWARE's .ZIP File Format Specification, with the 64-bit records that torch.save writes.
"""

from typing import NamedTuple

from .cursor import GROWTH, SMALL, Cursor, SourceError, inflate

STORED, DEFLATED = 0, 8
MAX_MEMBERS = 10_000
_LONG = 0xFFFFFFFF
"""Stands in a 32-bit field whose value is in a 64-bit one."""


class Member(NamedTuple):
    """One entry of the directory."""

    method: int
    packed: int
    """Bytes in the archive."""
    size: int
    """Bytes unpacked."""
    offset: int


def is_zip(data: memoryview) -> bool:
    """Whether the file begins with a zip archive's first member."""
    return bytes(data[:4]) == b"PK\3\4"


class Zip:
    """An archive whose members are read within bounds; together they may unpack to no more than `GROWTH` times its size."""

    def __init__(self, data: memoryview):
        self.data, self.room = data, max(SMALL, GROWTH * len(data))
        self.members = _directory(Cursor(data))

    def read(self, name: str) -> memoryview:
        """The content of a member."""
        if name not in self.members:
            raise SourceError(
                f"no {name} in the zip container, which holds {', '.join(list(self.members)[:5])}"
            )
        member = self.members[name]
        cursor = Cursor(self.data).at(member.offset, name)
        signature, _, name_size, extra_size = cursor.unpack("<4s22sHH", name)
        if signature != b"PK\3\4":
            raise SourceError(f"{name}: no header at {member.offset}: the file is damaged")
        cursor.take(name_size + extra_size, name)
        content = cursor.take(member.packed, name)
        if member.method == STORED:
            return content
        if member.method != DEFLATED:
            raise SourceError(f"{name} is compressed in a way that neither NumPy nor PyTorch uses")
        self.room -= member.size
        if self.room < 0:
            raise SourceError(
                f"unpacks to more than {GROWTH} times its size, which no network of float weights does"
            )
        return inflate(content, member.size, name, headless=True)


def _directory(cursor: Cursor) -> dict[str, Member]:
    """The members by name, from the directory at the end of the archive."""
    tail = max(0, len(cursor.data) - (1 << 16) - 22)
    end = bytes(cursor.data[tail:]).rfind(b"PK\5\6")
    if end < 0:
        raise SourceError(
            "not a readable zip container (no directory at its end): the file is damaged or cut short"
        )
    count, offset = cursor.at(tail + end + 10).unpack("<H4xI", "the end of the zip directory")
    locator = tail + end - 20
    if locator >= 0 and bytes(cursor.data[locator : locator + 4]) == b"PK\6\7":
        record = cursor.at(cursor.at(locator + 8).unpack("<Q")[0], "the zip directory")
        count, offset = record.at(record.position + 32, "the zip directory").unpack(
            "<Q8xQ", "the zip directory"
        )
    if count > MAX_MEMBERS:
        raise SourceError(f"a zip container of {count} files, expected fewer than {MAX_MEMBERS}")
    cursor, members = cursor.at(offset, "the zip directory"), {}
    for _ in range(count):
        name, member = _entry(cursor)
        members[name] = member
    return members


def _entry(cursor: Cursor) -> tuple[str, Member]:
    signature, method, packed, size, *lengths, offset = cursor.unpack(
        "<4s6xH8xIIHHH8xI", "the zip directory"
    )
    if signature != b"PK\1\2":
        raise SourceError(
            f"no entry of the zip directory at {cursor.position - 46}: the file is damaged"
        )
    name = bytes(cursor.take(lengths[0], "a name in the zip directory")).decode("utf-8", "replace")
    extra = Cursor(cursor.take(lengths[1], name))
    cursor.take(lengths[2], name)
    while extra.position + 4 <= len(extra.data) and _LONG in (size, packed, offset):
        kind, length = extra.unpack("<HH", name)
        field = Cursor(extra.take(length, name))
        if kind == 1:  # the 64-bit values of those that are too long, in this order
            size, packed, offset = (
                field.unpack("<Q", name)[0] if value == _LONG else value
                for value in (size, packed, offset)
            )
    return name, Member(method, packed, size, offset)
