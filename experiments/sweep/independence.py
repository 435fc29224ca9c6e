"""Does a face's result depend on the batch that it is solved in, and what does independence cost?

    python experiments/sweep/independence.py --faces ../shared/faces/lfw

On CPUs the compiled program solves the problems of a batch one after the other. This script also
times the alternative, which accelerators use: all of them at once.
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

from facegen_jax import Solver, load_network, stack
from facegen_jax.descent.problem import Problem
from facegen_jax.edit.material import gather, program
from facegen_jax.edit.request import Request, resolve
from facegen_jax.edit.settings import Edit
from facegen_jax.edit.stacking import assemble
from facegen_jax.network.protocol import Network

OptimizerName = Literal["adam", "sgd", "lbfgs"]


@dataclass(frozen=True)
class Config:
    """Compare faces solved alone with the same faces solved in a batch."""

    faces: Path
    """LFW as a gallery folder."""
    people: int = 4
    steps: int = 100
    results: Path = Path("experiments/sweep/independence.json")


def edit_requests(config: Config, optimizer: OptimizerName) -> list[Request]:
    """Return the same edit of the first photo of several people."""
    paths = sorted((config.faces / "images").rglob("*_0001.jpg"))[: config.people]
    return [
        resolve(
            Edit(
                path,
                Path("out.png"),
                attribute="Smiling",
                optimizer=optimizer,
                steps=config.steps,
            )
        )
        for path in paths
    ]


def timed_solutions(
    solver: Solver, network: Network, problems: list[Problem]
) -> tuple[float, float, float]:
    """Return the largest difference between alone and batched results, and the seconds of both."""
    solver.compile(network, problems[0])
    solver.run_stacked(network, stack(problems))
    began = time.perf_counter()
    alone = [solver.run(network, problem).image for problem in problems]
    between = time.perf_counter()
    batched = [solution.image for solution in solver.run_stacked(network, stack(problems))]
    ended = time.perf_counter()
    difference = max(np.abs(a - b).max() for a, b in zip(alone, batched, strict=True))
    return float(difference), between - began, ended - between


def compare(config: Config, optimizer: OptimizerName, at_once: bool) -> dict[str, object]:
    """Return a row of the results."""
    network, requests = load_network(), edit_requests(config, optimizer)
    problems = [assemble(each, network, gather(each, network)) for each in requests]
    backend = jax.default_backend
    try:
        if at_once:  # the solver goes one after the other only on the backend "cpu"
            jax.default_backend = lambda: "at once"
        jax.clear_caches()
        difference, alone, batched = timed_solutions(
            program(requests[0], network), network, problems
        )
    finally:
        jax.default_backend = backend
    steps = len(problems) * config.steps
    return {
        "optimizer": optimizer,
        "in a batch": "at once" if at_once else "one after the other",
        "largest_difference": round(difference, 6),
        "milliseconds_a_step": {
            "alone": round(1000 * alone / steps, 1),
            "in a batch": round(1000 * batched / steps, 1),
        },
    }


def main(config: Config) -> None:
    rows = []
    for optimizer in ("adam", "sgd", "lbfgs"):
        for at_once in (False, True):
            rows.append(compare(config, optimizer, at_once))
            print(rows[-1], flush=True)
    record = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {jax.devices()[0].device_kind}",
        "people": config.people,
        "steps": config.steps,
        "rows": rows,
    }
    config.results.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main(tyro.cli(Config))
