"""24 people of LFW x 3 attribute weights x 2 learning rates as one sweep: which setting shows the attribute and keeps the person?

    python experiments/sweep/faces.py --faces ../shared/faces/lfw --out out/faces

Prints the command and its dry run, runs it, and writes medians by setting; the contact sheet shows the photos, so it stays in --out.
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

ATTRIBUTES = ("Eyeglasses", "Smiling", "Senior", "Bangs")
WEIGHTS, RATES = (0.3, 1.0, 3.0), (0.01, 0.02)


@dataclass(frozen=True)
class Config:
    """Where faces are and results go."""

    faces: Path
    """LFW as a gallery folder."""
    out: Path = Path("out/faces")
    people: int = 24
    steps: int = 100
    results: Path = Path("experiments/sweep/faces.json")


def write_pairs(config: Config) -> None:
    """One photo of each of some held-out people, spread over the alphabet, with the attributes in turn."""
    gallery = load_gallery(config.faces)
    first: dict[str, int] = {}
    for place in np.flatnonzero(held_out(gallery)).tolist():
        first.setdefault(gallery.identities[place], place)
    chosen = [
        list(first.values())[i] for i in np.linspace(0, len(first) - 1, config.people).astype(int)
    ]
    rows = [
        f"{gallery.path(place).resolve()},{ATTRIBUTES[number % len(ATTRIBUTES)]}"
        for number, place in enumerate(chosen)
    ]
    (config.out / "pairs.csv").write_text("\n".join(["reference,attribute", *rows, ""]))


def sheet(rows: list[dict[str, str]], folder: Path) -> np.ndarray:
    """Every person in a row: the reference, then each setting."""
    names = list(dict.fromkeys(row["name"] for row in rows))
    lines = []
    for name in names:
        own = sorted(
            (row for row in rows if row["name"] == name),
            key=lambda row: (float(row["weights.attribute"]), float(row["learning_rate"])),
        )
        pictures = [
            (
                f"{row['weights.attribute']} {row['learning_rate']}",
                image.load(folder / row["image"]),
            )
            for row in own
        ]
        lines.append(
            strip(
                [
                    (own[0]["attribute"], image.centre_square(image.load(own[0]["reference"]))),
                    *pictures,
                ],
                height=112,
            )
        )
    return np.concatenate(lines)


def main(config: Config) -> None:
    config.out.mkdir(parents=True, exist_ok=True)
    write_pairs(config)
    grid = [
        f"weights.attribute={','.join(map(str, WEIGHTS))}",
        f"learning-rate={','.join(map(str, RATES))}",
    ]
    files = ["--pairs", str(config.out / "pairs.csv"), "--out", str(config.out / "runs")]
    command = [
        sys.executable,
        "-m",
        "facegen_jax.sweep",
        *files,
        "--grid",
        *grid,
        "--steps",
        str(config.steps),
    ]
    plan = subprocess.run(
        [*command, "--dry-run"], check=True, capture_output=True, text=True
    ).stdout
    print(plan)
    began = time.perf_counter()
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - began
    with (config.out / "runs/results.csv").open() as file:
        rows = list(csv.DictReader(file))
    image.save(config.out / "sheet.png", sheet(rows, config.out / "runs"))
    table = []
    for weight, rate in product(WEIGHTS, RATES):
        own = [
            row
            for row in rows
            if float(row["weights.attribute"]) == weight and float(row["learning_rate"]) == rate
        ]
        medians = {
            name: round(float(np.median([float(row[name]) for row in own])), 3)
            for name in ("attribute_gain", "identity_similarity")
        }
        table.append(
            {"weights.attribute": weight, "learning_rate": rate, "runs": len(own), **medians}
        )
        print(table[-1])
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {jax.devices()[0].device_kind}"
    found = {
        "machine": machine,
        "runs": len(rows),
        "seconds": round(seconds, 1),
        "dry_run": plan.splitlines(),
        "table": table,
    }
    config.results.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Config))
