"""A foreign file opened: mapped, or its network out of a tarball, with hashes."""

import hashlib
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..network.tensor_file import map_file
from .cursor import BLOCK, SourceError
from .tarball import is_tarball, read_tarball


class Content(NamedTuple):
    """What a file holds, after opening."""

    data: memoryview
    name: str
    """Of the file, or of the member of a tarball."""
    sha256: str
    md5: str
    names: tuple[str, ...]
    """Class names that lay beside the network in a tarball; else empty."""


def open_content(path: Path, progress: Callable[[int], object] = lambda done: None) -> Content:
    """Map a file, or unpack the network of a tarball into memory, with its hashes.

    The mapping is never closed by hand, for arrays may still look at it: it goes with the last of them. `progress` is told of bytes hashed.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise SourceError("is a folder; give the file of the network itself")
        if not stat.S_ISREG(status.st_mode):
            raise SourceError("is not a regular file")
        if status.st_size == 0:
            raise SourceError("the file is empty")
        with path.open("rb") as file:
            head = file.read(512)
            sha256, md5 = _hashes(file, progress)
            if is_tarball(head):
                found = read_tarball(file, status.st_size)
                return Content(
                    found.data, f"{path.name}: {found.name}", sha256, md5, class_names(found.names)
                )
        return Content(map_file(path), path.name, sha256, md5, ())
    except FileNotFoundError:
        raise SourceError("no such file") from None


def _hashes(file: BinaryIO, progress: Callable[[int], object]) -> tuple[str, str]:
    """SHA-256 and MD5, in blocks so that the file does not fill the memory."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    file.seek(0)
    while block := file.read(BLOCK):
        sha256.update(block)
        md5.update(block)
        progress(len(block))
    return sha256.hexdigest(), md5.hexdigest()


def class_names(content: bytes) -> tuple[str, ...]:
    """Lines of a names file, in order."""
    return tuple(
        line.strip() for line in content.decode("utf-8", "replace").splitlines() if line.strip()
    )
