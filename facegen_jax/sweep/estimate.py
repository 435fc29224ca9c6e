"""What a sweep will take: programs, memory and time, from a few measured steps of each program."""

import dataclasses
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ..descent import batch
from ..descent.problem import Problem, stack
from ..descent.solver import CHUNK, Solver
from ..edit.calibration import STEPS, applies
from ..edit.finished import Solved, finish
from ..edit.recall import make_anew
from ..edit.stacking import assemble
from ..network.devices import sharing
from ..network.protocol import Network
from . import work
from .plan import Group, Plan
from .progress import duration
from .settings import Sweep, SweepError
from .work import Ready

MAX_AUTO_BATCH = 256
"""Largest batch size that is chosen automatically: larger batches are not faster."""
MAX_TRIES = 20
"""Number of a group's runs to try until one can be prepared."""


class Estimate(NamedTuple):
    """Memory and time of one program."""

    batch_size: int
    memory: int
    """Bytes on each device; on CPUs, of the process."""
    compile_seconds: float
    step_seconds: float
    """Seconds for one step of one edit, within a batch."""
    other_seconds: float
    """Seconds that one run takes besides its descent."""
    trial_steps: int
    """Steps that calibration takes for each face."""


def estimate(config: Sweep, plan: Plan, network: Network, group: Group) -> Estimate:
    """Compile a group's program and run a few steps of it.

    Raises:
        SweepError: none of its first runs can be prepared.
    """
    ready, problem = _prepare_first(plan, network, group)
    size = batch_size(config, plan, network, group)
    # Beside the batch that is solved, one is prepared and two are finished, without their maps.
    beside = 4 * size * _bytes((ready.material.reference, ready.material.masks, problem.start))
    # Resident memory is added last, because compiling raises its peak.
    memory = batch.memory(group.solver, network, problem, size) + beside
    memory += batch.resident()
    compile_seconds, step_seconds, best = _measure(group.solver, network, problem, size)
    began = time.perf_counter()
    _finish(network, ready, best)
    other_seconds = ready.seconds + time.perf_counter() - began
    trial_steps = STEPS if applies(ready.request, network, ready.material) else 0
    return Estimate(size, memory, compile_seconds, step_seconds, other_seconds, trial_steps)


def _finish(network: Network, ready: Ready, result: jax.Array) -> None:
    finish(network, [Solved(ready.request, ready.material, result)], {}, size=1)


def _measure(
    solver: Solver, network: Network, problem: Problem, size: int
) -> tuple[float, float, jax.Array]:
    """Take two chunks of steps with copies of a problem.

    Returns:
        Seconds to compile, seconds for one step of one edit, and the best image.
    """
    # On CPUs, each device solves its problems one after the other: one each is enough to measure.
    live = jax.local_device_count() if jax.default_backend() == "cpu" else size
    spread = batch.replicate(network)
    problems, count = batch.padded(stack([problem] * live), size)
    solver = dataclasses.replace(solver, steps=2 * CHUNK)
    began = time.perf_counter()
    descent = solver.start(spread, problems, count)
    descent = jax.block_until_ready(solver.advance(spread, problems, descent))
    compiled = time.perf_counter()
    descent = jax.block_until_ready(solver.advance(spread, problems, descent))
    chunk = time.perf_counter() - compiled
    compile_seconds = max(0.0, compiled - began - chunk)
    return compile_seconds, chunk / CHUNK / live, descent.state.best_image[0]


def _bytes(tree: object) -> int:
    return sum(getattr(leaf, "nbytes", 0) for leaf in jax.tree.leaves(tree))


def _prepare_first(plan: Plan, network: Network, group: Group) -> tuple[Ready, Problem]:
    """Prepare the first run that can be prepared.

    It is prepared twice, so that the measured time includes no compilation.
    """
    failures = list[str]()
    for run in group.runs[:MAX_TRIES]:
        try:
            work.prepare(plan, network, run, make_anew)
            ready = work.prepare(plan, network, run, make_anew)
            problem = assemble(ready.request, network, ready.material)
            _finish(network, ready, jnp.asarray(problem.start))
            return ready, problem
        except (ValueError, OSError) as error:
            failures.append(str(error))
    raise SweepError(f"none of the first {len(failures)} runs can be prepared: {failures[0]}")


def batch_size(config: Sweep, plan: Plan, network: Network, group: Group) -> int:
    """Return the batch size of a group's program: as the options say, or the largest that fits.

    It is never larger than the program's largest group needs.
    """
    largest = max(len(each.runs) for each in plan.groups if each.program == group.program)
    if isinstance(config.batch_size, int):
        return batch.rounded(min(config.batch_size, largest))
    try:
        _, problem = _prepare_first(plan, network, group)
    except SweepError:  # the runs will fail one by one, each with its own reason
        return batch.rounded(1)
    most = min(MAX_AUTO_BATCH, batch.rounded(largest))
    return batch.largest(group.solver, network, problem, most)


def forecast(config: Sweep, plan: Plan, network: Network, left: int) -> str:
    """Return the output of a dry run; `left` is the number of runs without a result."""
    lines = [plan.summary]
    if left < plan.total:
        lines.append(f"{plan.total - left} have results, {left} are left")
    estimates: dict[tuple[Solver, int], Estimate] = {}
    total_seconds = 0.0
    for group in plan.groups:
        compiles = group.program not in estimates
        if compiles:
            estimates[group.program] = estimate(config, plan, network, group)
        each = estimates[group.program]
        seconds = len(group.runs) * (group.solver.steps * each.step_seconds + each.other_seconds)
        faces = len({run.pair for run in group.runs})
        seconds += faces * each.trial_steps * each.step_seconds
        seconds += each.compile_seconds if compiles else 0
        total_seconds += seconds
        lines.append(
            f"group of {len(group.runs)}: {plan.edit(group.runs[0]).optimizer}, "
            f"{group.solver.steps} steps, "
            f"{group.size}x{group.size} pixels, batches of {each.batch_size}, "
            f"{1000 * each.step_seconds:.3g} ms a step, {duration(seconds)}"
            f"{'' if compiles else ', program compiled above'}"
        )
    most = sharing() * max(each.memory for each in estimates.values())
    lines.append(f"memory: {most / 1e9:.2f} GB predicted, {_available(most)}")
    time_left = duration(total_seconds * left / max(1, plan.total))
    lines.append(f"time: {time_left} for {left} runs; nothing was run")
    return "\n".join(lines)


def _available(needed: int) -> str:
    """Say how much memory there is, and what to do where that is too little."""
    free = batch.available()
    if free is None:
        return "an unknown amount available"
    free = sharing() * (free + batch.resident())
    advice = "" if needed < free else ": too little, use a smaller --batch-size"
    return f"{free / 1e9:.1f} GB available{advice}"
