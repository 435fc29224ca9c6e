"""Which settings show the attribute and keep the person? 24 people x 3 weights x 2 learning rates.

    python experiments/sweep/faces.py --faces ../shared/faces/lfw --out out/faces

Runs one sweep on LFW, after its dry run, and writes medians by setting. The contact sheet shows
the photos, so it stays in --out.
"""

import csv
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import jax
import numpy as np
import tyro

from facegen_jax.faces import image
from facegen_jax.faces.strip import strip
from facegen_jax.gallery.labels import load_gallery
from facegen_jax.gallery.sample import held_out
from facegen_jax.types import Image

ATTRIBUTES = ("Eyeglasses", "Smiling", "Senior", "Bangs")
WEIGHTS, RATES = (0.3, 1.0, 3.0), (0.01, 0.02)
Row = dict[str, str]
"""A row of results.csv."""


@dataclass(frozen=True)
class Config:
    """Sweep attribute weights and learning rates over held-out people."""

    faces: Path
    """LFW as a gallery folder."""
    out: Path = Path("out/faces")
    """Folder for the sweep and the contact sheet."""
    people: int = 24
    steps: int = 100
    results: Path = Path("experiments/sweep/faces.json")


def write_pairs(config: Config) -> None:
    """Pair one photo each of held-out people, spread over the alphabet, with the attributes."""
    gallery = load_gallery(config.faces)
    first: dict[str, int] = {}
    for row in np.flatnonzero(held_out(gallery)).tolist():
        first.setdefault(gallery.identities[row], row)
    rows = list(first.values())
    chosen = [rows[i] for i in np.linspace(0, len(rows) - 1, config.people).astype(int)]
    lines = [
        f"{gallery.path(row).resolve()},{ATTRIBUTES[index % len(ATTRIBUTES)]}"
        for index, row in enumerate(chosen)
    ]
    (config.out / "pairs.csv").write_text("\n".join(["reference,attribute", *lines, ""]))


def command(config: Config) -> list[str]:
    """Return the sweep's command line."""
    return [
        *(sys.executable, "-m", "facegen_jax.sweep"),
        *("--pairs", str(config.out / "pairs.csv")),
        *("--out", str(config.out / "runs")),
        *("--grid", f"weights.attribute={','.join(map(str, WEIGHTS))}"),
        f"learning-rate={','.join(map(str, RATES))}",
        *("--steps", str(config.steps)),
    ]


def contact_sheet(rows: list[Row], folder: Path) -> Image:
    """Draw a row for each person: the reference, then the result of each setting."""
    strips = []
    for name in dict.fromkeys(row["name"] for row in rows):
        own = sorted(
            (row for row in rows if row["name"] == name),
            key=lambda row: (float(row["weights.attribute"]), float(row["learning_rate"])),
        )
        reference = image.centre_square(image.load(own[0]["reference"]))
        results = [
            (
                f"{row['weights.attribute']} {row['learning_rate']}",
                image.load(folder / row["image"]),
            )
            for row in own
        ]
        strips.append(strip([(own[0]["attribute"], reference), *results], height=112))
    return np.concatenate(strips)


def medians(rows: list[Row], weight: float, rate: float) -> dict[str, float]:
    """Return the median scores of one setting."""
    own = [
        row
        for row in rows
        if float(row["weights.attribute"]) == weight and float(row["learning_rate"]) == rate
    ]
    scores = {
        name: round(float(np.median([float(row[name]) for row in own])), 3)
        for name in ("attribute_gain", "identity_similarity")
    }
    return {"weights.attribute": weight, "learning_rate": rate, "runs": len(own), **scores}


def main(config: Config) -> None:
    config.out.mkdir(parents=True, exist_ok=True)
    write_pairs(config)
    plan = subprocess.run(
        [*command(config), "--dry-run"], check=True, capture_output=True, text=True
    ).stdout
    print(plan)
    began = time.perf_counter()
    subprocess.run(command(config), check=True)
    seconds = time.perf_counter() - began
    with (config.out / "runs/results.csv").open() as file:
        rows = list(csv.DictReader(file))
    image.save(config.out / "sheet.png", contact_sheet(rows, config.out / "runs"))
    table = [medians(rows, weight, rate) for weight, rate in product(WEIGHTS, RATES)]
    print(*table, sep="\n")
    record = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {jax.devices()[0].device_kind}",
        "runs": len(rows),
        "seconds": round(seconds, 1),
        "dry_run": plan.splitlines(),
        "table": table,
    }
    config.results.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Config))
