"""What a sweep would take: programs, memory and time, from a few measured steps of each program."""

import dataclasses
import time
from typing import NamedTuple

import jax

from ..descent import batch
from ..descent.problem import Problem, stack
from ..descent.solver import CHUNK
from ..edit.material import finish
from ..network.checkpoint import Network
from . import work
from .plan import Group, Plan
from .progress import duration
from .settings import Sweep, SweepError
from .work import Ready

MOST = 256
"""Problems in a batch that is chosen automatically: more make nothing faster, only coarser."""
TRIED = 20
"""Runs of a group that are tried for one that can be prepared."""


class Estimate(NamedTuple):
    """Of one program."""

    batch_size: int
    memory: int
    """Bytes on each device, and of the process where that is the device."""
    compile: float
    """Seconds."""
    step: float
    """Seconds for one step of one edit, within a batch."""
    other: float
    """Seconds for what one run needs beside the descent."""


def estimate(config: Sweep, plan: Plan, network: Network, group: Group) -> Estimate:
    """Compile a group's program and run a few steps of it.

    Raises:
        SweepError: none of its first runs can be prepared.
    """
    ready, problem = _first(plan, network, group)
    size = batch_size(config, plan, network, group)
    beside = (
        2 * size * _bytes((problem, ready.material)) // jax.local_device_count()
    )  # the next batch, while it is stacked
    memory = (
        batch.memory(group.solver, network, problem, size) + beside + batch.resident()
    )  # the last after compiling
    live = (
        size if jax.default_backend() != "cpu" else jax.local_device_count()
    )  # CPUs solve one after the other
    spread, (problems, count) = (
        batch.replicate(network),
        batch.padded(stack([problem] * live), size),
    )
    solver = dataclasses.replace(group.solver, steps=2 * CHUNK)
    began = time.perf_counter()
    descent = jax.block_until_ready(
        solver.advance(spread, problems, solver.start(spread, problems, count))
    )
    compiled = time.perf_counter()
    descent = jax.block_until_ready(solver.advance(spread, problems, descent))
    took = time.perf_counter() - compiled
    began_other = time.perf_counter()
    finish(ready.request, network, ready.material, descent.state.best_image[0])
    other = ready.seconds + time.perf_counter() - began_other
    return Estimate(size, memory, max(0.0, compiled - began - took), took / CHUNK / live, other)


def _bytes(tree: object) -> int:
    return sum(getattr(leaf, "nbytes", 0) for leaf in jax.tree.leaves(tree))


def _first(plan: Plan, network: Network, group: Group) -> tuple[Ready, Problem]:
    """The first run that can be prepared, when nothing of it has to be compiled any more."""
    failures = list[str]()
    for run in group.runs[:TRIED]:
        try:
            work.prepare(plan, network, run, work.gatherer(plan, network))
            ready, problem = work.prepare(plan, network, run, work.gatherer(plan, network))
            finish(ready.request, network, ready.material, problem.start)
            return ready, problem
        except (ValueError, OSError) as error:
            failures.append(str(error))
    raise SweepError(f"none of the first {len(failures)} runs can be prepared: {failures[0]}")


def batch_size(config: Sweep, plan: Plan, network: Network, group: Group) -> int:
    """Of a program: what was asked for or fits into memory, but no more than its largest group needs."""
    most = max(len(each.runs) for each in plan.groups if each.program == group.program)
    if isinstance(config.batch_size, int):
        return batch.rounded(min(config.batch_size, most))
    try:
        _, problem = _first(plan, network, group)
    except SweepError:  # their runs will tell why, one by one
        return batch.rounded(1)
    return batch.largest(group.solver, network, problem, min(MOST, batch.rounded(most)))


def forecast(config: Sweep, plan: Plan, network: Network, left: int) -> str:
    """What a dry run prints."""
    lines = [plan.summary]
    lines += [f"{plan.total - left} have results, {left} are left"] if left < plan.total else []
    known: dict[object, Estimate] = {}
    seconds = 0.0
    for group in plan.groups:
        new = group.program not in known
        found = (
            known.setdefault(group.program, estimate(config, plan, network, group))
            if new
            else known[group.program]
        )
        took = len(group.runs) * (group.solver.steps * found.step + found.other) + (
            found.compile if new else 0
        )
        seconds += took
        lines.append(
            f"group of {len(group.runs)}: {group.solver.optimizer}, {group.solver.steps} steps, {group.size}x{group.size} pixels, batches of {found.batch_size}, "
            f"{1000 * found.step:.3g} ms a step, {duration(took)}{'' if new else ', program compiled above'}"
        )
    most, free = max(each.memory for each in known.values()), batch.available() + batch.resident()
    lines.append(
        f"memory: {most / 1e9:.2f} GB predicted, {free / 1e9:.1f} GB available{'' if most < free else ': too little, take a smaller --batch-size'}"
    )
    lines.append(
        f"time: {duration(seconds * left / max(1, plan.total))} for {left} runs; nothing was run"
    )
    return "\n".join(lines)
