"""What a network sees in every face of a gallery, computed once and kept in the user's cache.

A face is computed again when its file's content changes, and everything is when network, layers or alignment are others; a cache that
cannot be read is made anew.
"""

import concurrent.futures
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..faces import align, detector
from ..faces.image import ImageError
from ..files import UNREADABLE, digest, write_atomically
from ..network.checkpoint import Network, cache_folder
from ..network.vgg_face import descriptor, extract
from ..types import Images, Params
from .labels import Gallery

Looking = Callable[[int, int], object]
"""Told how many faces are described, and of how many."""
BATCH, SAVE_EVERY = 64, 1024
VERSION = 1
"""Of the cache: raised whenever the same inputs would give other numbers."""


class Described(NamedTuple):
    """Features of the faces of a gallery, in its order."""

    features: Float[np.ndarray, "faces numbers"]
    """Unit length, to be compared by scalar products; zeros for pictures that could not be read."""
    landmarks: Float[np.ndarray, "faces 5 2"]
    """In each picture's pixels; not a number where the centre was taken."""
    failures: tuple[str, ...]
    """Why a picture could not be read; empty for those that could."""
    hashes: tuple[str, ...]
    """SHA-256 of each file's content."""


def unit_features(
    params: Params, images: Images, layers: tuple[str, ...]
) -> Float[Array, "batch numbers"]:
    """Features of unit length: the descriptor, or the maps of layers end to end, each of the same length."""
    if not layers:
        return jnp.asarray(descriptor(params, images))
    maps = [
        jnp.reshape(each, (len(images), -1)) for each in extract(params, images, layers).values()
    ]
    return jnp.concatenate(
        [each / (jnp.linalg.norm(each, axis=-1, keepdims=True) + 1e-12) for each in maps], -1
    ) / jnp.sqrt(float(len(maps)))


_compiled = jax.jit(unit_features, static_argnums=2)


def describe(
    gallery: Gallery,
    network: Network,
    layers: tuple[str, ...] = (),
    mode: Literal["auto", "none"] = "auto",
    progress: Looking = lambda done, total: None,
) -> Described:
    """Features of every face, from the cache where they are known.

    Args:
        gallery: as from `load_gallery`.
        network: as from `load_network`; faces are brought to its size.
        layers: whose maps make the features; the descriptor by default.
        mode: alignment, see `align.load_face`.
        progress: told how many of the faces that had to be computed are done.
    """
    place = _cache_file(gallery, network, layers, mode)
    hashes = _hashes(gallery)
    known = _read(place)
    todo = [
        index
        for index, name in enumerate(gallery.filenames)
        if known.get(name, (None,))[0] != hashes[index]
    ]
    progress(0, len(todo))
    for first in range(0, len(todo), BATCH):
        part = todo[first : first + BATCH]
        for index, row in zip(part, _rows(gallery, network, layers, mode, part), strict=True):
            known[gallery.filenames[index]] = (hashes[index], *row)
        progress(min(first + BATCH, len(todo)), len(todo))
        if first % SAVE_EVERY == 0 or first + BATCH >= len(todo):  # a killed run goes on from here
            _write(place, known, gallery)
    rows = [known[name] for name in gallery.filenames]
    width = next((len(row[1]) for row in rows if len(row[1])), 0)
    features = np.stack([row[1] if len(row[1]) else np.zeros(width, np.float32) for row in rows])
    return Described(
        features.astype(np.float32),
        np.stack([row[2] for row in rows]),
        tuple(row[3] for row in rows),
        tuple(hashes),
    )


Row = tuple[np.ndarray, np.ndarray, str]
"""Features, landmarks, failure."""
NOWHERE = np.full((5, 2), np.nan, np.float32)


def _rows(
    gallery: Gallery,
    network: Network,
    layers: tuple[str, ...],
    mode: Literal["auto", "none"],
    part: list[int],
) -> Iterator[Row]:
    """One batch, always of the same shape so that nothing compiles twice."""
    images = np.zeros((BATCH, network.size, network.size, 3), np.float32)
    landmarks, failures = [NOWHERE] * len(part), [""] * len(part)
    for place, index in enumerate(part):
        try:
            face = align.load_face(gallery.path(index), network.size, mode, centre=True)
        except ImageError as error:
            failures[place] = str(error)
            continue
        images[place] = face.image
        if face.landmarks is not None:
            landmarks[place] = face.landmarks.astype(np.float32)
    features = np.asarray(_compiled(network.params, jnp.asarray(images), layers))
    for found, points, failure in zip(features, landmarks, failures, strict=False):
        yield (np.empty(0, np.float32) if failure else found), points, failure


def _hashes(gallery: Gallery) -> list[str]:
    """A hash of each picture file; of its absence, where it is missing."""

    def of(index: int) -> str:
        try:
            return digest(gallery.path(index))
        except OSError:
            return "missing"

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return list(pool.map(of, range(len(gallery.filenames))))


def _cache_file(gallery: Gallery, network: Network, layers: tuple[str, ...], mode: str) -> Path:
    detected = mode == "auto" and detector.can_detect()
    key = json.dumps(
        [
            VERSION,
            str(gallery.folder.resolve()),
            network.sha256,
            network.size,
            layers,
            mode,
            detected,
        ]
    )
    return cache_folder() / "galleries" / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"


def _read(place: Path) -> dict[str, tuple[str, np.ndarray, np.ndarray, str]]:
    try:
        with np.load(io.BytesIO(place.read_bytes()), allow_pickle=False) as stored:
            names, hashes, features, landmarks, failures = (
                stored[key] for key in ("names", "hashes", "features", "landmarks", "failures")
            )
        whole = len(names) == len(hashes) == len(features) == len(landmarks) == len(
            failures
        ) and landmarks.shape[1:] == (5, 2)
        if not whole or not np.isfinite(features).all():
            return {}
        empty = np.empty(0, np.float32)
        rows = zip(names, hashes, features, landmarks, failures, strict=True)
        return {
            str(name): (str(digest), empty if failure else row, points, str(failure))
            for name, digest, row, points, failure in rows
        }
    except UNREADABLE:  # none yet, or damaged
        return {}


def _write(
    place: Path, known: dict[str, tuple[str, np.ndarray, np.ndarray, str]], gallery: Gallery
) -> None:
    """Keep what belongs to the gallery as it is now."""
    names = [name for name in gallery.filenames if name in known]
    rows = [known[name] for name in names]
    width = next((len(row[1]) for row in rows if len(row[1])), 0)
    features = np.zeros((len(rows), width), np.float32)
    for number, row in enumerate(rows):
        features[number, : len(row[1])] = row[1]
    buffer = io.BytesIO()
    np.savez(
        buffer,
        names=np.array(names),
        hashes=np.array([row[0] for row in rows]),
        features=features,
        landmarks=np.stack([row[2] for row in rows]),
        failures=np.array([row[3] for row in rows]),
    )
    place.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(place, buffer.getvalue())
