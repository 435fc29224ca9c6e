"""The bytes of a source file, mapped or extracted from a tarball, and its hashes."""

import hashlib
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..network.tensor_file import map_file
from ..types import Progress
from . import orbax
from .cursor import BLOCK, SourceError
from .foreign import folder_kind
from .remedies import CHECKPOINT
from .tarball import is_tarball, read_tarball


class Content(NamedTuple):
    """The bytes of a network file, with the hashes of the file they came from."""

    data: memoryview
    name: str
    """File name; for a tarball, `tarball: member`."""
    size: int
    """Bytes of the file, packed or not."""
    sha256: str
    md5: str
    classes: tuple[str, ...] = ()
    """Class names stored beside the network in a tarball; else empty."""
    folder: Path | None = None
    """An Orbax checkpoint, whose files are read by name; `data` is empty then."""
    chosen: bool = False
    """Whether the wanted network is a file of its own, which a tarball holds."""
    remarks: tuple[str, ...] = ()
    """What was left aside."""


def open_content(
    path: Path, network: str | None = None, progress: Progress = lambda done, total: None
) -> Content:
    """Hash a file, then map it or, for a tarball, extract its network into memory.

    The mapping is never closed explicitly, because arrays may still view it: it is released with
    the last of them. `progress` counts hashed bytes.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return _open_folder(path, progress)
        if not stat.S_ISREG(status.st_mode):
            raise SourceError("is not a regular file")
        if status.st_size == 0:
            raise SourceError("the file is empty")
        with path.open("rb") as file:
            head = file.read(512)
            hashes = _hashes(((path.name, path),), status.st_size, progress)
            if is_tarball(head):
                member = read_tarball(file, status.st_size, network)
                return Content(
                    member.data,
                    f"{path.name}: {member.name}",
                    status.st_size,
                    *hashes,
                    class_names(member.names_file),
                    chosen=member.chosen,
                    remarks=(f"left in the tarball: {', '.join(member.others)}",)
                    if member.others
                    else (),
                )
        return Content(map_file(path), path.name, status.st_size, *hashes)
    except FileNotFoundError:
        if path.with_name(f"{path.name}.index").exists():
            raise SourceError(CHECKPOINT) from None
        raise SourceError("no such file") from None


def _open_folder(path: Path, progress: Progress) -> Content:
    """Hash the files of an Orbax checkpoint, with their names, in the order of those."""
    if known := folder_kind(path):
        raise SourceError(known)
    folder = orbax.find(path)
    files = orbax.files(folder)
    size = sum(file.stat().st_size for _, file in files)
    return Content(memoryview(b""), path.name, size, *_hashes(files, size, progress), folder=folder)


def _hashes(files: Sequence[tuple[str, Path]], size: int, progress: Progress) -> tuple[str, str]:
    """Return SHA-256 and MD5 of a file's bytes, or of the names and bytes of several.

    Reads in blocks so that they do not fill the memory.
    """
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    done = 0
    for name, path in files:
        if len(files) > 1:
            sha256.update(name.encode())
            md5.update(name.encode())
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                sha256.update(block)
                md5.update(block)
                done += len(block)
                progress(done, size)
    return sha256.hexdigest(), md5.hexdigest()


def class_names(content: bytes) -> tuple[str, ...]:
    """Return the non-empty lines of a names file, in order."""
    return tuple(
        line.strip() for line in content.decode("utf-8", "replace").splitlines() if line.strip()
    )
