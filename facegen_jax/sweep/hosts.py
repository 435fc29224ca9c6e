"""Which part of a sweep a process runs, among the shards of a sweep or the processes of a job.

Processes of a job get their index from JAX's multi-host runtime, through which they also check that
they have the same plan. They leave the runtime before the work begins: no run needs another
process, and the runtime would end all processes when one is lost.
"""

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
from jax.experimental import multihost_utils

from .lock import Part
from .owner import is_held
from .plan import Plan
from .settings import Sweep, SweepError

POLL_SECONDS = 1.0
"""Seconds between two checks whether other processes still run."""


@contextlib.contextmanager
def join(config: Sweep) -> Iterator[Part]:
    """Join the job, if there is one, and yield this process's part; leave the job at the end.

    Must be called before anything touches a device.

    Raises:
        SweepError: the shard does not exist, or JAX detects no job.
    """
    part = _join_job(config) if config.distributed else parse_shard(config.shard)
    try:
        yield part
    finally:
        with contextlib.suppress(RuntimeError):  # after `agree`, which leaves it
            if config.distributed:
                jax.distributed.shutdown()


def _join_job(config: Sweep) -> Part:
    try:
        jax.distributed.initialize(config.coordinator, config.processes, config.process)
        return Part(jax.process_index(), jax.process_count())
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SweepError(
            f"--distributed: JAX detects no job with several processes ({reason}); "
            "give --coordinator, --processes and --process"
        ) from None


def parse_shard(shard: str | None) -> Part:
    """Return the part that `I/N` names; all of the sweep for None.

    Raises:
        SweepError: it names none.
    """
    if not shard:
        return Part()
    index, slash, count = shard.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise SweepError(f"--shard {shard}: expected I/N with I from 0 to N - 1, as in 0/4 to 3/4")
    return Part(int(index), int(count))


def agree(plan: Plan) -> None:
    """Check that all processes of a job plan the same runs, then leave the runtime.

    Raises:
        SweepError: the plans differ, for instance because the processes see different files.
    """
    ids = "".join(run.id for group in plan.groups for run in group.runs)
    own = jnp.frombuffer(hashlib.sha256(ids.encode()).digest(), jnp.uint8).astype(jnp.int32)
    hashes = multihost_utils.process_allgather(own)
    multihost_utils.sync_global_devices("facegen_jax sweep agreed")
    jax.distributed.shutdown()
    if not bool((hashes == hashes[:1]).all()):
        raise SweepError(
            "the processes see different pairs, images or networks; all must read the same files"
        )


def wait_for_others(
    folder: Path, part: Part, waiting: Callable[[int], object] = lambda running: None
) -> None:
    """Wait until all other processes have finished or died; `waiting` gets how many still run."""
    others = [
        folder / f"lock{Part(index, part.parts).suffix}"
        for index in range(part.parts)
        if index != part.number
    ]
    while running := sum(map(is_held, others)):
        waiting(running)
        time.sleep(POLL_SECONDS)
