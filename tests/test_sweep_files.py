"""What a sweep keeps on the disk: lines that are whole, a table without doubles, locks with owners."""

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
from facegen_jax.report.results import Result
from facegen_jax.report.table import write_table
from facegen_jax.sweep import lock
from facegen_jax.sweep.lock import Part
from facegen_jax.sweep.settings import SweepError


def result(id="a", status="ok", **changes) -> Result:
    made = Result(
        id,
        "name",
        status,
        None if status == "ok" else "why",
        {"reference": "a.png"},
        {},
        {},
        {},
        {},
        {},
        [],
        [],
        None,
        None,
    )
    return made._replace(**changes)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=8), st.integers(1, 200))
@settings(max_examples=50, deadline=None)
def test_whatever_was_cut_off_only_whole_lines_stay(tmp_path_factory, names, cut):
    path = tmp_path_factory.mktemp("lines") / "results.jsonl"
    lines = [results.line(result(name, name=name, error="a\nb\u2028c")) for name in names]
    for each in lines:
        results.append(path, each)
    whole = path.read_bytes()
    assert whole == b"".join(lines)
    path.write_bytes(whole[: max(0, len(whole) - cut)])
    expected = whole[: max(0, len(whole) - cut)].rpartition(b"\n")
    assert [row["id"] for row in results.lines(path)] == names[
        : expected[0].count(b"\n") + bool(expected[1])
    ]
    results.mend(path)
    assert path.read_bytes() == expected[0] + expected[1]
    results.append(path, results.line(result("next")))
    assert [row["id"] for row in results.lines(path)][-1] == "next"


def test_a_line_that_cannot_be_written_whole_is_taken_back(tmp_path):
    """A limit on the size of files does what a full disk does."""
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
except OSError as error:
    print("refused")
"""
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "r.jsonl"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "refused\n"
    assert (tmp_path / "r.jsonl").read_bytes() == b'{"first": 1}\n'


def test_what_is_not_finite_becomes_null():
    assert json.loads(results.line(result(loss={"first": float("inf"), "last": 1.0})))["loss"] == {
        "first": None,
        "last": 1.0,
    }


def test_a_line_that_is_no_result_is_named(tmp_path):
    (tmp_path / "results.jsonl").write_bytes(results.line(result()) + b'{"id": 1}\n')
    with pytest.raises(results.ResultsError, match=r"results.jsonl, line 2: not a result"):
        results.outcomes(tmp_path)


def test_the_table_has_each_edit_once_and_its_good_result(tmp_path):
    again = [
        result("a", "failed"),
        result("b", grid={"seed": 1}),
        result("a"),
        result("c", grid={"seed": 2}),
        result("d", grid={"seed": 2}),
    ]
    (tmp_path / "results.jsonl").write_bytes(b"".join(map(results.line, again)))
    (tmp_path / "results.0-of-2.jsonl").write_bytes(results.line(result("a", "failed")))
    write_table(tmp_path)
    with (tmp_path / "results.csv").open() as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"a", "b", "d"}  # c's pictures have changed since
    assert rows["a"]["status"] == "ok"
    assert rows["b"]["seed"] == "1"
    assert results.outcomes(tmp_path)["a"]


HOLD = "import sys, time; from pathlib import Path; from facegen_jax.sweep import lock\nwith lock.held(Path(sys.argv[1]), lock.Part(*map(int, sys.argv[2:]))): print('held', flush=True); time.sleep(60)"


@pytest.fixture
def holder(tmp_path):
    """Start a process that holds the lock of a part."""
    processes = []

    def start(number=0, parts=1):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, tmp_path, str(number), str(parts)],
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path, holder):
    process = holder()
    with (
        pytest.raises(SweepError, match=rf"in use by process {process.pid} of .* for 0 minutes"),
        lock.held(tmp_path, Part()),
    ):
        pass
    process.kill()
    process.wait()
    with lock.held(tmp_path, Part()):
        assert json.loads((tmp_path / "lock").read_text())["process"] == os.getpid()
    assert not (tmp_path / "lock").exists()


def test_parts_of_one_division_go_together_and_others_do_not(tmp_path, holder):
    holder(1, 3)
    with lock.held(tmp_path, Part(0, 3)):
        pass
    for part in (Part(1, 3), Part(), Part(0, 2)):
        with pytest.raises(SweepError, match="in use"), lock.held(tmp_path, part):
            pass


@pytest.mark.parametrize(("age", "free"), [(5, False), (lock.STALE + 5, True)])
def test_another_machines_lock_counts_until_it_gives_no_sign(tmp_path, age, free):
    place = tmp_path / "lock"
    place.write_text(
        json.dumps(
            {
                "process": 1,
                "started": "1",
                "user": "u",
                "host": "elsewhere",
                "machine": "elsewhere",
                "since": 0,
            }
        )
    )
    os.utime(place, (time.time() - age,) * 2)
    assert lock.alive(place) != free


def test_a_number_of_a_process_that_is_used_again_is_not_its_owner(tmp_path, holder):
    process = holder()
    owner = json.loads((tmp_path / "lock").read_text())
    assert lock.alive(tmp_path / "lock")
    (tmp_path / "lock").write_text(json.dumps(owner | {"started": "1"}))
    assert not lock.alive(tmp_path / "lock")
    assert process.poll() is None


def test_a_lock_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT", 0.05)
    with lock.held(tmp_path, Part()):
        os.utime(tmp_path / "lock", (0, 0))
        for _ in range(100):
            time.sleep(0.02)
            if (tmp_path / "lock").stat().st_mtime > 0:
                return
    pytest.fail("no sign of life")
