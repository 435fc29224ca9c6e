"""Many problems on the devices there are."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp

from .problem import Problem
from .solver import Solution, Solver
from .types import Params


def run_batch(solver: Solver, params: Params, problems: Problem, *, batch_size: int = 16) -> list[Solution]:
    """Solve stacked problems, `batch_size` at a time, in one compiled program.

    A last batch that is not full is padded with its last problem, whose extra solutions are dropped.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    return [solution for batch, count in _batches(problems, batch_size) for solution in solver.run_stacked(params, batch)[:count]]


def _batches(problems: Problem, size: int) -> Iterator[tuple[Problem, int]]:
    total = len(problems.start)
    size = min(size, total)
    for first in range(0, total, size):
        index = jnp.minimum(jnp.arange(first, first + size), total - 1)
        yield jax.tree.map(lambda leaf, index=index: leaf[index], problems), min(size, total - first)
