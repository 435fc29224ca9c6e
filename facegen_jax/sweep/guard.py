"""One process at a time, for moments: by a lock of the kernel, or by files where it has none."""

import contextlib
import errno
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from . import owner

NAME = ".guard"
WITHOUT_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK)
"""Errors of file systems that implement no locks."""
FREE = b"free"
"""Content of a ticket that was handed back."""
POLL_SECONDS = 0.05
"""Seconds between two looks at the ticket of another process."""


@contextlib.contextmanager
def guard(folder: Path) -> Iterator[None]:
    """Let one process at a time check the folder and then write to it."""
    with (folder / NAME).open("ab") as file:
        if _lock(file):
            yield  # closing the file unlocks it, and so does the end of the process
            return
    with _ticket(folder):
        yield


def _lock(file: IO[bytes]) -> bool:
    """Wait for the kernel's lock on a file; return False where the file system has none."""
    try:
        import fcntl  # not on Windows
    except ModuleNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
        return False
    return True


@contextlib.contextmanager
def _ticket(folder: Path) -> Iterator[None]:
    """Hold the newest ticket.

    Tickets are numbered files. Whoever finds the newest one handed back, or its owner gone, creates
    the next one, which only one process can; the older ones are deleted afterwards. None is ever
    taken away from a process, so that two cannot do so at once.
    """
    while True:
        newest = _newest(folder)
        if newest and _is_taken(_path(folder, newest)):
            time.sleep(POLL_SECONDS)
            continue
        mine = _path(folder, newest + 1)
        with contextlib.suppress(FileExistsError):
            with mine.open("xb") as file:
                file.write(owner.entry().encode())
            if _newest(folder) == newest + 1:
                break
            # This number was used and deleted since the look at the folder.
            mine.unlink(missing_ok=True)
    try:
        for number in _numbers(folder):
            if number <= newest:
                _path(folder, number).unlink(missing_ok=True)
        yield
    finally:
        mine.write_bytes(FREE)


def _is_taken(path: Path) -> bool:
    """Return whether a ticket's owner holds it; one without content is being written."""
    with contextlib.suppress(FileNotFoundError):
        content = path.read_bytes()
        if content == FREE:
            return False
        if not content:
            return owner.is_recent(path)
    return owner.is_held(path)


def _path(folder: Path, number: int) -> Path:
    return folder / f"{NAME}.{number}"


def _numbers(folder: Path) -> list[int]:
    names = (path.name for path in folder.glob(f"{NAME}.*"))
    return [int(name.rpartition(".")[2]) for name in names if re.fullmatch(r".*\.[0-9]+", name)]


def _newest(folder: Path) -> int:
    return max(_numbers(folder), default=0)
