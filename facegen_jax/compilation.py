"""Compiled programs, kept in the user's cache for the next process that needs them."""

import hashlib
import platform
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from . import cache

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
    if settings.jax_compilation_cache_dir or not settings.jax_enable_compilation_cache:
        return
    try:
        path = cache.writable(f"programs/{_processor()}")
    except OSError as error:
        notify(f"compiled programs are not kept for the next start: {error}")
        return
    warnings.filterwarnings("ignore", FAILURE, UserWarning)
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def _processor() -> str:
    """Name this kind of processor: machines may share a home folder, and JAX tells none apart."""
    described = platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text().splitlines()
        kinds = {line for line in lines if line.startswith(("flags", "Features", "model name"))}
        described += "".join(sorted(kinds))
    return hashlib.sha256(described.encode()).hexdigest()[:12]
