"""Locks that give each part of a sweep one writer; a lock whose owner is gone is taken over."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from . import owner
from .guard import guard
from .settings import SweepError

HEARTBEAT = 10.0
"""Seconds between two heartbeats, which renew the lock file's modification time."""


class Part(NamedTuple):
    """The part of a sweep that a process runs."""

    number: int = 0
    """Index of the part, counted from 0."""
    parts: int = 1

    @property
    def suffix(self) -> str:
        """Suffix of the part's files; empty if there is only one part."""
        return "" if self.parts == 1 else f".{self.number}-of-{self.parts}"


@contextlib.contextmanager
def acquire(folder: Path, part: Part) -> Iterator[None]:
    """Hold the lock of a part.

    Different parts of one division (1 of 3, 2 of 3) may run at the same time; every other
    combination would do runs twice.

    Raises:
        SweepError: another process holds a conflicting lock; says which one, and since when.
    """
    path = folder / f"lock{part.suffix}"
    with guard(folder):
        for other in sorted(folder.glob("lock*")):
            if owner.is_held(other) and (other == path or _parts(other) != part.parts):
                holder = owner.described(other)
                raise SweepError(
                    f"{folder}: in use by {holder}; wait for it, or stop it and try again"
                )
        temporary = folder / f".{path.name}.{os.getpid()}"
        temporary.write_text(owner.entry(), "utf-8")
        temporary.replace(path)
    released = threading.Event()
    heartbeat = threading.Thread(target=_beat, args=(path, released), daemon=True)
    heartbeat.start()
    try:
        yield
    finally:
        released.set()
        heartbeat.join()
        path.unlink(missing_ok=True)


def _beat(path: Path, released: threading.Event) -> None:
    while not released.wait(HEARTBEAT):
        # A full or unreachable disk is reported where results are written.
        with contextlib.suppress(OSError):
            os.utime(path)


def _parts(path: Path) -> int:
    """Return into how many parts the owner of a lock divides the sweep."""
    return int(path.name.rpartition("-of-")[2]) if "-of-" in path.name else 1
