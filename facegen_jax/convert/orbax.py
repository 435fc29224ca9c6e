"""Orbax checkpoint folders, as Flax programs save them.

Read with TensorStore, which Flax itself needs: the arrays are compressed with Zstandard and may be
in a database of its own (OCDBT). It is asked for one array after another; no object is made from
what the checkpoint says of its own structure.
"""

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .cursor import SourceError, unpacked_limit
from .layout import Parsed
from .naming import Path as Name
from .naming import by_path, path_of
from .networks import to_networks

DATABASE = "manifest.ocdbt"
ARRAYS = {".zarray": "zarr", "zarr.json": "zarr3"}
"""Description of an array, and TensorStore's driver of that format."""
MAX_FILES, MAX_MEMBERS, MAX_DEPTH, SHOWN = 10_000, 1000, 2, 8
"""A run holds steps, and those may hold items, so checkpoints are two levels deep at most."""
SECONDS = 600
REMEDY = (
    "where it was made: params = orbax.checkpoint.StandardCheckpointer().restore(FOLDER); "
    "safetensors.flax.save_file(flax.traverse_util.flatten_dict(params, sep='/'), "
    "'network.safetensors'), and convert that"
)


def find(folder: Path) -> Path:
    """Return the one checkpoint that a folder is or holds.

    Raises:
        SourceError: none, or several; lists them.
    """
    found = list(_checkpoints(folder, 0))
    if not found:
        members = itertools.islice(folder.iterdir(), MAX_MEMBERS)
        inside = sorted(path.name for path in members if path.is_file())
        shown = f"; it holds {', '.join(inside[:SHOWN])}" if inside else ""
        raise SourceError(f"is a folder; give the network file itself{shown}")
    if len(found) > 1:
        shown = ", ".join(str(path) for path in found[:SHOWN])
        raise SourceError(f"holds {len(found)} Orbax checkpoints; give one of them: {shown}")
    return found[0]


def _checkpoints(folder: Path, depth: int) -> Iterator[Path]:
    members = sorted(itertools.islice(folder.iterdir(), MAX_MEMBERS))
    if (folder / DATABASE).is_file() or any(
        (member / name).is_file() for member in members for name in ARRAYS
    ):
        yield folder
    elif depth < MAX_DEPTH:
        for member in members:
            if member.is_dir():
                yield from _checkpoints(member, depth + 1)


def files(folder: Path) -> list[tuple[str, Path]]:
    """Return the files of a checkpoint and their names in it, sorted."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            found.append((path.relative_to(folder).as_posix(), path))
        if len(found) > MAX_FILES:
            raise SourceError(f"a folder of more than {MAX_FILES} files: not one network")
    return sorted(found)


def read(folder: Path) -> tuple[Parsed, ...]:
    """Read a checkpoint; see `layout.Parsed`.

    Raises:
        SourceError: damaged, or without TensorStore.
    """
    try:
        import tensorstore  # 0.4 s that other files need not wait
    except ImportError:
        raise SourceError(f"an Orbax checkpoint, and no TensorStore to read it; {REMEDY}") from None
    try:
        return _read(tensorstore, folder)
    except SourceError:
        raise
    except Exception as error:  # TensorStore raises ValueError, OSError and others by their status
        reason = str(error).split(" [")[0]
        raise SourceError(
            f"an Orbax checkpoint that cannot be read ({reason[:200]}): damaged; or {REMEDY}"
        ) from None


def _read(tensorstore: Any, folder: Path) -> tuple[Parsed, ...]:
    base = {"driver": "file", "path": f"{folder.resolve()}/"}
    is_database = (folder / DATABASE).is_file()
    root = {"driver": "ocdbt", "base": base} if is_database else base
    context = tensorstore.Context()
    store = tensorstore.KvStore.open(root, context=context).result(SECONDS)
    keys = [key.decode("utf-8", "replace") for key in store.list().result(SECONDS)]
    arrays = {
        key.removesuffix(f"/{name}"): driver
        for key in keys
        for name, driver in ARRAYS.items()
        if key.endswith(f"/{name}")
    }
    left = unpacked_limit(sum(path.stat().st_size for _, path in files(folder)))

    def fetch(_: Name, key: str) -> np.ndarray:
        nonlocal left
        place = {**root, "path": f"{root.get('path', '')}{key}/"}
        spec = {"driver": arrays[key], "kvstore": place, "fill_missing_data_reads": False}
        array = tensorstore.open(spec, context=context, open=True, read=True).result(SECONDS)
        chunk = math.prod(array.chunk_layout.read_chunk.shape or array.shape)
        left -= math.prod(array.shape) * array.dtype.numpy_dtype.itemsize
        if left < 0 or chunk > max(1, math.prod(array.shape)) * 2:
            raise SourceError(f"{key} of shape {array.shape} is larger than its files: damaged")
        return array.read().result(SECONDS)

    tensors = by_path((path_of(key), key) for key in arrays)
    return to_networks(tensors, fetch, "Orbax checkpoint")
