"""A foreign file opened: mapped, or its network unpacked from a tarball into memory, with hashes."""

import hashlib
import mmap
import os
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from .cursor import BLOCK, GROWTH, SMALL, SourceError, room

MEMBER_ENDINGS = (".mat", ".t7", ".caffemodel", ".pth", ".pt", ".ptorch", ".h5", ".npz", ".safetensors")
"""Files of a tarball that can be a network."""
NAMES_ENDING = "names.txt"
MAX_MEMBERS = 1000


class Content(NamedTuple):
    """What a file holds, after opening."""

    data: memoryview
    name: str
    """Of the file, or of the member of a tarball."""
    sha256: str
    md5: str
    names: tuple[str, ...]
    """Class names that lay beside the network in a tarball; else empty."""


def open_content(path: Path) -> Content:
    """Map a file, or unpack the network of a tarball into memory, with its hashes.

    The mapping is never closed by hand, for arrays may still look at it: it goes with the last of them.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise SourceError("the file is empty")
            sha256, md5 = _hashes(file)
            if _is_tarball(file):
                data, name, names = _from_tarball(file)
                return Content(data, f"{path.name}: {name}", sha256, md5, names)
            return Content(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)), path.name, sha256, md5, ())
    except FileNotFoundError:
        raise SourceError("no such file") from None
    except IsADirectoryError:
        raise SourceError("is a folder; give the file of the network itself") from None


def _hashes(file: BinaryIO) -> tuple[str, str]:
    """SHA-256 and MD5, in blocks so that the file does not fill the memory."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    file.seek(0)
    while block := file.read(BLOCK):
        sha256.update(block)
        md5.update(block)
    return sha256.hexdigest(), md5.hexdigest()


def _is_tarball(file: BinaryIO) -> bool:
    file.seek(0)
    head = file.read(512)
    return head[:2] == b"\x1f\x8b" or head[257:262] == b"ustar"


class _Limited:
    """A file that gives no more than `limit` bytes once unpacked; what `tarfile` reads headers and members from."""

    def __init__(self, file: BinaryIO, limit: int):
        self.file, self.left, self.packed = file, limit, zlib.decompressobj(31)
        file.seek(0)
        self.plain = file.read(2) != b"\x1f\x8b"
        file.seek(0)

    def read(self, count: int) -> bytes:
        """Up to `count` unpacked bytes; fewer only at the end."""
        pieces: list[bytes] = []
        while count > 0 and (piece := self._piece(count)):
            pieces.append(piece)
            count -= len(piece)
            self.left -= len(piece)
            if self.left < 0:
                raise SourceError(f"unpacks to more than {GROWTH} times its size, which no network of float weights does")
        return b"".join(pieces)

    def _piece(self, count: int) -> bytes:
        if self.plain:
            return self.file.read(count)
        while not self.packed.eof:
            block = self.packed.unconsumed_tail or self.file.read(BLOCK)
            if piece := self.packed.decompress(block, count):
                return piece
            if not block:
                raise SourceError("the compressed data end early: the file is cut short")
        return b""


def _from_tarball(file: BinaryIO) -> tuple[memoryview, str, tuple[str, ...]]:
    """The largest member that can be a network, its name, and the class names beside it; nothing is written to disk."""
    size = os.fstat(file.fileno()).st_size
    limit = max(SMALL, GROWTH * size)
    data, name, names = memoryview(b""), "", ()
    try:
        with tarfile.open(fileobj=_Limited(file, limit), mode="r|", errorlevel=2) as archive:  # pyright: ignore[reportArgumentType, reportCallIssue]
            for count, member in enumerate(archive):
                if count > MAX_MEMBERS:
                    raise SourceError(f"a tarball of more than {MAX_MEMBERS} files: not one of a network")
                content = archive.extractfile(member) if member.isreg() and member.size <= limit else None
                if content is None:
                    continue
                if member.name.endswith(NAMES_ENDING) and member.size <= SMALL:
                    names = class_names(content.read())
                elif member.name.endswith(MEMBER_ENDINGS) and member.size > len(data):
                    name, data = member.name, room(member.size)
                    _fill(data, content.read, name)
    except (tarfile.TarError, zlib.error, EOFError, OSError, UnicodeError, OverflowError) as error:
        raise SourceError(f"not a readable tarball ({error})") from None
    if not name:
        raise SourceError(f"a tarball without a network in it; looked for files named *{', *'.join(MEMBER_ENDINGS)}")
    return data.toreadonly(), name, names


def _fill(room: memoryview, read: Callable[[int], bytes], name: str) -> None:
    filled = 0
    while filled < len(room):
        block = read(min(BLOCK, len(room) - filled))
        if not block:
            raise SourceError(f"{name} ends after {filled} of {len(room)} bytes: the tarball is cut short")
        room[filled : filled + len(block)] = block
        filled += len(block)


def class_names(content: bytes) -> tuple[str, ...]:
    """Lines of a names file, in order."""
    return tuple(line.strip() for line in content.decode("utf-8", "replace").splitlines() if line.strip())
