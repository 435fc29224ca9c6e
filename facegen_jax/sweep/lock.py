"""Locks that give each part of a sweep one writer; a lock whose owner is gone is taken over."""

import contextlib
import fcntl
import getpass
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .settings import SweepError

HEARTBEAT = 10.0
"""Seconds between two heartbeats, which renew the lock file's modification time."""
STALE = 120.0
"""Seconds without a heartbeat after which an owner on another machine counts as gone."""


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
            if is_held(other) and (other == path or _parts(other) != part.parts):
                raise SweepError(
                    f"{folder}: in use by {_owner(other)}; wait for it, or stop it and try again"
                )
        temporary = folder / f".{path.name}.{os.getpid()}"
        temporary.write_text(json.dumps(_own_entry()))
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


@contextlib.contextmanager
def guard(folder: Path) -> Iterator[None]:
    """Let one process at a time check the folder and then write to it."""
    with (folder / ".guard").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_held(path: Path) -> bool:
    """Return whether the owner of a lock is alive.

    A process of this machine is looked up by its PID; for another machine, the age of the last
    heartbeat decides.
    """
    try:
        owner, age = json.loads(path.read_text()), _now(path.parent) - path.stat().st_mtime
    except FileNotFoundError:
        return False
    except ValueError:
        return True
    if owner.get("machine") == _machine():
        return _start_time(int(owner.get("process", 0))) == owner.get("started")
    return age < STALE


def _beat(path: Path, released: threading.Event) -> None:
    while not released.wait(HEARTBEAT):
        # A full or unreachable disk is reported where results are written.
        with contextlib.suppress(OSError):
            os.utime(path)


def _parts(path: Path) -> int:
    """Return into how many parts the owner of a lock divides the sweep."""
    return int(path.name.rpartition("-of-")[2]) if "-of-" in path.name else 1


def _owner(path: Path) -> str:
    try:
        owner = json.loads(path.read_text())
        minutes = (time.time() - owner["since"]) / 60
        return (
            f"process {owner['process']} of {owner['user']} on {owner['host']} "
            f"for {minutes:.0f} minutes"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return f"another process (if none is running, delete its lock {path})"


def _own_entry() -> dict[str, object]:
    """Return what this process writes into its lock."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = str(os.getuid())
    pid = os.getpid()
    return {
        "process": pid,
        "started": _start_time(pid),
        "user": user,
        "host": socket.gethostname(),
        "machine": _machine(),
        "since": time.time(),
    }


def _machine() -> str:
    """Return a name that is equal for processes with the same PIDs: containers differ in it."""
    namespace = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()} {os.readlink(namespace) if namespace.exists() else ''}"


def _start_time(pid: int) -> str | None:
    """Return when a process of this machine started, by the kernel's clock; None if it is gone.

    The start time is compared as well, because PIDs are reused.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        is_zombie = fields[0] in "ZX"  # ended, but its parent has not collected it yet
        return None if is_zombie else fields[19]
    except OSError:
        pass
    try:
        os.kill(pid, 0)
    except PermissionError:
        return "unknown"
    except (ProcessLookupError, OverflowError, ValueError):
        return None
    return "unknown"


def _now(folder: Path) -> float:
    """Return the time by the file system's clock, which may be another machine's."""
    probe = folder / f".clock.{os.getpid()}"
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)
