"""Many problems on the devices there are: batches of one size, spread over devices, as large as memory allows."""

import contextlib
import os
import resource
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from ..types import Params
from .problem import Problem
from .solver import Solution, Solver, advance, fresh

SHARE = 0.7
"""Of the available memory that a batch may take that is chosen by itself: the next one is prepared beside it."""


def run_batch(
    solver: Solver, params: Params, problems: Problem, *, batch_size: int = 16
) -> list[Solution]:
    """Solve stacked problems, `batch_size` at a time, in one compiled program on all local devices.

    A last batch that is not full is padded.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    total = len(problems.start)
    size = rounded(min(batch_size, total))
    params, problems = replicate(params), solver.numbered(problems)
    parts = (
        jax.tree.map(lambda leaf, first=first: leaf[first : first + size], problems)
        for first in range(0, total, size)
    )
    return [
        solution for part in parts for solution in solver.run_stacked(params, *padded(part, size))
    ]


def rounded(size: int) -> int:
    """The next batch size that all local devices share evenly."""
    devices = jax.local_device_count()
    return -(-max(1, size) // devices) * devices


def padded(problems: Problem, size: int) -> tuple[Problem, int]:
    """Stacked problems brought to a batch of `size` by repeating the last one, spread over all local devices; and how many they were."""
    count = len(problems.start)
    if count < size:
        index = jnp.minimum(jnp.arange(size), count - 1)
        problems = jax.tree.map(lambda leaf: leaf[index], problems)
    return jax.device_put(problems, _sharding(jax.P("batch"))), count


def replicate(params: Params) -> Params:
    """Network parameters on every local device."""
    return jax.device_put(params, _sharding(jax.P()))


def memory(solver: Solver, params: Params, problem: Problem, size: int) -> int:
    """Bytes that a batch of `size` problems like this one takes on each device with the network, as its compiled program tells; compiles it."""
    local = size // jax.local_device_count()
    problems = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((local, *jnp.shape(leaf)), leaf.dtype), problem
    )
    state = jax.eval_shape(lambda problems: fresh(solver, problems), problems)
    number = jax.ShapeDtypeStruct((), jnp.int32)
    found = (
        advance.lower(solver, None, params, problems, state, number, number, number)
        .compile()
        .memory_analysis()
    )
    if found is None:
        raise ValueError(
            f"JAX's {jax.default_backend()} backend does not tell what a program takes; give a --batch-size"
        )
    return (
        found.argument_size_in_bytes
        + found.output_size_in_bytes
        + found.temp_size_in_bytes
        - found.alias_size_in_bytes
    )


def available() -> int:
    """Bytes that each device has left; on CPUs the process, in its control group."""
    stats = jax.local_devices()[0].memory_stats()
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    meminfo, group = Path("/proc/meminfo"), Path("/sys/fs/cgroup")
    if meminfo.exists():
        kilobytes = {
            line.split(":")[0]: line.split()[1] for line in meminfo.read_text().splitlines()
        }
        limits.append(1024 * int(kilobytes.get("MemAvailable", 1 << 40)))
    with contextlib.suppress(OSError, ValueError):  # no control groups, or no limit
        limits.append(
            int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
        )
    return min(limits)


def resident() -> int:
    """Bytes that are taken already, at the most so far: by the process on CPUs, on the device elsewhere."""
    stats = jax.local_devices()[0].memory_stats()
    if stats and "peak_bytes_in_use" in stats:
        return stats["peak_bytes_in_use"]
    status = Path("/proc/self/status")
    if (
        status.exists()
    ):  # what getrusage tells there may be the size of the process that started this one
        return 1024 * next(
            int(line.split()[1])
            for line in status.read_text().splitlines()
            if line.startswith("VmHWM")
        )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def largest(solver: Solver, params: Params, problem: Problem, most: int) -> int:
    """The largest batch of at most `most` problems that takes no more than `SHARE` of the available memory, by a line through two measured sizes."""
    devices = jax.local_device_count()
    small, large = (memory(solver, params, problem, size * devices) for size in (1, 3))
    each = max(1, (large - small) // 2)
    fits = max(1, int(SHARE * available() - small) // each + 1) * devices
    return rounded(min(most, fits - fits % devices or devices))


def _sharding(spec: jax.sharding.PartitionSpec) -> jax.sharding.Sharding:
    devices = jax.local_devices()
    if len(devices) == 1:
        return jax.sharding.SingleDeviceSharding(devices[0])
    return jax.sharding.NamedSharding(jax.sharding.Mesh(np.array(devices), ("batch",)), spec)
