"""One writer for each part of a sweep: a lock with an owner and an age, taken over when its owner is gone."""

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

HEARTBEAT, STALE = 10.0, 120.0
"""Seconds between two signs of life; seconds without one after which an owner on another machine counts as gone."""


class Part(NamedTuple):
    """Which part of a sweep a process does."""

    number: int = 0
    parts: int = 1

    @property
    def suffix(self) -> str:
        """Of its files; nothing where there is one part."""
        return "" if self.parts == 1 else f".{self.number}-of-{self.parts}"


@contextlib.contextmanager
def held(folder: Path, part: Part) -> Iterator[None]:
    """Hold the lock of a part; parts of one division do not disturb each other, anything else does.

    Raises:
        SweepError: somebody else holds it, with who and since when.
    """
    place = folder / f"lock{part.suffix}"
    with guard(folder):
        for other in sorted(folder.glob("lock*")):
            if alive(other) and (other == place or _division(other) != part.parts):
                raise SweepError(
                    f"{folder}: in use by {_owner(other)}; wait for it, or stop it and start again"
                )
        temporary = folder / f".{place.name}.{os.getpid()}"
        temporary.write_text(json.dumps(_me()))
        temporary.replace(place)
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(place, ended), daemon=True)
    beating.start()
    try:
        yield
    finally:
        ended.set()
        beating.join()
        place.unlink(missing_ok=True)


@contextlib.contextmanager
def guard(folder: Path) -> Iterator[None]:
    """One process at a time in here, for looking and then writing."""
    with (folder / ".guard").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def alive(lock: Path) -> bool:
    """Whether the owner of a lock still lives: seen directly on this machine, by its age on others."""
    try:
        owner, age = json.loads(lock.read_text()), _now(lock.parent) - lock.stat().st_mtime
    except FileNotFoundError:
        return False
    except ValueError:
        return True
    if owner.get("machine") == _machine():
        return _started(int(owner.get("process", 0))) == owner.get("started")
    return age < STALE


def _beat(place: Path, ended: threading.Event) -> None:
    while not ended.wait(HEARTBEAT):
        with contextlib.suppress(
            OSError
        ):  # a full or unreachable disk is told where results are written
            os.utime(place)


def _division(lock: Path) -> int:
    """Number of parts that the owner of a lock is one of."""
    return int(lock.name.rpartition("-of-")[2]) if "-of-" in lock.name else 1


def _owner(lock: Path) -> str:
    try:
        owner = json.loads(lock.read_text())
        minutes = (time.time() - owner["since"]) / 60
        return f"process {owner['process']} of {owner['user']} on {owner['host']} for {minutes:.0f} minutes"
    except (OSError, ValueError, KeyError, TypeError):
        return f"another process ({lock} is its lock; remove it if there is none)"


def _me() -> dict[str, object]:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = str(os.getuid())
    process = os.getpid()
    return {
        "process": process,
        "started": _started(process),
        "user": user,
        "host": socket.gethostname(),
        "machine": _machine(),
        "since": time.time(),
    }


def _machine() -> str:
    """Equal for processes that see each other: containers of one machine do not."""
    namespace = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()} {os.readlink(namespace) if namespace.exists() else ''}"


def _started(process: int) -> str | None:
    """When a process of this machine started, in its own clock, for numbers of processes are used again; None where there is none."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (
            None if fields[0] in "ZX" else fields[19]
        )  # dead ones stay there until their parent looks
    except OSError:
        pass
    try:
        os.kill(process, 0)
    except PermissionError:
        return "unknown"
    except (ProcessLookupError, OverflowError, ValueError):
        return None
    return "unknown"


def _now(folder: Path) -> float:
    """Time by the clock of the file system, which may be another machine's."""
    probe = folder / f".clock.{os.getpid()}"
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)
