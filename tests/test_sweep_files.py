"""Files of a sweep: complete result lines, a table without duplicates, locks with owners."""

import csv
import json
import os
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegen_jax.report import results
from facegen_jax.report.result import Result
from facegen_jax.report.table import write_table
from facegen_jax.sweep import lock, owner
from facegen_jax.sweep.lock import Part
from facegen_jax.sweep.settings import SweepError


def make_result(id="a", status="ok", **changes) -> Result:
    result = Result(
        id=id,
        name="name",
        status=status,
        error=None if status == "ok" else "reason",
        pair={"reference": "a.png"},
        grid={},
        loss={},
        parts={},
        metrics={},
        seconds={},
        guides=[],
        notes=[],
        image=None,
        trace=None,
    )
    return result._replace(**changes)


def ids(path) -> list[str]:
    return [result.id for result in results.lines(path)]


@given(st.lists(st.text(max_size=20), min_size=1, max_size=8), st.integers(1, 200))
@settings(max_examples=50, deadline=None)
def test_only_complete_lines_survive_truncation(tmp_path_factory, names, cut):
    path = tmp_path_factory.mktemp("lines") / "results.jsonl"
    lines = [results.line(make_result(name, name=name, error="a\nb\u2028c")) for name in names]
    for each in lines:
        results.append(path, each)
    content = path.read_bytes()
    assert content == b"".join(lines)
    truncated = content[: max(0, len(content) - cut)]
    path.write_bytes(truncated)
    complete = truncated[: truncated.rfind(b"\n") + 1]
    assert ids(path) == names[: complete.count(b"\n")]
    results.mend(path)
    assert path.read_bytes() == complete
    results.append(path, results.line(make_result("next")))
    assert ids(path)[-1] == "next"


def test_a_line_that_does_not_fit_on_the_disk_is_removed_again(tmp_path):
    """A limit on the file size stands in for a full disk."""
    script = """
import resource, signal, sys
from pathlib import Path
from facegen_jax.report import results
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
results.append(path, b'{"first": 1}\\n')
resource.setrlimit(resource.RLIMIT_FSIZE, (40, 40))
try:
    results.append(path, b'{"second": "' + b"x" * 100 + b'"}\\n')
except OSError:
    print("refused")
"""
    process = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "r.jsonl"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout == "refused\n"
    assert (tmp_path / "r.jsonl").read_bytes() == b'{"first": 1}\n'


def test_non_finite_numbers_become_null():
    line = results.line(make_result(loss={"first": float("inf"), "last": 1.0}))
    assert json.loads(line)["loss"] == {"first": None, "last": 1.0}


def test_the_error_for_a_malformed_result_names_its_line(tmp_path):
    (tmp_path / "results.jsonl").write_bytes(results.line(make_result()) + b'{"id": 1}\n')
    with pytest.raises(results.ResultsError, match=r"results.jsonl, line 2: not a result"):
        results.outcomes(tmp_path)


def test_the_table_has_one_row_per_edit_with_its_good_result(tmp_path):
    written = [
        make_result("a", "failed"),
        make_result("b", grid={"seed": 1}),
        make_result("a"),
        make_result("c", grid={"seed": 2}),
        make_result("d", grid={"seed": 2}),
    ]
    (tmp_path / "results.jsonl").write_bytes(b"".join(map(results.line, written)))
    (tmp_path / "results.0-of-2.jsonl").write_bytes(results.line(make_result("a", "failed")))
    write_table(tmp_path)
    with (tmp_path / "results.csv").open() as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert set(rows) == {
        "a",
        "b",
        "d",
    }  # d is the same edit as c, whose input files have changed since
    assert rows["a"]["status"] == "ok"
    assert rows["b"]["seed"] == "1"
    assert results.outcomes(tmp_path)["a"]


HOLD_LOCK = """
import sys, time
from pathlib import Path
from facegen_jax.sweep import lock

with lock.acquire(Path(sys.argv[1]), lock.Part(*map(int, sys.argv[2:]))):
    print("acquired", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def hold_lock(tmp_path):
    """Start processes that hold the lock of a part until the test ends."""
    processes = []

    def start(number=0, parts=1):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD_LOCK, tmp_path, str(number), str(parts)],
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout
        assert process.stdout.readline() == "acquired\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path, hold_lock):
    process = hold_lock()
    with (
        pytest.raises(SweepError, match=rf"in use by process {process.pid} of .* for 0 minutes"),
        lock.acquire(tmp_path, Part()),
    ):
        pass
    process.kill()
    process.wait()
    with lock.acquire(tmp_path, Part()):
        assert json.loads((tmp_path / "lock").read_text())["process"] == os.getpid()
    assert not (tmp_path / "lock").exists()


def test_only_different_parts_of_one_division_run_together(tmp_path, hold_lock):
    hold_lock(1, 3)
    with lock.acquire(tmp_path, Part(0, 3)):
        pass
    for part in (Part(1, 3), Part(), Part(0, 2)):
        with pytest.raises(SweepError, match="in use"), lock.acquire(tmp_path, part):
            pass


@pytest.mark.parametrize(("age", "held"), [(5, True), (owner.STALE + 5, False)])
def test_another_machines_lock_expires_without_a_heartbeat(tmp_path, age, held):
    path = tmp_path / "lock"
    entry = {"process": 1, "started": "1", "user": "u", "since": 0}
    path.write_text(json.dumps(entry | {"host": "elsewhere", "machine": "elsewhere"}))
    os.utime(path, (time.time() - age,) * 2)
    assert owner.is_held(path) == held


def test_a_process_with_a_reused_pid_is_not_the_owner(tmp_path, hold_lock):
    process = hold_lock()
    entry = json.loads((tmp_path / "lock").read_text())
    assert owner.is_held(tmp_path / "lock")
    (tmp_path / "lock").write_text(json.dumps(entry | {"started": "1"}))
    assert not owner.is_held(tmp_path / "lock")
    assert process.poll() is None


def test_a_lock_has_a_heartbeat(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT", 0.05)
    with lock.acquire(tmp_path, Part()):
        os.utime(tmp_path / "lock", (0, 0))
        for _ in range(100):
            time.sleep(0.02)
            if (tmp_path / "lock").stat().st_mtime > 0:
                return
    pytest.fail("no heartbeat")
