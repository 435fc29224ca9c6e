"""Zip archives in memory; members stored without compression are returned as views.

Written here because `zipfile` needs ten times the memory of a hostile directory, and copies the
members it reads.
Format: PKWARE's .ZIP File Format Specification, with the 64-bit records that torch.save writes.
"""

from typing import NamedTuple

from .cursor import TOO_LARGE, Cursor, SourceError, inflate, unpacked_limit

STORED, DEFLATED = 0, 8
MAX_MEMBERS = 10_000
_IN_64_BIT_RECORD = 0xFFFFFFFF
"""Value of a 32-bit field whose real value is in the 64-bit record."""


class Member(NamedTuple):
    """An entry of the archive's directory."""

    method: int
    packed: int
    """Size in the archive, in bytes."""
    size: int
    """Size when unpacked, in bytes."""
    offset: int


def is_zip(data: memoryview) -> bool:
    """Return whether the data begins with the first member of a zip archive."""
    return bytes(data[:4]) == b"PK\3\4"


class Zip:
    """A zip archive whose members together may not unpack to more than `unpacked_limit`."""

    def __init__(self, data: memoryview):
        self.data, self.left = data, unpacked_limit(len(data))
        self.members = _directory(Cursor(data))

    def read(self, name: str) -> memoryview:
        """Return the content of a member."""
        if name not in self.members:
            raise SourceError(
                f"no {name} in the zip container, which holds {', '.join(list(self.members)[:5])}"
            )
        member = self.members[name]
        cursor = Cursor(self.data).at(member.offset, name)
        signature, _, name_size, extra_size = cursor.unpack("<4s22sHH", name)
        if signature != b"PK\3\4":
            raise SourceError(f"{name}: no header at offset {member.offset}: the file is damaged")
        cursor.take(name_size + extra_size, name)
        content = cursor.take(member.packed, name)
        if member.method == STORED:
            return content
        if member.method != DEFLATED:
            raise SourceError(
                f"{name} uses compression method {member.method}, expected stored or deflate; "
                "save the file again with NumPy or PyTorch"
            )
        self.left -= member.size
        if self.left < 0:
            raise SourceError(TOO_LARGE)
        return inflate(content, member.size, name, raw=True)


def _directory(cursor: Cursor) -> dict[str, Member]:
    """Read the members by name from the directory at the end of the archive."""
    label = "the zip directory"
    tail = max(0, len(cursor.data) - (1 << 16) - 22)
    end = bytes(cursor.data[tail:]).rfind(b"PK\5\6")
    if end < 0:
        raise SourceError(
            "not a readable zip container (no directory at its end): "
            "the file is damaged or truncated"
        )
    count, offset = cursor.at(tail + end + 10).unpack("<H4xI", "the end of the zip directory")
    locator = tail + end - 20
    if locator >= 0 and bytes(cursor.data[locator : locator + 4]) == b"PK\6\7":
        record = cursor.at(cursor.at(locator + 8).unpack("<Q")[0], label)
        count, offset = record.at(record.position + 32, label).unpack("<Q8xQ", label)
    if count > MAX_MEMBERS:
        raise SourceError(f"a zip container of {count} files, expected at most {MAX_MEMBERS}")
    cursor, members = cursor.at(offset, label), {}
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
            f"no entry of the zip directory at offset {cursor.position - 46}: the file is damaged"
        )
    name = bytes(cursor.take(lengths[0], "a name in the zip directory")).decode("utf-8", "replace")
    extra = Cursor(cursor.take(lengths[1], name))
    cursor.take(lengths[2], name)
    while extra.position + 4 <= len(extra.data) and _IN_64_BIT_RECORD in (size, packed, offset):
        kind, length = extra.unpack("<HH", name)
        field = Cursor(extra.take(length, name))
        if kind == 1:  # the 64-bit record: only the overflowing values, in this order
            size, packed, offset = (
                field.unpack("<Q", name)[0] if value == _IN_64_BIT_RECORD else value
                for value in (size, packed, offset)
            )
    return name, Member(method, packed, size, offset)
