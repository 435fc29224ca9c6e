"""The bytes of a file that nobody vouches for: mapped or unpacked within bounds, and read through a cursor that never leaves them."""

import hashlib
import mmap
import os
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

MEMBER_ENDINGS = (".mat", ".t7", ".caffemodel", ".pth", ".pt", ".ptorch", ".h5", ".npz", ".safetensors")
"""Files of a tarball that can be a network."""
NAMES_ENDING = "names.txt"
MAX_MEMBERS = 1000
GROWTH = 2
"""How often its own size a compressed file may unpack to: float weights hardly shrink, so more is not a network."""
SMALL = 1 << 20
"""Files below this size may unpack to this size in any case (tiny networks, padding)."""
_BLOCK = 1 << 20


class SourceError(ValueError):
    """A file that is not the network it should be; the message says what was expected, what came, and what to do."""

    def __init__(self, message: str):
        """Names in the message may come from the file: whatever could break the line is left out."""
        super().__init__("".join(letter if letter.isprintable() else "?" for letter in message[:600]))


class Content(NamedTuple):
    """What a file holds, after opening."""

    data: memoryview
    name: str
    """Of the file, or of the member of a tarball."""
    sha256: str
    md5: str
    names: tuple[str, ...]
    """Class names that lay beside the network in a tarball; else empty."""


class Cursor:
    """A position in bytes; every read is checked against their end."""

    def __init__(self, data: memoryview, position: int = 0):
        self.data, self.position = data, position

    def take(self, count: int, what: str = "data") -> memoryview:
        """The next `count` bytes, not copied."""
        if count < 0 or count > len(self.data) - self.position:
            raise SourceError(f"{what} needs {count} bytes at {self.position}, the file ends at {len(self.data)}: it is damaged or cut short")
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
            raise SourceError(f"{what} lies at {position}, the file ends at {len(self.data)}: it is damaged or cut short")
        return Cursor(self.data, position)


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
    while block := file.read(_BLOCK):
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
            block = self.packed.unconsumed_tail or self.file.read(_BLOCK)
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
                    name, data = member.name, _room(member.size)
                    _fill(data, content.read, name)
    except (tarfile.TarError, zlib.error, EOFError, OSError, UnicodeError, OverflowError) as error:
        raise SourceError(f"not a readable tarball ({error})") from None
    if not name:
        raise SourceError(f"a tarball without a network in it; looked for files named *{', *'.join(MEMBER_ENDINGS)}")
    return data.toreadonly(), name, names


def _room(size: int) -> memoryview:
    """Bytes to fill, which take memory only as they are filled."""
    return memoryview(mmap.mmap(-1, size, access=mmap.ACCESS_COPY)) if size else memoryview(bytearray())


def _fill(room: memoryview, read: Callable[[int], bytes], name: str) -> None:
    filled = 0
    while filled < len(room):
        block = read(min(_BLOCK, len(room) - filled))
        if not block:
            raise SourceError(f"{name} ends after {filled} of {len(room)} bytes: the tarball is cut short")
        room[filled : filled + len(block)] = block
        filled += len(block)


def class_names(content: bytes) -> tuple[str, ...]:
    """Lines of a names file, in order."""
    return tuple(line.strip() for line in content.decode("utf-8", "replace").splitlines() if line.strip())


def inflate(packed: memoryview, size: int, what: str, headless: bool = False) -> memoryview:
    """Exactly `size` bytes out of a zlib stream (`headless`: of a zip member), with no more memory than that."""
    if size > max(SMALL, GROWTH * len(packed)):
        raise SourceError(f"{what} unpacks to {size} bytes from {len(packed)}, which no float weights do")
    view, filled, taken, stream = _room(size), 0, 0, zlib.decompressobj(-15 if headless else 15)
    try:
        while filled < size:
            block = stream.unconsumed_tail or packed[taken : taken + _BLOCK]
            taken += 0 if stream.unconsumed_tail else len(block)
            piece = stream.decompress(block, size - filled)
            if not piece and not block:
                raise SourceError(f"{what}: the compressed data end after {filled} of {size} bytes: the file is cut short")
            view[filled : filled + len(piece)] = piece
            filled += len(piece)
            if taken % (64 * _BLOCK) == 0:
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
    start, end = -(-first // mmap.PAGESIZE) * mmap.PAGESIZE, (first + len(consumed)) // mmap.PAGESIZE * mmap.PAGESIZE
    if end > start:
        mapped.madvise(mmap.MADV_DONTNEED, start, end - start)
