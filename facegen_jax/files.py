"""Atomic writes, content hashes, and the exceptions of unreadable archives."""

import hashlib
import os
import secrets
import stat
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)
"""What NumPy raises if an archive (.npz) is missing, is damaged or lacks the expected arrays."""


def write_atomically(
    path: Path, content: bytes | Iterable[bytes | memoryview], *, durable: bool = False
) -> None:
    """Write a file atomically: to a temporary file beside it, which then replaces it.

    Args:
        path: file to write.
        content: its bytes, whole or in pieces.
        durable: flush to disk before the rename, so that the file survives a power failure.
    """
    # Random, not the PID: hosts that share the folder may have processes with equal PIDs.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
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
        return path.resolve()
    except RuntimeError:  # Python 3.13 leaves such links as they are
        raise OSError(f"{path}: symbolic links that lead in a circle") from None


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal; pipes and devices are an OSError."""
    refuse_special(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
