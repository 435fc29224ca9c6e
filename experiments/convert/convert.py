"""Time and memory of converting full-size files.

    python experiments/convert/convert.py --work out/convert

Writes one random network of the published size in each layout, with the writers of the tests, and
converts it with the command line. Prints the seconds of the whole process, its peak resident
memory, and the ratio of that to the file's size. Resident memory includes the mapped file, and
Python and JAX themselves, whose share is printed first. Each file is deleted after its conversion;
the disk needs 1.2 GB of free space.
"""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from published_files import LAYOUTS, random_network


@dataclass
class Config:
    """Measure conversions at full size."""

    work: Path
    """Folder for temporary files."""
    out: Path = Path(__file__).parent / "results.json"
    """JSON file of results to write."""
    layouts: tuple[str, ...] = (
        "matconvnet-vlfeat",
        "matconvnet-vlfeat-compressed",
        "torch7-unfolded",
        "caffe-v1",
        "keras-rcmalli",
        "keras-deepface",
        "hdf5-flat",
        "pytorch-dag",
        "pytorch-dag-legacy",
        "tarball-matconvnet",
        "tarball-torch",
        "tarball-caffe",
        "own-safetensors",
        "own-npz-compressed",
    )
    """Layouts to convert, by their names in `tests/published_files`."""


CODE = """
import sys
from facegen_jax.convert.__main__ import main
code = main() if len(sys.argv) > 1 else 0
lines = open("/proc/self/status")
print("peak", next(line.split()[1] for line in lines if line.startswith("VmHWM")))
sys.exit(code)
"""
"""Runs the command, then prints the peak of its own memory.

`getrusage` would not do: its peak for a child includes the parent that was forked.
"""


def measure(*arguments: str) -> tuple[float, float]:
    """Return the seconds and peak megabytes of a conversion in a new process (Linux only)."""
    start = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-c", CODE, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return time.perf_counter() - start, int(process.stdout.split()[-1]) * 1024 / 1e6


def main(config: Config) -> None:
    config.work.mkdir(parents=True, exist_ok=True)
    seconds, base = measure()
    print(f"imports alone: {seconds:.1f} s, {base:.0f} MB")
    rows: dict[str, dict[str, float]] = {
        "imports alone": {"seconds": round(seconds, 1), "megabytes": round(base)}
    }
    network = random_network(np.random.default_rng(0))
    dest = config.work / "out.safetensors"
    for layout in (layout for layout in LAYOUTS if layout.name in config.layouts):
        source = config.work / layout.filename
        layout.write(source, network)
        size = source.stat().st_size / 1e6
        seconds, memory = measure(str(source), str(dest))
        rows[layout.name] = {
            "file_megabytes": round(size),
            "seconds": round(seconds, 1),
            "megabytes": round(memory),
            "ratio": round(memory / size, 2),
        }
        print(
            f"{layout.name:30} {size:6.0f} MB {seconds:6.1f} s {memory:6.0f} MB "
            f"= {memory / size:.2f} x the file",
            flush=True,
        )
        source.unlink()
        dest.unlink()
    config.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Config))
