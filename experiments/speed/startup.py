"""Measure how long commands take to start: help, the first edit ever, and the next one.

    python experiments/speed/startup.py

Every command is a process of its own. The first edit begins with an empty cache, the next finds
the compiled programs there. Both edit the demo's portrait, aligned already. The table gives medians
of wall-clock time, and of processor time over all cores, which other jobs disturb less.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import tyro

from facegen_jax import cache
from facegen_jax.faces import image

sys.path.insert(0, str(Path(__file__).parents[1] / "demo"))
from demo import portrait


@dataclass
class Config:
    """Measure how long commands take to start."""

    repeats: int = 3
    steps: int = 100
    """Steps of the edits."""
    attribute: str = "Smiling"


def seconds(arguments: list[str], folder: Path) -> tuple[float, float]:
    """Run the edit command; return its wall-clock and processor time."""
    environment = os.environ | {cache.VARIABLE: str(folder)}
    used, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "facegen_jax", *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        env=environment,
    )
    wall, total = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, total.ru_utime + total.ru_stime - used.ru_utime - used.ru_stime


def main(config: Config) -> None:
    times: dict[str, list[tuple[float, float]]] = {"--help": [], "first edit": [], "next edit": []}
    for _ in range(config.repeats):
        with tempfile.TemporaryDirectory() as name:
            folder, reference = Path(name), Path(name) / "reference.png"
            image.save(reference, portrait())
            edit = ["--reference", str(reference), "--out", str(folder / "out.png")]
            edit += ["--attribute", config.attribute, "--steps", str(config.steps)]
            edit += ["--align", "none"]
            for label, arguments in zip(times, (["--help"], edit, edit), strict=True):
                times[label].append(seconds(arguments, folder / "cache"))
    print(f"{os.cpu_count()} cores; medians of {config.repeats}, seconds\n")
    print("| command | wall clock | processor |\n|---|---|---|")
    for label, found in times.items():
        wall, used = (statistics.median(each) for each in zip(*found, strict=True))
        print(f"| {label} | {wall:.2f} | {used:.2f} |")


if __name__ == "__main__":
    main(tyro.cli(Config))
