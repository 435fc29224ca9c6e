"""Many problems on the devices at hand: padded batches, spread over devices, sized by memory."""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp

from ..bars import continued, following
from ..network.devices import sharding, sharing
from ..network.features import as_network
from ..network.protocol import Network
from ..types import Follow, Params
from .checks import check_stacked
from .problem import Problem, stack
from .program import CHUNK, initial_state, prepared, run_chunk
from .solution import Solutions
from .solver import Solver

SHARE = 0.7
"""Share of the available memory that an automatic batch may take: the next is prepared beside
it."""


def run_batch(
    solver: Solver,
    network: Network | Params,
    problems: Sequence[Problem] | Problem,
    *,
    batch_size: int = 16,
    progress: Follow = None,
) -> Solutions:
    """Solve many problems, `batch_size` at a time, in one compiled program on all local devices.

    Args:
        solver: how to descend.
        network: as from `load_network`, or VGG-Face parameters.
        problems: a sequence of problems of one shape, or such problems stacked.
        batch_size: problems solved together; a last batch that is not full is padded.
        progress: see `Solver.run`; the steps of one batch are counted on from those of the last.

    Raises:
        ValueError: a single problem, problems of different shapes, or a batch size below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    total = len(problems.start) if isinstance(problems, Problem) else len(problems)
    size = rounded(min(batch_size, total))
    network, solved = replicate(as_network(network)), Solutions()
    with following(progress, -(-total // size) * solver.steps) as follow:
        for number, batch in enumerate(_batches(problems, size)):
            counted = continued(follow, number * solver.steps) if follow else False
            filled = padded(solver.with_defaults(batch), size)
            solved += solver.run_stacked(network, *filled, progress=counted)
    return solved


def _batches(problems: Sequence[Problem] | Problem, size: int) -> Iterator[Problem]:
    """Yield stacked problems, at most `size` at a time."""
    if isinstance(problems, Problem):
        check_stacked(problems)
        for first in range(0, len(problems.start), size):
            yield jax.tree.map(lambda leaf, first=first: leaf[first : first + size], problems)
    else:
        for first in range(0, max(1, len(problems)), size):
            yield stack(problems[first : first + size])


def rounded(size: int) -> int:
    """Return the next batch size that all local devices share evenly."""
    devices = jax.local_device_count()
    return -(-max(1, size) // devices) * devices


def padded(problems: Problem, size: int) -> tuple[Problem, int]:
    """Pad stacked problems to `size` by repeating the last one, and spread them over all devices.

    Returns:
        The padded problems, and how many of them count.
    """
    count = len(problems.start)
    if count < size:
        index = jnp.minimum(jnp.arange(size), count - 1)
        problems = jax.tree.map(lambda leaf: leaf[index], problems)
    return jax.device_put(problems, sharding(jax.P("batch"))), count


def replicate(network: Network) -> Network:
    """Return the network with its parameters on every local device."""
    params = jax.device_put(network.params, sharding(jax.P()))
    return network.with_params(params)


def memory(solver: Solver, network: Network | Params, problem: Problem, size: int) -> int:
    """Return the bytes that a batch of problems like this one takes on each device.

    The network is included. The compiled program reports the number, so this compiles it.
    """
    network, local = as_network(network), size // jax.local_device_count()
    program = solver.program(network)

    def batched(leaf: jax.Array) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((local, *leaf.shape[1:]), leaf.dtype)

    problems = jax.tree.map(batched, solver.with_defaults(stack([problem])))
    state = jax.eval_shape(lambda problems: initial_state(program, problems), problems)
    number = jax.ShapeDtypeStruct((), jnp.int32)
    factors = jax.ShapeDtypeStruct((CHUNK,), jnp.float32)
    shape = problem.start.shape[:2]
    params = jax.eval_shape(lambda params: prepared(program, params, *shape), network.params)
    arguments = (params, problems, state, number, number, factors)
    analysis = run_chunk.lower(program, None, *arguments).compile().memory_analysis()
    if analysis is None:
        raise ValueError(
            f"JAX's {jax.default_backend()} backend does not report a program's memory; "
            "give a --batch-size"
        )
    return (
        analysis.argument_size_in_bytes
        + analysis.output_size_in_bytes
        + analysis.temp_size_in_bytes
        - analysis.alias_size_in_bytes
    )


def available() -> int | None:
    """Return the bytes left on each device; None where the system does not say, such as Windows.

    CPU devices share in equal parts what is left to the process, or to its control group.
    """
    stats = jax.local_devices()[0].memory_stats()
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    if not hasattr(os, "sysconf"):
        return None
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    meminfo, group = Path("/proc/meminfo"), Path("/sys/fs/cgroup")
    if meminfo.exists():
        lines = meminfo.read_text("utf-8", "replace").splitlines()
        kilobytes = {line.split(":")[0]: line.split()[1] for line in lines}
        limits.append(1024 * int(kilobytes.get("MemAvailable", 1 << 40)))
    with contextlib.suppress(OSError, ValueError):  # no control groups, or no limit
        limit, used = ((group / name).read_bytes() for name in ("memory.max", "memory.current"))
        limits.append(int(limit) - int(used))
    return min(limits) // sharing()


def resident() -> int:
    """Return the peak of bytes in use, of each device; CPU devices share those of the process.

    0 where the system does not say, such as Windows.
    """
    stats = jax.local_devices()[0].memory_stats()
    if stats and "peak_bytes_in_use" in stats:
        return stats["peak_bytes_in_use"]
    status = Path("/proc/self/status")
    if status.exists():  # getrusage may report the parent's peak there
        lines = status.read_text("utf-8", "replace").splitlines()
        peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
        return 1024 * peak // sharing()
    try:
        import resource  # not on Windows
    except ModuleNotFoundError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // sharing()


def largest(solver: Solver, network: Network | Params, problem: Problem, most: int) -> int:
    """Return the largest batch of at most `most` problems that fits into `SHARE` of the memory.

    Memory is extrapolated linearly from two compiled sizes, of more than one problem each: CPUs
    compute a batch of one as one of two.

    Raises:
        ValueError: the system or the backend does not say how much memory there is.
    """
    free = available()
    if free is None:
        raise ValueError("this system does not say how much memory is free; give a --batch-size")
    devices = jax.local_device_count()
    small, large = (memory(solver, network, problem, size * devices) for size in (2, 4))
    each = max(1, (large - small) // 2)
    fits = max(1, int(SHARE * free - small) // each + 2) * devices
    return rounded(min(most, fits - fits % devices or devices))
