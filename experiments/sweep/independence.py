"""Does a face's picture depend on the batch that it is solved in, and what does it cost that it does not?

    python experiments/sweep/independence.py --faces ../shared/faces/lfw

On CPUs the problems of a batch are solved one after the other inside the compiled program. The other way, all at once as on accelerators, is tried beside it.
"""

import json
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jax
import numpy as np
import tyro

from facegen_jax import load_network, stack
from facegen_jax.edit.material import assemble, gather, program
from facegen_jax.edit.settings import Edit


@dataclass(frozen=True)
class Config:
    """Where faces are and results go."""

    faces: Path
    """LFW as a gallery folder."""
    people: int = 4
    steps: int = 100
    results: Path = Path("experiments/sweep/independence.json")


def compare(
    config: Config, optimizer: Literal["adam", "sgd", "lbfgs"], at_once: bool
) -> dict[str, object]:
    """Largest difference between faces alone and the same in one batch, and the time of both."""
    network = load_network()
    paths = sorted((config.faces / "images").rglob("*_0001.jpg"))[: config.people]
    edits = [
        Edit(path, Path("out.png"), attribute="Smiling", optimizer=optimizer, steps=config.steps)
        for path in paths
    ]
    problems = [assemble(edit, network, gather(edit, network)) for edit in edits]
    solver = program(edits[0], network)
    backend = jax.default_backend
    try:
        if at_once:
            jax.default_backend = lambda: "at once"
        jax.clear_caches()
        solver.compile(network.params, problems[0])
        solver.run_stacked(network.params, stack(problems))
        began = time.perf_counter()
        alone = [solver.run(network.params, problem).image for problem in problems]
        between = time.perf_counter()
        together = [
            solution.image for solution in solver.run_stacked(network.params, stack(problems))
        ]
        ended = time.perf_counter()
    finally:
        jax.default_backend = backend
    edited = len(problems) * config.steps
    return {
        "optimizer": optimizer,
        "in a batch": "at once" if at_once else "one after the other",
        "largest_difference": round(
            float(
                max(np.abs(one - other).max() for one, other in zip(alone, together, strict=True))
            ),
            6,
        ),
        "milliseconds_a_step": {
            "alone": round(1000 * (between - began) / edited, 1),
            "in a batch": round(1000 * (ended - between) / edited, 1),
        },
    }


def main(config: Config) -> None:
    rows = []
    for optimizer in ("adam", "sgd", "lbfgs"):
        for at_once in (False, True):
            rows.append(compare(config, optimizer, at_once))
            print(rows[-1], flush=True)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {jax.devices()[0].device_kind}"
    config.results.write_text(
        json.dumps(
            {"machine": machine, "people": config.people, "steps": config.steps, "rows": rows},
            indent=2,
        )
        + "\n"
    )


if __name__ == "__main__":
    main(tyro.cli(Config))
