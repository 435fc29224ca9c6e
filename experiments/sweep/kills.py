"""Kill sweeps at random moments and check that nothing is lost, doubled or changed.

    python experiments/sweep/kills.py

Two processes share a sweep with an objective of its own, a part each. Rounds begin with an empty
folder; until the sweep is complete, its processes are killed at a random time (SIGKILL, SIGTERM) or
their disk is full (a small file system of its own, where the system allows to mount one; otherwise
files may not grow any further). After each kill every run that was done before must still be there,
once, with its image; a complete sweep must equal one that nobody disturbed, to the last bit.
"""

import csv
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import tyro

import facegen_jax as fg
from facegen_jax.network import checkpoint
from facegen_jax.network.vgg_face import VGGFace, init_params

OBJECTIVE = """
import dataclasses
import jax.numpy as jnp
import facegen_jax as fg

@dataclasses.dataclass(frozen=True)
class Darker(fg.Term):
    layers: tuple[str, ...] = ("image",)

    def __call__(self, features, targets):
        return jnp.mean(features["image"] ** 2)

objective = fg.Identity(("conv3_3",)) + fg.Attribute(("conv2_2",)) + 0.1 * Darker()
"""
INPUTS = ("--pairs", "pairs.csv", "--params", "tiny.safetensors", "--align", "none")
GRID = ("--grid", "weights.darker=0.1,1", "seed=0..3", "noise=0.05")
SOLVER = ("--objective", "darker.py:objective", "--steps", "60", "--checkpoint-steps", "20")
SWEEP = (*INPUTS, *GRID, *SOLVER, "--batch-size", "4", "--quiet")
PARTS = ("0/2", "1/2")
Done = dict[str, tuple[str, ...]]
"""What every run has left behind, by its id: status, losses, digest of its image."""
MISHAPS = ("SIGKILL", "SIGTERM", "full disk")
DISK = 16 << 20
"""Bytes of the file system that is filled."""


@dataclass(frozen=True)
class Config:
    """Kill sweeps."""

    kills: int = 100
    seed: int = 0
    earliest: float = 0.4
    """Kills come at a random time between this share of the undisturbed sweep's time, and all of
    it: much of the first half goes by before the first step."""


def write_inputs(folder: Path) -> None:
    """Write a tiny random network, eight pictures, their pairs and an objective."""
    module = VGGFace((4, 6, 8, 8, 8), (12, 10, 3))
    params = init_params(jax.random.key(0), module, 32)
    metadata = {"network": "tiny", "image_size": "32"}
    checkpoint.save_network(folder / "tiny.safetensors", params, metadata)
    for number, key in enumerate(jax.random.split(jax.random.key(1), 8)):
        coarse = jax.random.uniform(key, (8, 8, 3))
        picture = jax.image.resize(coarse, (32, 32, 3), "cubic").clip(0, 1)
        fg.save_image(folder / f"{number}.png", np.asarray(picture))
    pairs = "".join(f"{number}.png,{(number + 1) % 8}.png\n" for number in range(8))
    (folder / "pairs.csv").write_text(f"reference,guides\n{pairs}")
    (folder / "darker.py").write_text(OBJECTIVE)


def start(
    folder: Path, out: Path, part: str, largest: int = resource.RLIM_INFINITY
) -> subprocess.Popen:
    """Start one part; `largest` limits the bytes of each file that it writes."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    command = [sys.executable, "-m", "facegen_jax.sweep", *SWEEP, "--out", str(out)]
    return subprocess.Popen(
        [*command, "--shard", part],
        cwd=folder,
        preexec_fn=limit if largest != resource.RLIM_INFINITY else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def done(out: Path) -> Done:
    """Read what every run has left behind."""
    found: Done = {}
    for path in sorted(out.glob("results*.jsonl")):
        *lines, rest = path.read_text().split("\n")
        del rest  # a line that a kill cut short does not count
        for line in lines:
            row = json.loads(line)
            assert row["id"] not in found, f"{row['id']} was done twice"
            content = (out / row["image"]).read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            found[row["id"]] = (row["status"], json.dumps(row["parts"]), digest)
    return found


def disturb(processes: list[subprocess.Popen], mishap: str, out: Path, wait: float) -> None:
    """Let one mishap happen to processes after a while, and wait for their end."""
    deadline = time.monotonic() + wait
    while time.monotonic() < deadline and any(each.poll() is None for each in processes):
        time.sleep(0.01)
    if mishap == "full disk" and os.path.ismount(out):
        fill(out)
    else:
        for each in processes:
            each.send_signal(getattr(signal, mishap, signal.SIGTERM))
    for each in processes:
        text, _ = each.communicate(timeout=300)
        assert "Traceback" not in text, text
    (out / "ballast").unlink(missing_ok=True)


def fill(out: Path) -> None:
    with (out / "ballast").open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


def mounted(out: Path) -> bool:
    """Mount a small file system there, if the system allows."""
    size = f"size={DISK}"
    command = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(out)]
    return (
        shutil.which("mount") is not None
        and not subprocess.run(command, stderr=subprocess.DEVNULL).returncode
    )


def complete(folder: Path, out: Path) -> float:
    """Run both parts to their ends; return the seconds that they take."""
    began = time.monotonic()
    for process in [start(folder, out, part) for part in PARTS]:
        text, _ = process.communicate(timeout=600)
        assert process.returncode == 0, text
    return time.monotonic() - began


def round_of_kills(
    folder: Path,
    expected: Done,
    times: tuple[float, float],
    rng: random.Random,
    left: int,
) -> Counter[str]:
    """Kill one sweep until it is complete, or no kills are left; return the mishaps."""
    out, happened = folder / "out", Counter[str]()
    out.mkdir()
    is_mounted, before = mounted(out), Done()
    try:
        while len(before) < len(expected) and happened.total() < left:
            mishap = rng.choice(MISHAPS)
            largest = 2000 if mishap == "full disk" and not is_mounted else resource.RLIM_INFINITY
            processes = [start(folder, out, part, largest) for part in PARTS]
            disturb(processes, mishap, out, rng.uniform(*times))
            after = done(out)
            assert before.items() <= after.items(), f"lost or changed after {mishap}"
            happened[mishap] += 1
            print(f"{mishap}: {len(after)} of {len(expected)} runs done", flush=True)
            before = after
        complete(folder, out)
        assert done(out) == expected, "not what an undisturbed sweep finds"
        with (out / "results.csv").open() as file:
            assert sorted(row["id"] for row in csv.DictReader(file)) == sorted(expected)
    finally:
        if is_mounted:
            subprocess.run(["umount", str(out)], check=True)
    shutil.rmtree(out)
    return happened


def main(config: Config) -> None:
    rng, happened, rounds = random.Random(config.seed), Counter[str](), 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder)
        complete(folder, folder / "compiles")
        longest = complete(folder, folder / "undisturbed")
        times = config.earliest * longest, longest
        expected = done(folder / "undisturbed")
        while happened.total() < config.kills:
            left = config.kills - happened.total()
            happened += round_of_kills(folder, expected, times, rng, left)
            rounds += 1
    kinds = ", ".join(f"{count} {name}" for name, count in sorted(happened.items()))
    print(f"{happened.total()} kills of two processes each ({kinds}) in {rounds} sweeps of")
    print(f"{len(expected)} runs: none lost, none doubled, all equal to the undisturbed sweep.")


if __name__ == "__main__":
    main(tyro.cli(Config))
