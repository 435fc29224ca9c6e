"""Sweeps as processes: one-line errors, signals, kills, several devices and hosts."""

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
from facegen_jax.sweep.__main__ import main

OPTIONS = ("--params", "tiny.safetensors", "--align", "none", "--batch-size", "4", "--quiet")
GRID = ("--grid", "weights.attribute=0.1,1,10", "learning-rate=0.002,0.004")


def start(folder: Path, *options: str, devices: int = 1) -> subprocess.Popen:
    environment = os.environ | {
        "XLA_FLAGS": f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}",
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
    assert len(lines) == len(rows) == len({row["id"] for row in rows})  # no run was done twice
    return {row["id"]: row for row in rows}


def assert_same(out: Path, other: Path) -> None:
    """Check that two sweeps have the same runs, with the same losses and images."""
    rows, other_rows = table(out), table(other)
    assert rows.keys() == other_rows.keys()
    for id, row in rows.items():
        assert row["loss.last"] == other_rows[id]["loss.last"]
        np.testing.assert_array_equal(
            image.load(out / row["image"]), image.load(other / row["image"])
        )


SINGLE_EDITS = """
import dataclasses, sys
from pathlib import Path
import jax, numpy as np
from facegen_jax.edit.engine import edit
from facegen_jax.faces import image
from facegen_jax.network.checkpoint import load_network
from facegen_jax.sweep import Sweep
from facegen_jax.sweep.plan import make_plan

assert jax.local_device_count() == 8
config = Sweep(
    Path("pairs.csv"),
    Path("eight"),
    tuple(sys.argv[1:]),
    params="tiny.safetensors",
    align="none",
    steps=15,
)
plan = make_plan(config, load_network(config.params))
for run in plan.groups[0].runs[::9]:
    edit(dataclasses.replace(plan.edit(run), out=Path("alone.png"), params=config.params))
    np.testing.assert_array_equal(image.load("alone.png"), image.load(f"eight/images/{run.id}.png"))
print("same")
"""
"""Compares some runs of the sweep `eight` with single edits."""


@pytest.mark.long
def test_eight_devices_give_the_images_of_single_edits(folder):
    """Both see eight devices, because XLA rounds differently with more threads than cores."""
    assert run(folder, *GRID, "--steps", "15", "--out", "eight", devices=8) == (0, "")
    assert len(table(folder / "eight")) == 24
    environment = os.environ | {
        "XLA_FLAGS": f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=8",
        "JAX_PLATFORMS": "cpu",
    }
    edits = subprocess.run(
        [sys.executable, "-c", SINGLE_EDITS, *GRID[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert edits.stdout == "same\n", edits.stderr


def start_job(folder: Path, count: int, *options: str) -> list[subprocess.Popen]:
    """Start the processes of one distributed sweep, all on this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    job = ("--distributed", "--coordinator", f"127.0.0.1:{port}", "--processes", str(count))
    return [start(folder, *options, *job, "--process", str(number)) for number in range(count)]


def exit_codes(processes: list[subprocess.Popen]) -> list[int]:
    """Wait for processes; return their exit codes."""
    for process in processes:
        process.communicate(timeout=300)
    return [process.returncode for process in processes]


@pytest.mark.long
def test_two_processes_of_a_job_equal_one_process(folder):
    assert run(folder, *GRID, "--steps", "15", "--out", "one")[0] == 0
    assert exit_codes(start_job(folder, 2, *GRID, "--steps", "15", "--out", "two")) == [0, 0]
    assert sorted(path.name for path in (folder / "two").glob("results.*.jsonl")) == [
        "results.0-of-2.jsonl",
        "results.1-of-2.jsonl",
    ]
    assert_same(folder / "one", folder / "two")


@pytest.mark.long
def test_runs_of_a_killed_process_are_done_by_the_next_job(folder):
    options = (*GRID, "--steps", "2000", "--checkpoint-steps", "100", "--batch-size", "2")
    assert run(folder, *options, "--out", "one")[0] == 0
    processes = start_job(folder, 4, *options, "--out", "four")
    wait_for(folder / "four", "checkpoints.2-of-4/*.npz")
    processes[2].kill()
    # Process 0 reports missing runs, the others finish theirs.
    assert exit_codes(processes) == [1, 0, -signal.SIGKILL, 0]
    assert len(table(folder / "four")) < 24
    assert exit_codes(start_job(folder, 4, *options, "--out", "four")) == [0] * 4
    assert_same(folder / "one", folder / "four")


def wait_for(folder: Path, pattern: str) -> None:
    """Wait until a file appears."""
    deadline = time.monotonic() + 120
    while not any(folder.glob(pattern)):
        assert time.monotonic() < deadline, f"no {pattern}"
        time.sleep(0.05)


@pytest.mark.long
def test_a_terminated_sweep_saves_and_resumes(folder):
    options = ("--steps", "600", "--grid", "learning-rate=0.002")
    assert run(folder, *options, "--out", "whole")[0] == 0
    process = start(folder, *options, "--out", "ended", "--checkpoint-steps", "50")
    wait_for(folder / "ended", "checkpoints/*.npz")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    message = (
        "stopped with 0 runs done and 4 left; to continue, repeat: python -m facegen_jax.sweep"
    )
    assert re.search(rf"{message} --pairs", errors)
    assert "Traceback" not in errors
    assert run(folder, *options, "--out", "ended")[0] == 0
    assert_same(folder / "whole", folder / "ended")


def kill_sweeps(folder: Path, count: int, steps: int) -> None:
    """Kill sweeps at random moments, `count` times in all, and resume each until it is done.

    Each must end with the results of an undisturbed sweep.
    """
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
def test_sweeps_killed_twenty_times_end_with_the_same_results(folder):
    kill_sweeps(folder, 20, 600)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--grid", "weights.atribute=1"), "did you mean 'weights.attribute'"),
        (("--shard", "4/4"), "as in 0/4 to 3/4"),
        (("--batch-size", "0"), "at least 1"),
        (("--batch-size", "many"), "batch-size"),
        (("--strength", "1,2"), "--grid strength"),
        (("--steps", "0"), "line 2: --steps must be from 1"),
        (("--attribute", "Smiling"), "line 2: give either --guides"),
        (("--optimizer", "rmsprop"), "line 2: --optimizer rmsprop: unknown; expected adam, sgd"),
        (("--pairs", "none.csv"), "no such table"),
        (("--params", "none.safetensors"), "none.safetensors"),
        (("--out", "pairs.csv"), "is a file"),
        (("--distributed", "--coordinator", "x:1"), "must be given together"),
        (("--fail-fast", "--max-failures", "3"), "either --fail-fast"),
    ],
)
def test_bad_input_prints_one_line_and_writes_nothing(
    folder, options, message, monkeypatch, capsys
):
    monkeypatch.chdir(folder)
    arguments = ["--pairs", "pairs.csv", "--out", "out", *OPTIONS]
    for option in options[::2]:
        if option in arguments:
            del arguments[arguments.index(option) : arguments.index(option) + 2]
    monkeypatch.setattr(sys, "argv", ["sweep", *arguments, *options])
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        code = main()
    except SystemExit as exit_:
        code = exit_.code
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    captured = capsys.readouterr()
    assert code == 2
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert not (folder / "out").exists()
