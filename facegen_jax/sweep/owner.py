"""Who holds a lock, written into its file, and whether that process is alive."""

import getpass
import json
import os
import secrets
import socket
import time
from pathlib import Path

from ..stored import parse_json

STALE = 120.0
"""Seconds without a heartbeat after which an owner that cannot be looked up counts as gone."""
LOOKS_UP = os.name == "posix"
"""Whether processes can be looked up; Windows' `os.kill` would interrupt them."""


def entry() -> str:
    """Return what this process writes into its locks."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # no name for this user; no such module on Windows
        user = str(os.getuid()) if hasattr(os, "getuid") else "someone"
    pid = os.getpid()
    return json.dumps(
        {
            "process": pid,
            "started": _start_time(pid) if LOOKS_UP else None,
            "user": user,
            "host": socket.gethostname(),
            "machine": _machine(),
            "since": time.time(),
        }
    )


def is_held(path: Path) -> bool:
    """Return whether the owner of a lock is alive.

    A process of this machine is looked up by its PID where that is possible; elsewhere the age of
    the last heartbeat decides.
    """
    try:
        owner = parse_json(path.read_bytes())
        if LOOKS_UP and owner.get("machine") == _machine():
            return _start_time(int(owner.get("process", 0))) == owner.get("started")
    except FileNotFoundError:
        return False
    except (ValueError, TypeError, AttributeError, OverflowError):  # not an entry
        return True
    return is_recent(path)


def is_recent(path: Path) -> bool:
    """Return whether a lock was written, or had a heartbeat, in the last `STALE` seconds."""
    try:
        return _now(path.parent) - path.stat().st_mtime < STALE
    except FileNotFoundError:
        return False


def described(path: Path) -> str:
    """Return who holds a lock, for messages."""
    try:
        owner = parse_json(path.read_bytes())
        minutes = (time.time() - owner["since"]) / 60
        name = f"process {owner['process']} of {owner['user']} on {owner['host']}"
        if not name.isprintable():
            raise ValueError("not an entry")
        return f"{name} for {minutes:.0f} minutes"
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return f"another process (if none is running, delete its lock {path})"


def _machine() -> str:
    """Return a name that is equal for processes with the same PIDs: containers differ in it."""
    namespace = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()} {os.readlink(namespace) if namespace.exists() else ''}"


def _start_time(pid: int) -> str | None:
    """Return when a process of this machine started, by the kernel's clock; None if it is gone.

    The start time is compared as well, because PIDs are reused.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        is_zombie = fields[0] in b"ZX"  # ended, but its parent has not collected it yet
        return None if is_zombie else fields[19].decode()
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
    probe = folder / f".clock.{secrets.token_hex(8)}"
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)
