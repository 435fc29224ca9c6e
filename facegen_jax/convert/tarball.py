"""The network in a tarball, plain or gzipped, unpacked into memory only.

Written here because `tarfile` keeps an object for every member and accepts headers of any length,
so a hostile file could fill the memory.
Format: POSIX ustar, with the long names of GNU (`L`) and pax (`x`).
"""

import re
import zlib
from typing import BinaryIO, NamedTuple

from .cursor import BLOCK, MAX_GROWTH, TOO_LARGE, SourceError, allocate, unpacked_limit
from .remedies import GZIP

NETWORK_SUFFIXES = (
    ".mat",
    ".t7",
    ".caffemodel",
    ".pth",
    ".pt",
    ".ptorch",
    ".h5",
    ".npz",
    ".safetensors",
    ".msgpack",
)
NAMES_FILE = "names.txt"
MAX_PATH, MAX_NAMES_FILE, SHOWN = 1 << 16, 1 << 20, 8
USTAR = b"ustar"
DAMAGED = "not a readable tarball: a member's header is damaged"
TRUNCATED = "the tarball ends in the middle of a file: it is truncated"


class TarballNetwork(NamedTuple):
    """The network file of a tarball."""

    data: memoryview
    name: str
    names_file: bytes = b""
    """Content of the class names file beside the network; empty if it has none."""
    chosen: bool = False
    """Whether it was asked for by its name."""
    others: tuple[str, ...] = ()
    """Names of the tarball's other files of networks."""


def is_tarball(head: bytes) -> bool:
    """Return whether the first 512 bytes of a file are those of a tarball or of gzip."""
    return head[:2] == b"\x1f\x8b" or head[257:262] == USTAR


def read_tarball(file: BinaryIO, size: int, wanted: str | None = None) -> TarballNetwork:
    """Extract the file of a network, and the class names.

    That is the one called `wanted` if there is one, else by far the largest with such a suffix.

    Raises:
        SourceError: damaged, truncated, without a network, with several of similar size, or larger
            than the limit when unpacked.
    """
    limit = unpacked_limit(size)
    stream, long_name = _UnpackedStream(file, limit), None
    otherwise = DAMAGED if stream.plain else GZIP
    network, found = TarballNetwork(memoryview(b""), ""), {}
    while any(header := stream.take(512, exact=False)):
        name, kind, length = _header(header, otherwise)
        otherwise = DAMAGED
        name, long_name = long_name or name, None
        if length > limit:
            raise SourceError(
                f"{name} unpacks to {length} bytes, more than {MAX_GROWTH} times the tarball: "
                "not a network"
            )
        if kind in "Lx" and length <= MAX_PATH:
            long_name = _long_name(kind, stream.take(length))
        elif kind in "0\0" and name.endswith(NAMES_FILE) and length <= MAX_NAMES_FILE:
            network = network._replace(names_file=stream.take(length))
        elif kind in "0\0" and name.endswith(NETWORK_SUFFIXES) and length:
            found[name] = length
            asked = bool(wanted) and f"/{name}".endswith(f"/{wanted}")
            if asked or (length > len(network.data) and not network.chosen):
                network = network._replace(name=name, data=allocate(length), chosen=asked)
                stream.read_into(network.data)
            else:
                stream.skip(length)
        else:
            stream.skip(length)
        stream.skip(-length % 512)
    return _only(network, found)


def _only(network: TarballNetwork, found: dict[str, int]) -> TarballNetwork:
    """Return the network, unless another file could as well be meant."""
    if not network.name:
        raise SourceError(
            f"a tarball without a network; expected a file named *{', *'.join(NETWORK_SUFFIXES)}"
        )
    similar = [name for name, length in found.items() if 2 * length >= len(network.data)]
    if len(similar) > 1 and not network.chosen:
        shown = ", ".join(similar[:SHOWN])
        raise SourceError(
            f"a tarball of {len(similar)} networks: {shown}; choose one by name, such as "
            f"--network {similar[0].rpartition('/')[2]}"
        )
    others = tuple(name for name in found if name != network.name)
    return network._replace(data=network.data.toreadonly(), others=others)


def _header(header: bytes, otherwise: str) -> tuple[str, str, int]:
    """Return the name, type and length of a member; else fail as said, or as damaged."""
    checksum, digits = header[148:156].strip(b"\0 "), header[124:136].strip(b"\0 ")
    computed = sum(header) - sum(header[148:156]) + 8 * 32  # its own field counts as eight spaces
    if (
        len(header) < 512
        or not re.fullmatch(b"[0-7]+", checksum)
        or int(checksum, 8) != computed
        or not re.fullmatch(b"[0-7]*", digits)
    ):
        raise SourceError(DAMAGED if header[257:262] == USTAR else otherwise)
    name, prefix = (
        field.split(b"\0")[0].decode("utf-8", "replace")
        for field in (header[:100], header[345:500])
    )
    if prefix and header[257:263] == b"ustar\0":  # GNU headers store times in the prefix field
        name = f"{prefix}/{name}"
    return name, chr(header[156]), int(digits or b"0", 8)


def _long_name(kind: str, content: bytes) -> str | None:
    """Return the name of the next member, as a GNU (`L`) or pax (`x`) record gives it."""
    if kind == "L":
        return content.split(b"\0")[0].decode("utf-8", "replace")
    path = re.search(rb"(?:^|\n)[0-9]+ path=([^\n]*)\n", content)
    return path[1].decode("utf-8", "replace") if path else None


class _UnpackedStream:
    """The bytes of a file, gunzipped if needed; yields at most `limit` bytes."""

    def __init__(self, file: BinaryIO, limit: int):
        self.file, self.left, self.gunzip = file, limit, zlib.decompressobj(31)
        file.seek(0)
        self.plain = file.read(2) != b"\x1f\x8b"
        file.seek(0)

    def read_into(self, target: memoryview) -> None:
        """Fill all of `target`."""
        filled = 0
        while filled < len(target):
            piece = self._piece(min(BLOCK, len(target) - filled))
            if not piece:
                raise SourceError(TRUNCATED)
            target[filled : filled + len(piece)] = piece
            filled += len(piece)

    def take(self, count: int, exact: bool = True) -> bytes:
        """Return the next `count` bytes; unless `exact`, return fewer at the end of the file."""
        pieces: list[bytes] = []
        while count > 0 and (piece := self._piece(count)):
            pieces.append(piece)
            count -= len(piece)
        if count and exact:
            raise SourceError(TRUNCATED)
        return b"".join(pieces)

    def skip(self, count: int) -> None:
        """Skip up to `count` bytes; the padding after the last member may be missing."""
        while count > 0 and (piece := self._piece(min(BLOCK, count))):
            count -= len(piece)

    def _piece(self, count: int) -> bytes:
        """Return at least one and at most `count` bytes; none at the end."""
        piece = self.file.read(count) if self.plain else self._gunzipped(count)
        self.left -= len(piece)
        if self.left < 0:
            raise SourceError(TOO_LARGE)
        return piece

    def _gunzipped(self, count: int) -> bytes:
        try:
            while not self.gunzip.eof:
                block = self.gunzip.unconsumed_tail or self.file.read(BLOCK)
                if piece := self.gunzip.decompress(block, count):
                    return piece
                if not block:
                    raise SourceError("the compressed data ends early: the file is truncated")
        except zlib.error as error:
            raise SourceError(f"damaged compressed data ({error})") from None
        return b""
