"""The user's cache: files that can be made again, so that commands go on where it is missing."""

import os
import tempfile
from pathlib import Path

VARIABLE = "FACEGEN_CACHE"
"""Environment variable that names the folder."""
PROBE = bytes(1 << 18)
"""What must fit: a full disk takes an empty file, but not its content."""


def folder() -> Path:
    """Return `$FACEGEN_CACHE`, else `facegen_jax` in `$XDG_CACHE_HOME` or `~/.cache`.

    Raises:
        OSError: there is no home folder.
    """
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "facegen_jax"
    except RuntimeError:
        raise OSError(f"there is no home folder; set {VARIABLE} to a folder of yours") from None


def writable(name: str) -> Path:
    """Return a folder inside the cache; it is made where it is missing, and takes files.

    Raises:
        OSError: it cannot be made or written to; says why and what to do.
    """
    path = folder() / name
    make_writable(path, VARIABLE)
    return path


def make_writable(path: Path, variable: str) -> None:
    """Make a folder where it is missing, and check that it takes files.

    Args:
        path: the folder.
        variable: environment variable that names it, for the message.

    Raises:
        OSError: it cannot be made or written to; says why and what to do.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path, buffering=0) as file:
            file.write(PROBE)
    except OSError as error:
        reason = error.strerror or error
        raise OSError(f"{path}: {reason}; set {variable} to a folder of yours") from None
