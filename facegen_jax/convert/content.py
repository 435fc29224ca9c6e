"""The bytes of a source file, mapped or extracted from a tarball, and its hashes."""

import hashlib
import stat
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..network.tensor_file import map_file
from ..types import Progress
from .cursor import BLOCK, SourceError
from .tarball import is_tarball, read_tarball


class Content(NamedTuple):
    """The bytes of a network file, with the hashes of the file they came from."""

    data: memoryview
    name: str
    """File name; for a tarball, `tarball: member`."""
    sha256: str
    md5: str
    classes: tuple[str, ...]
    """Class names stored beside the network in a tarball; else empty."""


def open_content(path: Path, progress: Progress = lambda done, total: None) -> Content:
    """Hash a file, then map it or, for a tarball, extract its network into memory.

    The mapping is never closed explicitly, because arrays may still view it: it is released with
    the last of them. `progress` counts hashed bytes.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise SourceError("is a folder; give the network file itself")
        if not stat.S_ISREG(status.st_mode):
            raise SourceError("is not a regular file")
        if status.st_size == 0:
            raise SourceError("the file is empty")
        with path.open("rb") as file:
            head = file.read(512)
            sha256, md5 = _hashes(file, status.st_size, progress)
            if is_tarball(head):
                member = read_tarball(file, status.st_size)
                classes = class_names(member.names_file)
                return Content(member.data, f"{path.name}: {member.name}", sha256, md5, classes)
        return Content(map_file(path), path.name, sha256, md5, ())
    except FileNotFoundError:
        raise SourceError("no such file") from None


def _hashes(file: BinaryIO, size: int, progress: Progress) -> tuple[str, str]:
    """Return SHA-256 and MD5, reading in blocks so that the file does not fill the memory."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    file.seek(0)
    while block := file.read(BLOCK):
        sha256.update(block)
        md5.update(block)
        progress(file.tell(), size)
    return sha256.hexdigest(), md5.hexdigest()


def class_names(content: bytes) -> tuple[str, ...]:
    """Return the non-empty lines of a names file, in order."""
    return tuple(
        line.strip() for line in content.decode("utf-8", "replace").splitlines() if line.strip()
    )
