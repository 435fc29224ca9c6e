"""Ten thousand tiny problems in one sweep: overhead per run, cost of resuming, disk use.

    python experiments/sweep/scale.py --out out/scale

The network and the images are so small that nearly all of the time is overhead, not descent.
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
    """Measure what a sweep of many tiny runs costs."""

    out: Path = Path("out/scale")
    """Folder for everything that the script writes; it is emptied first."""
    pictures: int = 100
    """Number of images."""
    settings: int = 100
    """Noise seeds per image."""
    steps: int = 20
    planned: int = 100_000
    """Runs of the sweep that is only planned, to time the planning."""
    results: Path = Path("experiments/sweep/scale.json")


def write_inputs(config: Config) -> None:
    """Write a tiny random network, smooth images of 32x32 pixels, and their pairs."""
    module = vgg_face.VGGFace((4, 6, 8, 8, 8), (12, 10, 3))
    checkpoint.save_network(
        config.out / "tiny.safetensors",
        vgg_face.init_params(jax.random.key(0), module, 32),
        {"network": "tiny", "image_size": "32"},
    )
    rng = np.random.default_rng(0)
    rows, columns = np.linspace(0, 6, 32)[:, None, None], np.linspace(0, 4, 32)[None, :, None]
    for index in range(config.pictures):
        waves = np.sin(rows + rng.uniform(0, 6, 3)) * np.cos(columns + rng.uniform(0, 6, 3))
        image.save(config.out / f"{index}.png", (0.5 + 0.3 * waves).astype(np.float32))
    lines = [f"{index}.png,{(index + 1) % config.pictures}.png" for index in range(config.pictures)]
    (config.out / "pairs.csv").write_text("\n".join(["reference,guides", *lines, ""]))


def command(config: Config) -> list[str]:
    """Return the sweep's command line."""
    return [
        *(sys.executable, "-m", "facegen_jax.sweep"),
        *("--pairs", str(config.out / "pairs.csv")),
        *("--params", str(config.out / "tiny.safetensors")),
        *("--out", str(config.out / "runs")),
        *("--align", "none", "--noise", "0.02", "--steps", str(config.steps)),
        *("--batch-size", "100", "--quiet"),
        *("--grid", f"seed=1..{config.settings}"),
    ]


def seconds_of(arguments: list[str]) -> float:
    """Return the seconds that a command takes, including the start of its process."""
    began = time.perf_counter()
    subprocess.run(arguments, check=True)
    return time.perf_counter() - began


def planning_seconds(config: Config) -> float:
    """Return the seconds that planning takes: ids, checks and groups."""
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


def read_rows(config: Config) -> list[dict]:
    """Return all results, after checking that every run succeeded once."""
    lines = (config.out / "runs/results.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert len({row["id"] for row in rows}) == len(rows) == config.pictures * config.settings
    assert all(row["status"] == "ok" for row in rows)
    return rows


def disk_use(folder: Path, runs: int) -> dict[str, object]:
    """Return the bytes per run by kind of file, and the size of the largest folder."""
    paths = list(folder.rglob("*"))
    files, folders = [p for p in paths if p.is_file()], [p for p in paths if p.is_dir()]
    suffixes = {"picture": ".png", "trace": ".npz", "line": ".jsonl", "row": ".csv"}
    return {
        "bytes_a_run": {
            name: round(sum(p.stat().st_size for p in files if p.suffix == suffix) / runs)
            for name, suffix in suffixes.items()
        },
        "most_files_in_a_folder": max(sum(1 for _ in each.iterdir()) for each in folders),
    }


def main(config: Config) -> None:
    shutil.rmtree(config.out, ignore_errors=True)
    config.out.mkdir(parents=True)
    write_inputs(config)
    first, again = seconds_of(command(config)), seconds_of(command(config))
    rows = read_rows(config)
    record = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {jax.devices()[0].platform}",
        "runs": len(rows),
        "seconds": round(first, 1),
        "milliseconds_a_run": round(1000 * first / len(rows), 1),
        "of_these": {
            name: round(1000 * float(np.median([row["seconds"][name] for row in rows])), 1)
            for name in ("prepare", "run", "finish")
        },
        "seconds_to_find_nothing_left": round(again, 1),
        "seconds_to_plan": {str(config.planned): round(planning_seconds(config), 1)},
        **disk_use(config.out / "runs", len(rows)),
    }
    print(json.dumps(record, indent=2))
    config.results.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Config))
