"""Files with the solver state of unfinished batches, from which a killed sweep resumes."""

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..descent.solver import Descent
from ..files import write_atomically
from ..stored import StoredError, read_arrays


def _path(folder: Path, ids: Sequence[str]) -> Path:
    """Return the file of a batch, named by a hash of its runs' ids."""
    return folder / f"{hashlib.sha256(json.dumps(list(ids)).encode()).hexdigest()[:16]}.npz"


def save(folder: Path, ids: Sequence[str], descent: Descent) -> None:
    """Write a batch's descent atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    leaves: dict[str, Any] = {
        f"leaf_{index}": np.asarray(leaf)
        for index, leaf in enumerate(jax.tree.leaves(descent.state))
    }
    np.savez(buffer, ids=np.array(ids), trace=descent.trace, **leaves)
    write_atomically(_path(folder, ids), buffer.getvalue(), durable=True)


def load(folder: Path, ids: Sequence[str], fresh: Descent) -> Descent:
    """Load a batch's descent onto the devices of a fresh one.

    Returns:
        The saved descent; `fresh` if none is saved, or if it is damaged or has another structure.
    """
    leaves, structure = jax.tree.flatten(fresh.state)
    try:
        stored = read_arrays(_path(folder, ids))
        trace = stored["trace"]
        saved = [stored[f"leaf_{index}"] for index in range(len(leaves))]
        fits = len(stored) == len(leaves) + 2 and stored["ids"].tolist() == list(ids)
    except (StoredError, KeyError):
        return fresh
    fits &= all(
        old.shape == new.shape and old.dtype == new.dtype
        for old, new in zip(saved, map(_without_keys, leaves), strict=True)
    )
    fits &= trace.dtype == np.float32 and trace.ndim == 3
    if not fits or trace.shape[::2] != fresh.trace.shape[::2]:
        return fresh
    restored = [_restore(old, new) for old, new in zip(saved, leaves, strict=True)]
    return fresh._replace(state=jax.tree.unflatten(structure, restored), trace=trace)


def _is_key(leaf: jax.Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _without_keys(leaf: jax.Array) -> jax.Array:
    """Turn random keys, which some optimizers carry and NumPy has no dtype for, into numbers."""
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _restore(saved: np.ndarray, fresh: jax.Array) -> jax.Array:
    """Return a saved array with the dtype and sharding of a fresh one."""
    if _is_key(fresh):
        keys = jax.random.wrap_key_data(jnp.asarray(saved), impl=jax.random.key_impl(fresh))
        return jax.device_put(keys, fresh.sharding)
    return jax.device_put(saved, fresh.sharding)


def saved_batches(folder: Path) -> list[list[str]]:
    """Return the run ids of every saved batch; delete files that cannot be read."""
    batches = []
    for path in sorted(folder.glob("*.npz")):
        try:
            ids = read_arrays(path)["ids"]
            if ids.ndim != 1 or ids.dtype.kind != "U":
                raise StoredError("no ids of runs")
            batches.append(ids.tolist())
        except (StoredError, KeyError):
            path.unlink(missing_ok=True)
    return batches


def remove(folder: Path, ids: Sequence[str]) -> None:
    """Delete the file of a batch whose results are written."""
    _path(folder, ids).unlink(missing_ok=True)


def remove_all(folder: Path) -> None:
    """Delete leftovers of a finished sweep: batches that were composed differently on resuming."""
    for path in folder.glob("*.npz"):
        path.unlink(missing_ok=True)
    if folder.is_dir():
        folder.rmdir()
