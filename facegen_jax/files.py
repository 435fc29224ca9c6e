"""Atomic writing, hashing, and what unreadable archives raise."""

import hashlib
import os
import secrets
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)
"""What NumPy raises for an archive (.npz) that is missing, damaged or holds something else."""


def write_atomically(
    path: Path, content: bytes | Iterable[bytes | memoryview], *, durable: bool = False
) -> None:
    """Write a whole file or nothing: to a temporary neighbour, which is then renamed.

    Args:
        path: the file to write.
        content: its bytes, in one piece or many.
        durable: flush to the disk before the rename, so that the file survives a power cut.
    """
    # Random, because hosts that share a folder may have processes of the same number.
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


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
