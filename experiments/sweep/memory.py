"""Compare the memory that a dry run predicts with the peak that the sweep then reaches.

    python experiments/sweep/memory.py --faces ../shared/faces/lfw --out out/memory

The peak is the largest resident size of the sweep's process on CPUs, and the most that JAX had in
use on a device elsewhere.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import jax
import tyro

from facegen_jax.network import checkpoint, vgg_face

PUBLISHED = vgg_face.VGGFace((64, 128, 256, 512, 512), (4096, 4096, 2622))
CASES = (
    ("small", 112, 16, "adam"),
    ("small", 112, 128, "adam"),
    ("small", 112, 64, "lbfgs"),
    ("small", 224, 32, "adam"),
    ("published widths", 224, 2, "adam"),
    ("published widths", 224, 8, "adam"),
)
"""Network, side of the images, batch size, optimizer."""
MEASURED = """
import sys
from facegen_jax.descent import batch, devices
from facegen_jax.sweep.__main__ import main
code = main()
print("PEAK", batch.resident() * devices.sharing())
sys.exit(code)
"""
"""A sweep that prints its own peak at the end."""


@dataclass(frozen=True)
class Config:
    """Compare predicted with measured memory."""

    faces: Path
    """Folder of labelled faces."""
    out: Path = Path("out/memory")
    """Folder for everything that the script writes; it is emptied first."""
    results: Path = Path("experiments/sweep/memory.json")


def peak(arguments: list[str]) -> int:
    """Run a sweep; return its peak in bytes."""
    run = subprocess.run(
        [sys.executable, "-c", MEASURED, *arguments], capture_output=True, text=True, check=True
    )
    return int(run.stdout.split("PEAK ")[1])


def predicted(arguments: list[str]) -> float:
    """Run the sweep's dry run; return the bytes that it predicts."""
    run = subprocess.run(
        [sys.executable, "-m", "facegen_jax.sweep", *arguments, "--dry-run"],
        capture_output=True,
        text=True,
        check=True,
    )
    match = re.search(r"memory: ([0-9.]+) GB predicted", run.stdout)
    assert match, run.stdout
    return 1e9 * float(match[1])


def save_published(path: Path) -> None:
    """Write a random network as wide as VGG-Face, without its dense layers."""
    params = vgg_face.init_params(jax.random.key(0), PUBLISHED, 224)
    convolutions = {name: leaves for name, leaves in params.items() if name.startswith("conv")}
    metadata = {"network": "published widths", "image_size": "224"}
    checkpoint.save_network(path, convolutions, metadata)


def write_pairs(path: Path, images: list[Path]) -> None:
    """Make every face the reference of a pair, guided by the next one."""
    paths = [str(each.resolve()) for each in images]
    lines = [f"{a},{b}" for a, b in zip(paths, [*paths[1:], paths[0]], strict=True)]
    path.write_text("\n".join(["reference,guides", *lines, ""]))


def main(config: Config) -> None:
    shutil.rmtree(config.out, ignore_errors=True)
    config.out.mkdir(parents=True)
    published, pairs = config.out / "published.safetensors", config.out / "pairs.csv"
    save_published(published)
    images, rows = sorted((config.faces / "images").rglob("*.jpg")), []
    for index, (network, size, batch_size, optimizer) in enumerate(CASES):
        # Two batches: the second is prepared while the first is solved.
        write_pairs(pairs, images[: 2 * batch_size])
        arguments = [
            *("--pairs", str(pairs), "--out", str(config.out / str(index))),
            *("--params", "small" if network == "small" else str(published), "--align", "none"),
            *("--size", str(size), "--batch-size", str(batch_size)),
            *("--optimizer", optimizer, "--steps", "2", "--quiet"),
        ]
        expected, used = predicted(arguments), peak(arguments)
        rows.append(
            {
                "network": network,
                "size": size,
                "batch": batch_size,
                "optimizer": optimizer,
                "predicted": round(expected / 1e9, 2),
                "taken": round(used / 1e9, 2),
                "ratio": round(expected / used, 2),
            }
        )
        print(rows[-1], flush=True)
    record = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {jax.devices()[0].device_kind}",
        "rows": rows,
    }
    config.results.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Config))
