"""One process at a time, on file systems with locks and without, and on systems without `fcntl`."""

import errno
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from facegen_jax.sweep import guard, lock, owner
from facegen_jax.sweep.lock import Part
from facegen_jax.sweep.settings import SweepError

NO_LOCKS = ("ENOSYS", "EOPNOTSUPP", "ENOLCK")


def refuse(code: int):
    """Return a stand-in of `flock` on a file system that answers with an error."""

    def flock(file, operation):
        raise OSError(code, os.strerror(code))

    return flock


@pytest.fixture(params=["kernel", "no fcntl", *NO_LOCKS])
def system(request, monkeypatch):
    """Make locks behave as on one kind of system."""
    monkeypatch.setattr(guard, "POLL_SECONDS", 0.001)
    if request.param == "no fcntl":
        monkeypatch.setitem(sys.modules, "fcntl", None)
    elif request.param in NO_LOCKS:
        monkeypatch.setattr("fcntl.flock", refuse(getattr(errno, request.param)))
    return request.param


def test_one_at_a_time(system, tmp_path):
    inside, most = threading.Semaphore(1), 12

    def enter(number: int) -> bool:
        with guard.guard(tmp_path):
            alone = inside.acquire(blocking=False)
            time.sleep(0.0005)
            inside.release()
        return alone

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(enter, range(most))) == [True] * most
    tickets = [] if system == "kernel" else [f".guard.{most}"]
    assert sorted(os.listdir(tmp_path)) == [".guard", *tickets]


def test_a_sweep_has_one_writer(system, tmp_path):
    with (
        lock.acquire(tmp_path, Part()),
        pytest.raises(SweepError, match="in use by process"),
        lock.acquire(tmp_path, Part()),
    ):
        pass
    with lock.acquire(tmp_path, Part()):
        pass


@pytest.fixture
def ended() -> int:
    """The PID of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("system", ["ENOSYS"], indirect=True)
@pytest.mark.parametrize("left", ["owner gone", "never written", "handed back"])
def test_the_ticket_of_a_killed_process_is_taken_over(system, left, tmp_path, ended):
    ticket = tmp_path / ".guard.7"
    entry = json.dumps(json.loads(owner.entry()) | {"process": ended, "started": "1"})
    ticket.write_text({"owner gone": entry, "never written": "", "handed back": "free"}[left])
    if left == "never written":
        os.utime(ticket, (then := time.time() - owner.STALE - 5, then))
    with guard.guard(tmp_path):
        assert json.loads((tmp_path / ".guard.8").read_text())["process"] == os.getpid()
        assert not ticket.exists()


def test_other_errors_of_a_disk_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr("fcntl.flock", refuse(errno.EIO))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)), guard.guard(tmp_path):
        pass


@pytest.mark.parametrize(("age", "held"), [(5, True), (owner.STALE + 5, False)])
def test_where_processes_cannot_be_looked_up_the_heartbeat_decides(
    age, held, tmp_path, monkeypatch, ended
):
    def kill(pid, number):
        raise AssertionError("os.kill ends processes on Windows")

    monkeypatch.setattr(owner, "LOOKS_UP", False)
    monkeypatch.setattr(os, "kill", kill)
    path = tmp_path / "lock"
    path.write_text(owner.entry())
    os.utime(path, (then := time.time() - age, then))
    assert owner.is_held(path) == held


@pytest.mark.parametrize(
    "content", ["", "null", "[]", "{", '{"process": []}', '{"machine": 1}', "\x00"]
)
def test_a_lock_that_is_no_entry_counts_as_held(content, tmp_path):
    (tmp_path / "lock").write_text(content)
    assert owner.is_held(tmp_path / "lock")
    with pytest.raises(SweepError, match="delete its lock"), lock.acquire(tmp_path, Part()):
        pass


def test_commands_import_without_the_modules_of_posix():
    """Windows has none of them; memory that it does not report is unknown."""
    code = """if True:
        import asyncio, os, sys  # asyncio has its own way on Windows, and needs os.sysconf here
        for name in ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"):
            sys.modules[name] = None
        del os.getuid, os.sysconf
        import facegen_jax
        from facegen_jax.convert import command
        from facegen_jax.edit import command
        from facegen_jax.gallery import command
        from facegen_jax.report import command
        from facegen_jax.sweep import command, estimate, owner
        owner.entry()
        print(estimate._available(10**9))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "an unknown amount available\n"), done.stderr
