"""Sweeps as processes: one-line errors, signals, kills, several devices, several hosts."""

import csv
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from facegen_jax.faces import image

OPTIONS = ("--params", "tiny.safetensors", "--align", "none", "--batch-size", "4", "--quiet")
GRID = ("--grid", "weights.attribute=0.1,1,10", "learning-rate=0.002,0.004")


def start(folder: Path, *options: str, devices: int = 1) -> subprocess.Popen:
    environment = os.environ | {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "JAX_PLATFORMS": "cpu",
    }
    command = [
        sys.executable,
        "-m",
        "facegen_jax.sweep",
        "--pairs",
        "pairs.csv",
        *OPTIONS,
        *options,
    ]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(folder: Path, *options: str, devices: int = 1) -> tuple[int, str]:
    process = start(folder, *options, devices=devices)
    out, errors = process.communicate(timeout=300)
    return process.returncode, out + errors


def table(out: Path) -> dict[str, dict[str, str]]:
    with (out / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    lines = [line for path in out.glob("results*.jsonl") for line in path.read_text().splitlines()]
    assert len(lines) == len(rows) == len({row["id"] for row in rows})  # nothing twice
    return {row["id"]: row for row in rows}


def assert_same(out: Path, other: Path) -> None:
    first, second = table(out), table(other)
    assert first.keys() == second.keys()
    for id, row in first.items():
        assert row["loss.last"] == second[id]["loss.last"]
        np.testing.assert_array_equal(
            image.load(out / row["image"]), image.load(other / row["image"])
        )


ALONE = """
import dataclasses, sys
from pathlib import Path
import jax, numpy as np
from facegen_jax import image
from facegen_jax.checkpoint import load_network
from facegen_jax.edit import edit
from facegen_jax.sweep import Sweep
from facegen_jax.sweep.plan import make_plan
assert jax.local_device_count() == 8
config = Sweep(Path("pairs.csv"), Path("eight"), tuple(sys.argv[1:]), params="tiny.safetensors", align="none", steps=15)
plan = make_plan(config, load_network(config.params))
for run in plan.groups[0].runs[::9]:
    edit(dataclasses.replace(plan.edit(run), out=Path("alone.png"), params=config.params))
    np.testing.assert_array_equal(image.load("alone.png"), image.load(f"eight/images/{run.id}.png"))
print("same")
"""


def test_eight_devices_give_what_one_gives(folder):
    """Among as many simulated devices, for XLA rounds otherwise where it has more threads than there are cores."""
    assert run(folder, *GRID, "--steps", "15", "--out", "eight", devices=8) == (0, "")
    assert len(table(folder / "eight")) == 24
    environment = os.environ | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=8",
        "JAX_PLATFORMS": "cpu",
    }
    done = subprocess.run(
        [sys.executable, "-c", ALONE, *GRID[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "same\n", done.stderr


def hosts(folder: Path, count: int, *options: str) -> list[subprocess.Popen]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    job = ("--distributed", "--coordinator", f"127.0.0.1:{port}", "--processes", str(count))
    return [start(folder, *options, *job, "--process", str(number)) for number in range(count)]


def finish(processes: list[subprocess.Popen]) -> list[int]:
    for process in processes:
        process.communicate(timeout=300)
    return [process.returncode for process in processes]


@pytest.mark.long
def test_two_hosts_give_what_one_gives(folder):
    assert run(folder, *GRID, "--steps", "15", "--out", "one")[0] == 0
    assert finish(hosts(folder, 2, *GRID, "--steps", "15", "--out", "two")) == [0, 0]
    assert sorted(path.name for path in (folder / "two").glob("results.*.jsonl")) == [
        "results.0-of-2.jsonl",
        "results.1-of-2.jsonl",
    ]
    assert_same(folder / "one", folder / "two")


@pytest.mark.long
def test_one_of_four_hosts_is_lost_and_its_runs_are_picked_up(folder):
    options = (*GRID, "--steps", "2000", "--checkpoint-steps", "100", "--batch-size", "2")
    assert run(folder, *options, "--out", "one")[0] == 0
    processes = hosts(folder, 4, *options, "--out", "four")
    wait_for(folder / "four", "checkpoints.2-of-4/*.npz")
    processes[2].kill()
    codes = finish(processes)
    assert codes == [
        1,
        0,
        -signal.SIGKILL,
        0,
    ]  # the first tells that runs are missing, the others did theirs
    assert len(table(folder / "four")) < 24
    assert finish(hosts(folder, 4, *options, "--out", "four")) == [0] * 4
    assert_same(folder / "one", folder / "four")


def wait_for(folder: Path, pattern: str) -> None:
    deadline = time.monotonic() + 120
    while not any(folder.glob(pattern)):
        assert time.monotonic() < deadline, f"no {pattern}"
        time.sleep(0.05)


def test_told_to_end_it_saves_and_goes_on(folder):
    options = ("--steps", "600", "--grid", "learning-rate=0.002")
    assert run(folder, *options, "--out", "whole")[0] == 0
    process = start(folder, *options, "--out", "ended", "--checkpoint-steps", "50")
    wait_for(folder / "ended", "checkpoints/*.npz")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert re.search(
        r"stopped with 0 runs done and 4 left; the same command goes on: python -m facegen_jax.sweep --pairs",
        errors,
    )
    assert "Traceback" not in errors
    assert run(folder, *options, "--out", "ended")[0] == 0
    assert_same(folder / "whole", folder / "ended")


def kills(folder: Path, count: int, steps: int) -> None:
    """Kill sweeps at random moments until so many were killed while they ran; each ends as an undisturbed one."""
    options = (*GRID, "--steps", str(steps), "--checkpoint-steps", "50", "--batch-size", "3")
    rng, killed, sweeps = random.Random(0), 0, 0
    assert run(folder, *options, "--out", "whole")[0] == 0
    while killed < count:
        out = f"killed{sweeps}"
        sweeps += 1
        while True:
            process = start(folder, *options, "--out", out)
            try:
                process.wait(rng.uniform(1.5, 9) if killed < count else 300)
            except subprocess.TimeoutExpired:
                process.kill()
                killed += 1
            process.communicate()
            if process.returncode == 0:
                break
        assert_same(folder / "whole", folder / out)
        assert not list((folder / out).rglob(".*.tmp"))


@pytest.mark.long
def test_killed_twenty_times_it_ends_the_same(folder):
    kills(folder, 20, 600)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--grid", "weights.atribute=1"), "did you mean weights.attribute"),
        (("--shard", "4/4"), "as in 0/4 to 3/4"),
        (("--batch-size", "0"), "at least 1"),
        (("--batch-size", "many"), "batch-size"),
        (("--strength", "1,2"), "--grid strength"),
        (("--steps", "0"), "line 2: --steps must be at least 1"),
        (("--attribute", "Smiling"), "line 2: give either --guides"),
        (("--pairs", "none.csv"), "no such table"),
        (("--params", "none.safetensors"), "none.safetensors"),
        (("--out", "pairs.csv"), "is a file"),
        (("--distributed", "--coordinator", "x:1"), "go together"),
        (("--fail-fast", "--max-failures", "3"), "either --fail-fast"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(folder, options, message, monkeypatch, capsys):
    from facegen_jax.sweep.__main__ import main

    monkeypatch.chdir(folder)
    given = ["--pairs", "pairs.csv", "--out", "out", *OPTIONS]
    for option in options[::2]:
        if option in given:
            del given[given.index(option) : given.index(option) + 2]
    monkeypatch.setattr(sys, "argv", ["sweep", *given, *options])
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        code = main()
    except SystemExit as exit_:
        code = exit_.code
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    captured = capsys.readouterr()
    assert code == 2
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert not (folder / "out").exists()
