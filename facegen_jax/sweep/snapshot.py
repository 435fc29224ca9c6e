"""Descents under way as files, so that a killed run goes on where it was."""

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
from ..files import UNREADABLE, write_atomically


def place_of(folder: Path, ids: Sequence[str]) -> Path:
    """The file of a batch of runs."""
    return folder / f"{hashlib.sha256(json.dumps(list(ids)).encode()).hexdigest()[:16]}.npz"


def save(folder: Path, ids: Sequence[str], descent: Descent) -> None:
    """Write the state of a batch of runs, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    leaves: dict[str, Any] = {
        f"leaf_{number}": np.asarray(leaf)
        for number, leaf in enumerate(jax.tree.leaves(descent.state))
    }
    np.savez(buffer, ids=np.array(ids), trace=descent.trace, **leaves)
    write_atomically(place_of(folder, ids), buffer.getvalue(), durable=True)


def load(folder: Path, ids: Sequence[str], fresh: Descent) -> Descent:
    """The saved state of a batch of runs, on the devices where the fresh one is; the fresh one where there is none that fits."""
    leaves, structure = jax.tree.flatten(fresh.state)
    try:
        with np.load(io.BytesIO(place_of(folder, ids).read_bytes()), allow_pickle=False) as stored:
            trace = stored["trace"]
            saved = [stored[f"leaf_{number}"] for number in range(len(leaves))]
            fits = len(stored.files) == len(leaves) + 2 and stored["ids"].tolist() == list(ids)
    except UNREADABLE:  # none, or damaged
        return fresh
    fits &= all(
        old.shape == new.shape and old.dtype == new.dtype
        for old, new in zip(saved, map(_plain, leaves), strict=True)
    )
    fits &= (
        trace.dtype == np.float32 and trace.ndim == 3 and trace.shape[::2] == fresh.trace.shape[::2]
    )
    if not fits:
        return fresh
    placed = [_like(old, new) for old, new in zip(saved, leaves, strict=True)]
    return Descent(jax.tree.unflatten(structure, placed), trace)


def _is_key(leaf: jax.Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _plain(leaf: jax.Array) -> jax.Array:
    """Return an array as numbers: random keys, which some optimizers carry, have a type of their own."""
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _like(saved: np.ndarray, fresh: jax.Array) -> jax.Array:
    """Return a saved array with the type and on the devices of a fresh one."""
    if _is_key(fresh):
        restored = jax.random.wrap_key_data(jnp.asarray(saved), impl=jax.random.key_impl(fresh))
        return jax.device_put(restored, fresh.sharding)
    return jax.device_put(saved, fresh.sharding)


def batches(folder: Path) -> list[list[str]]:
    """The batches that were under way, by the ids of their runs; files that cannot be read are removed."""
    found = []
    for place in sorted(folder.glob("*.npz")):
        try:
            with np.load(io.BytesIO(place.read_bytes()), allow_pickle=False) as stored:
                found.append(stored["ids"].tolist())
        except UNREADABLE:
            place.unlink(missing_ok=True)
    return found


def remove(folder: Path, ids: Sequence[str]) -> None:
    """Forget a batch, whose results are written."""
    place_of(folder, ids).unlink(missing_ok=True)


def tidy(folder: Path) -> None:
    """Remove what is left when all is done: states of batches that were put together otherwise when the sweep went on."""
    for place in folder.glob("*.npz"):
        place.unlink(missing_ok=True)
    if folder.is_dir():
        folder.rmdir()
