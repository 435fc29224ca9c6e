"""Atomic writes, paths that cannot be written to, content hashes."""

import hashlib
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path


class OutputError(ValueError):
    """A path that cannot be written to; one line that says why and what to do."""


def check_output(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Refuse a path that no file can be written to; called before anything is computed.

    Args:
        path: file that will be written.
        inputs: files that are read, which it must not replace.

    Raises:
        OutputError: it is a folder or an input, or its folder is missing or takes no files.
    """
    if any(is_same(path, each) for each in inputs):
        raise OutputError(f"{path}: would overwrite an input; choose another name")
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; give a file name")
    check_takes_files(path.parent, path.name)


def check_takes_files(folder: Path, name: str = "file") -> None:
    """Refuse a folder that takes no file of a name.

    Raises:
        OutputError: says why.
    """
    if not folder.absolute().is_dir():
        raise OutputError(f"{folder}: no such folder to write to")
    temporary = _temporary(folder / name)
    try:  # permissions alone do not tell (root, full or read-only disks, long names)
        temporary.open("xb").close()
        temporary.unlink()
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written to ({error.strerror})") from None


def is_same(path: Path, other: Path) -> bool:
    """Return whether two paths lead to one file, which need not exist."""
    if resolve(path) == resolve(other):
        return True
    try:
        return path.samefile(other)  # links, and file systems that ignore case
    except OSError:
        return False


def write_atomically(
    path: Path, content: bytes | Iterable[bytes | memoryview], *, durable: bool = False
) -> None:
    """Write a file atomically: to a temporary file beside it, which then replaces it.

    Args:
        path: file to write.
        content: its bytes, whole or in pieces.
        durable: flush to disk before the rename, so that the file survives a power failure.
    """
    temporary = _temporary(path)
    try:
        with temporary.open("wb") as file:
            file.writelines([content] if isinstance(content, bytes) else content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def refuse_special(path: Path) -> None:
    """Raise an OSError for pipes, sockets and devices, which would be waited on forever."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(f"{path}: is a pipe or a device; expected a file")


def resolve(path: Path) -> Path:
    """Return a path without symbolic links.

    Raises:
        OSError: links that lead in a circle.
    """
    try:
        resolved = path.resolve()
    except RuntimeError:
        resolved = None
    if resolved is None or resolved.is_symlink():  # Python 3.13 and newer leave such links
        raise OSError(f"{path}: symbolic links that lead in a circle")
    return resolved


def _temporary(path: Path) -> Path:
    """Return the name of a temporary file beside a file."""
    # Random, not the PID: hosts that share the folder may have processes with equal PIDs.
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal; pipes and devices are an OSError."""
    refuse_special(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
