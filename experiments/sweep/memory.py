"""The memory that a dry run predicts, against what the sweep then takes at most.

    python experiments/sweep/memory.py --faces ../shared/faces/lfw --out out/memory

On CPUs the sweep's peak is the largest resident size of its process, on accelerators the most that JAX had in use on a device.
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


@dataclass(frozen=True)
class Config:
    """Where faces are and results go."""

    faces: Path
    """Folder of labelled faces."""
    out: Path = Path("out/memory")
    """Folder for everything; what is in it is removed first."""
    results: Path = Path("experiments/sweep/memory.json")


def peak(arguments: list[str]) -> int:
    """Bytes that a sweep took at most, told by the process itself when it is done."""
    script = "import sys; from facegen_jax import batch; from facegen_jax.sweep.__main__ import main; code = main(); print('PEAK', batch.resident()); sys.exit(code)"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    return int(done.stdout.split("PEAK ")[1])


def predicted(arguments: list[str]) -> float:
    """Bytes that its dry run tells."""
    done = subprocess.run(
        [sys.executable, "-m", "facegen_jax.sweep", *arguments, "--dry-run"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"memory: ([0-9.]+) GB predicted", done.stdout)
    assert found, done.stdout
    return 1e9 * float(found[1])


def main(config: Config) -> None:
    shutil.rmtree(config.out, ignore_errors=True)
    config.out.mkdir(parents=True)
    params = vgg_face.init_params(jax.random.key(0), PUBLISHED, 224)
    convolutions = {name: each for name, each in params.items() if name.startswith("conv")}
    checkpoint.save_network(
        config.out / "published.safetensors",
        convolutions,
        {"network": "published widths", "image_size": "224"},
    )
    del params, convolutions
    pictures = sorted((config.faces / "images").rglob("*.jpg"))
    rows = []
    for number, (name, size, batch_size, optimizer) in enumerate(CASES):
        chosen = [
            str(path.resolve()) for path in pictures[: 2 * batch_size]
        ]  # two batches: the second is prepared beside the first
        guides = [
            f"{one},{other}" for one, other in zip(chosen, [*chosen[1:], chosen[0]], strict=True)
        ]
        (config.out / "pairs.csv").write_text("\n".join(["reference,guides", *guides, ""]))
        network = "small" if name == "small" else str(config.out / "published.safetensors")
        files = [
            "--pairs",
            str(config.out / "pairs.csv"),
            "--out",
            str(config.out / str(number)),
            "--params",
            network,
            "--align",
            "none",
        ]
        options = [
            "--size",
            str(size),
            "--batch-size",
            str(batch_size),
            "--optimizer",
            optimizer,
            "--steps",
            "2",
            "--quiet",
        ]
        told, taken = predicted(files + options), peak(files + options)
        rows.append(
            {
                "network": name,
                "size": size,
                "batch": batch_size,
                "optimizer": optimizer,
                "predicted": round(told / 1e9, 2),
                "taken": round(taken / 1e9, 2),
                "ratio": round(told / taken, 2),
            }
        )
        print(rows[-1], flush=True)
    found = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {jax.devices()[0].device_kind}",
        "rows": rows,
    }
    config.results.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Config))
