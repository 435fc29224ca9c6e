"""Ten thousand tiny problems in one sweep: what a run costs beside its descent, what resuming and the table cost, what lies on the disk.

python experiments/sweep/scale.py --out out/scale
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import tyro

from facegen_jax.faces import image
from facegen_jax.network import checkpoint, vgg_face
from facegen_jax.network.checkpoint import load_network
from facegen_jax.sweep import Sweep
from facegen_jax.sweep.plan import make_plan


@dataclass(frozen=True)
class Config:
    """Sizes of the trial."""

    out: Path = Path("out/scale")
    """Folder for everything; what is in it is removed first."""
    pictures: int = 100
    settings: int = 100
    """Noise seeds tried with each picture."""
    steps: int = 20
    planned: int = 100_000
    """Runs that are planned, not run, for the time that takes."""
    results: Path = Path("experiments/sweep/scale.json")


def inputs(config: Config) -> None:
    """A tiny random network, smooth pictures of 32x32 pixels, and their pairs."""
    module = vgg_face.VGGFace((4, 6, 8, 8, 8), (12, 10, 3))
    checkpoint.save_network(
        config.out / "tiny.safetensors",
        vgg_face.init_params(jax.random.key(0), module, 32),
        {"network": "tiny", "image_size": "32"},
    )
    rng = np.random.default_rng(0)
    across, down = np.linspace(0, 6, 32)[:, None, None], np.linspace(0, 4, 32)[None, :, None]
    for number in range(config.pictures):
        waves = np.sin(across + rng.uniform(0, 6, 3)) * np.cos(down + rng.uniform(0, 6, 3))
        image.save(config.out / f"{number}.png", (0.5 + 0.3 * waves).astype(np.float32))
    rows = [
        f"{number}.png,{(number + 1) % config.pictures}.png" for number in range(config.pictures)
    ]
    (config.out / "pairs.csv").write_text("\n".join(["reference,guides", *rows, ""]))


def command(config: Config) -> list[str]:
    """The sweep."""
    options = f"--align none --noise 0.02 --steps {config.steps} --batch-size 100 --quiet".split()
    files = [
        "--pairs",
        str(config.out / "pairs.csv"),
        "--params",
        str(config.out / "tiny.safetensors"),
        "--out",
        str(config.out / "runs"),
    ]
    return [
        sys.executable,
        "-m",
        "facegen_jax.sweep",
        *files,
        *options,
        "--grid",
        f"seed=1..{config.settings}",
    ]


def timed(arguments: list[str], expected: int = 0) -> float:
    """Seconds that a command takes as a whole process."""
    began = time.perf_counter()
    code = subprocess.run(arguments, check=False).returncode
    assert code == expected, code
    return time.perf_counter() - began


def planning(config: Config) -> float:
    """Seconds to plan many runs: ids, checks and groups."""
    seeds = config.planned // config.pictures
    sweep = Sweep(
        config.out / "pairs.csv",
        config.out / "none",
        (f"seed=1..{seeds}",),
        params=str(config.out / "tiny.safetensors"),
        align="none",
        noise=0.02,
    )
    network = load_network(sweep.params)
    began = time.perf_counter()
    assert make_plan(sweep, network).total == config.planned
    return time.perf_counter() - began


def main(config: Config) -> None:
    shutil.rmtree(config.out, ignore_errors=True)
    config.out.mkdir(parents=True)
    inputs(config)
    runs, whole, again = (
        config.pictures * config.settings,
        timed(command(config)),
        timed(command(config)),
    )
    files = [path for path in (config.out / "runs").rglob("*") if path.is_file()]
    lines = (config.out / "runs/results.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert len({row["id"] for row in rows}) == len(rows) == runs
    assert all(row["status"] == "ok" for row in rows)
    found = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {jax.devices()[0].platform}",
        "runs": runs,
        "seconds": round(whole, 1),
        "milliseconds_a_run": round(1000 * whole / runs, 1),
        "of_these": {
            name: round(1000 * float(np.median([row["seconds"][name] for row in rows])), 1)
            for name in ("prepare", "run", "finish")
        },
        "seconds_to_find_nothing_left": round(again, 1),
        "seconds_to_plan": {str(config.planned): round(planning(config), 1)},
        "bytes_a_run": {
            name: round(sum(path.stat().st_size for path in files if path.suffix == ending) / runs)
            for name, ending in (
                ("picture", ".png"),
                ("trace", ".npz"),
                ("line", ".jsonl"),
                ("row", ".csv"),
            )
        },
        "most_files_in_a_folder": max(
            sum(1 for _ in folder.iterdir())
            for folder in (config.out / "runs").rglob("*")
            if folder.is_dir()
        ),
    }
    print(json.dumps(found, indent=2))
    config.results.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Config))
