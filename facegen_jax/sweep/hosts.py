"""Which part of a sweep this process does, among the processes of a job.

JAX's multi-host runtime tells the processes apart and lets them agree on what is to be done. It is left again before the work begins, for no
run needs another process, and the runtime would end all of them when one is lost.
"""

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
from jax.experimental import multihost_utils

from . import lock
from .lock import Part
from .plan import Plan
from .settings import Sweep, SweepError

PATIENCE = 1.0
"""Seconds between two looks at what the other processes do."""


def own_part(config: Sweep) -> Part:
    """The part that was asked for, or that the runtime gives; must come before anything touches a device.

    Raises:
        SweepError: a shard that does not exist, or no runtime to be found.
    """
    if config.distributed:
        try:
            jax.distributed.initialize(config.coordinator, config.processes, config.process)
            return Part(jax.process_index(), jax.process_count())
        except (ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise SweepError(
                f"--distributed: no job with several processes was found ({reason}); give --coordinator, --processes, --process"
            ) from None
    if not config.shard:
        return Part()
    index, slash, count = config.shard.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise SweepError(
            f"--shard {config.shard}: expected I/N with I from 0 to N - 1, as in 0/4 to 3/4"
        )
    return Part(int(index), int(count))


def agree(plan: Plan) -> None:
    """Make sure that all processes of a job have the same runs before them, then leave the runtime.

    Raises:
        SweepError: they do not, as when they see different files.
    """
    runs = "".join(run.id for group in plan.groups for run in group.runs)
    mine = jnp.frombuffer(hashlib.sha256(runs.encode()).digest(), jnp.uint8).astype(jnp.int32)
    everyones = multihost_utils.process_allgather(mine)
    multihost_utils.sync_global_devices("facegen_jax sweep agreed")
    jax.distributed.shutdown()
    if not bool((everyones == everyones[:1]).all()):
        raise SweepError(
            "the processes see different pairs, pictures or networks; let them read the same files"
        )


def wait_for_others(
    folder: Path, part: Part, told: Callable[[int], object] = lambda running: None
) -> None:
    """Return when every other process has ended or is gone; `told` how many still run."""
    while running := sum(
        lock.alive(folder / f"lock{Part(index, part.parts).suffix}")
        for index in range(part.parts)
        if index != part.number
    ):
        told(running)
        time.sleep(PATIENCE)


@contextlib.contextmanager
def joined(config: Sweep) -> Iterator[Part]:
    """The part of this process, in a job that is left whatever happens."""
    part = own_part(config)
    try:
        yield part
    finally:
        with contextlib.suppress(RuntimeError):  # left already
            if config.distributed:
                jax.distributed.shutdown()
