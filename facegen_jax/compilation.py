"""Compiled programs, kept in the user's cache for the next process that needs them."""

import contextlib
import hashlib
import os
import platform
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from . import cache

OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": ""}
"""How descents are compiled: without XLA's newer library of CPU kernels, which is slower than the
older one in loops that read the same parameters at every step. Other devices ignore it."""
ONE_THREAD = {**OPTIONS, "xla_cpu_multi_thread_eigen": False}
"""`OPTIONS`, and no operation is split between threads."""
MOST_DEVICES = 16
"""Devices that a CPU is seen as, at most: each holds its own copy of the network's parameters."""
FAILURE = "Error (reading|writing) persistent compilation cache entry"
"""How JAX warns of one program that could not be kept: it is compiled again."""


def keep_programs(notify: Callable[[str], object]) -> None:
    """Let JAX keep compiled programs in the cache, unless its own settings say otherwise.

    `JAX_COMPILATION_CACHE_DIR` names another folder, `JAX_ENABLE_COMPILATION_CACHE=false` keeps
    none. Programs that compile fast are kept too: there are a hundred of them in one edit.

    Args:
        notify: receives one line that says why programs cannot be kept.
    """
    settings: Any = jax.config
    chosen = settings.jax_compilation_cache_dir
    if not settings.jax_enable_compilation_cache or "://" in (chosen or ""):
        return
    warnings.filterwarnings("ignore", FAILURE, UserWarning)
    try:
        if chosen:
            cache.make_writable(Path(chosen), "JAX_COMPILATION_CACHE_DIR")
            return
        path = cache.writable(f"programs/{_processor()}")
    except OSError as error:
        notify(f"compiled programs are not kept for the next start: {error}")
        return
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def use_every_core() -> None:
    """Let JAX see the CPU as one device a core, unless its own settings say how many there are.

    Batches are then spread over the cores. Nothing changes once JAX is in use.
    """
    settings: Any = jax.config
    told = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if settings.jax_num_cpu_devices < 0 and not told:
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", min(cores(), MOST_DEVICES))


def _processor() -> str:
    """Name this kind of processor: machines may share a home folder, and JAX tells none apart."""
    described = platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text("utf-8", "replace").splitlines()
        kinds = {line for line in lines if line.startswith(("flags", "Features", "model name"))}
        described += "".join(sorted(kinds))
    return hashlib.sha256(described.encode()).hexdigest()[:12]
