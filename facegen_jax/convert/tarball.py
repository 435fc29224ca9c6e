"""A network out of a tarball, plain or gzipped, unpacked into memory only.

Ours rather than `tarfile`, which keeps an object for every member and headers of any length: a hostile file would fill the memory.
Format: POSIX ustar, with the long names of GNU (`L`) and pax (`x`).
"""

import re
import zlib
from typing import BinaryIO, NamedTuple

from .cursor import BLOCK, GROWTH, SMALL, SourceError, room

MEMBER_ENDINGS = (
    ".mat",
    ".t7",
    ".caffemodel",
    ".pth",
    ".pt",
    ".ptorch",
    ".h5",
    ".npz",
    ".safetensors",
)
"""Files of a tarball that can be a network."""
NAMES_ENDING = "names.txt"
MAX_NAME, MAX_NAMES = 1 << 16, 1 << 20


class Found(NamedTuple):
    """What was in the tarball."""

    data: memoryview
    name: str
    names: bytes
    """A file of class names beside the network, or nothing."""


def is_tarball(head: bytes) -> bool:
    """Whether a file's first 512 bytes are those of a tarball or of gzip."""
    return head[:2] == b"\x1f\x8b" or head[257:262] == b"ustar"


def read_tarball(file: BinaryIO, size: int) -> Found:
    """The largest member that can be a network, and the class names beside it.

    Raises:
        SourceError: damaged, cut short, without a network, or of more than `GROWTH` times its size when unpacked.
    """
    limit = max(SMALL, GROWTH * size)
    stream, found, long_name = _Unpacked(file, limit), Found(memoryview(b""), "", b""), None
    while any(header := stream.take(512, exact=False)):
        name, kind, length = _header(header)
        name, long_name = long_name or name, None
        if length > limit:
            raise SourceError(
                f"{name} unpacks to {length} bytes, more than {GROWTH} times the tarball: not a network"
            )
        if kind in "Lx" and length <= MAX_NAME:
            long_name = _long_name(kind, stream.take(length))
        elif kind in "0\0" and name.endswith(NAMES_ENDING) and length <= MAX_NAMES:
            found = found._replace(names=stream.take(length))
        elif kind in "0\0" and name.endswith(MEMBER_ENDINGS) and length > len(found.data):
            found = found._replace(name=name, data=room(length))
            stream.into(found.data)
        else:
            stream.skip(length)
        stream.skip(-length % 512)
    if not found.name:
        raise SourceError(
            f"a tarball without a network in it; looked for files named *{', *'.join(MEMBER_ENDINGS)}"
        )
    return found._replace(data=found.data.toreadonly())


def _header(header: bytes) -> tuple[str, str, int]:
    """Name, type and length of a member."""
    stated, own = header[148:156].strip(b"\0 "), sum(header) - sum(header[148:156]) + 8 * 32
    digits = header[124:136].strip(b"\0 ")
    if (
        len(header) < 512
        or not re.fullmatch(b"[0-7]+", stated)
        or int(stated, 8) != own
        or not re.fullmatch(b"[0-7]*", digits)
    ):
        raise SourceError("not a readable tarball: a member's header is damaged")
    name, prefix = (
        field.split(b"\0")[0].decode("utf-8", "replace")
        for field in (header[:100], header[345:500])
    )
    # GNU keeps times where POSIX has the prefix.
    return (
        (f"{prefix}/{name}" if prefix and header[257:263] == b"ustar\0" else name),
        chr(header[156]),
        int(digits or b"0", 8),
    )


def _long_name(kind: str, content: bytes) -> str | None:
    if kind == "L":
        return content.split(b"\0")[0].decode("utf-8", "replace")
    path = re.search(rb"(?:^|\n)[0-9]+ path=([^\n]*)\n", content)
    return path[1].decode("utf-8", "replace") if path else None


class _Unpacked:
    """The bytes of a file, unpacked if it is gzipped, and no more of them than `limit`."""

    def __init__(self, file: BinaryIO, limit: int):
        self.file, self.left, self.packed = file, limit, zlib.decompressobj(31)
        file.seek(0)
        self.plain = file.read(2) != b"\x1f\x8b"
        file.seek(0)

    def into(self, target: memoryview) -> None:
        """Fill all of `target`."""
        filled = 0
        while filled < len(target):
            piece = self.piece(min(BLOCK, len(target) - filled))
            if not piece:
                raise SourceError("the tarball ends in the middle of a file: it is cut short")
            target[filled : filled + len(piece)] = piece
            filled += len(piece)

    def take(self, count: int, exact: bool = True) -> bytes:
        """The next `count` bytes; fewer at the end only if that is all right."""
        pieces: list[bytes] = []
        while count > 0 and (piece := self.piece(count)):
            pieces.append(piece)
            count -= len(piece)
        if count and exact:
            raise SourceError("the tarball ends in the middle of a file: it is cut short")
        return b"".join(pieces)

    def skip(self, count: int) -> None:
        """Pass over bytes; the end may come early, for the padding of the last member can be missing."""
        while count > 0 and (piece := self.piece(min(BLOCK, count))):
            count -= len(piece)

    def piece(self, count: int) -> bytes:
        """At most `count` of the next bytes; none at the end."""
        piece = self.file.read(count) if self.plain else self._inflated(count)
        self.left -= len(piece)
        if self.left < 0:
            raise SourceError(
                f"unpacks to more than {GROWTH} times its size, which no network of float weights does"
            )
        return piece

    def _inflated(self, count: int) -> bytes:
        try:
            while not self.packed.eof:
                block = self.packed.unconsumed_tail or self.file.read(BLOCK)
                if piece := self.packed.decompress(block, count):
                    return piece
                if not block:
                    raise SourceError("the compressed data end early: the file is cut short")
        except zlib.error as error:
            raise SourceError(f"damaged compressed data ({error})") from None
        return b""
