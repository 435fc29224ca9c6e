"""Features of every face of a gallery, computed once and kept in the user's cache.

A face is computed again when its file's content changes, and all faces when the network, the layers
or the alignment change. A cache that cannot be read is rebuilt; without one that can be written,
features last as long as the process.
"""

import concurrent.futures
import functools
import hashlib
import io
import json
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import cache
from ..faces import align, detector
from ..faces.image import ImageError
from ..files import digest, write_atomically
from ..network.protocol import DESCRIPTOR, Backbone, Network, extract
from ..stored import StoredError, read_arrays
from ..types import Images, Progress
from .labels import Gallery

BATCH, SAVE_EVERY = 64, 1024
FOLDER = "galleries"
"""Folder inside the cache."""
VERSION = 2
"""Version of the cache: raised whenever the same inputs would give other numbers."""


class Described(NamedTuple):
    """Features of the faces of a gallery, in its order."""

    features: Float[np.ndarray, "faces numbers"]
    """Unit length, to be compared by scalar products; zeros for images that could not be read."""
    landmarks: Float[np.ndarray, "faces 5 2"]
    """In each image's pixels; NaN where the centre was taken."""
    failures: tuple[str, ...]
    """Why an image could not be read; empty if it could."""
    hashes: tuple[str, ...]
    """SHA-256 of each file's content."""
    note: str = ""
    """Why they could not be kept for the next time; empty if they are."""

    def pick(self, row: int) -> align.Pick | None:
        """Return where a face is in its image; None where the centre was taken."""
        points = self.landmarks[row].astype(float)
        return align.Pick(landmarks=points) if np.isfinite(points).all() else None


def features_of(
    network: Network, images: Images, layers: tuple[str, ...] = ()
) -> Float[Array, "batch numbers"]:
    """Return features of unit length: the descriptor, or the maps of layers, each scaled to one
    length."""
    return _unit_features(network.backbone, network.params, jnp.asarray(images), layers)


@functools.partial(jax.jit, static_argnums=(0, 3))
def _unit_features(
    backbone: Backbone, params: Any, images: Images, layers: tuple[str, ...]
) -> Float[Array, "batch numbers"]:
    if not layers:
        return extract(backbone, params, images, (DESCRIPTOR,))[DESCRIPTOR]
    found = extract(backbone, params, images, layers).values()
    flat = [jnp.reshape(each, (len(images), -1)) for each in found]
    units = [each / (jnp.linalg.norm(each, axis=-1, keepdims=True) + 1e-12) for each in flat]
    return jnp.concatenate(units, -1) / jnp.sqrt(float(len(units)))


def describe(
    gallery: Gallery,
    network: Network,
    layers: tuple[str, ...] = (),
    mode: Literal["auto", "none"] = "auto",
    progress: Progress = lambda done, total: None,
) -> Described:
    """Return features of every face, from the cache where they are known.

    Args:
        gallery: as from `load_gallery`.
        network: as from `load_network`; faces are resized to its size.
        layers: layers whose maps make the features; the descriptor by default.
        mode: alignment, see `align.load_face`.
        progress: counts the faces that had to be computed.
    """
    file, note = _file_name(gallery, network, layers, mode), ""
    hashes, known = _hashes(gallery), _read(file)
    names = gallery.filenames
    todo = [row for row, name in enumerate(names) if known.get(name, ("",))[0] != hashes[row]]
    progress(0, len(todo))
    for first in range(0, len(todo), BATCH):
        rows = todo[first : first + BATCH]
        for row, face in zip(rows, _faces(gallery, network, layers, mode, rows), strict=True):
            known[names[row]] = (hashes[row], *face)
        progress(min(first + BATCH, len(todo)), len(todo))
        if first % SAVE_EVERY == 0 or first + BATCH >= len(todo):  # a killed run resumes here
            note = _write(file, known, gallery)
    faces = [known[name] for name in names]
    width = next((len(face[1]) for face in faces if len(face[1])), 0)
    features = np.stack([face[1] if len(face[1]) else np.zeros(width) for face in faces])
    landmarks = np.stack([face[2] for face in faces])
    failures = tuple(face[3] for face in faces)
    return Described(features.astype(np.float32), landmarks, failures, tuple(hashes), note)


Face = tuple[np.ndarray, np.ndarray, str]
"""Features, landmarks, failure."""
Known = dict[str, tuple[str, np.ndarray, np.ndarray, str]]
"""Hash, features, landmarks and failure by file name."""
NO_LANDMARKS = np.full((5, 2), np.nan, np.float32)


def _faces(
    gallery: Gallery,
    network: Network,
    layers: tuple[str, ...],
    mode: Literal["auto", "none"],
    rows: list[int],
) -> Iterator[Face]:
    """Describe one batch, always of the same shape so that nothing compiles twice."""
    images = np.zeros((BATCH, network.size, network.size, 3), np.float32)
    landmarks, failures = [NO_LANDMARKS] * len(rows), [""] * len(rows)
    for index, row in enumerate(rows):
        try:
            face = align.load_face(gallery.path(row), network.size, mode, centre=True)
        except ImageError as error:
            failures[index] = str(error)
            continue
        images[index] = face.image
        if face.landmarks is not None:
            landmarks[index] = face.landmarks.astype(np.float32)
    features = np.asarray(features_of(network, images, layers))
    for vector, points, failure in zip(features, landmarks, failures, strict=False):
        yield (np.empty(0, np.float32) if failure else vector), points, failure


def _hashes(gallery: Gallery) -> list[str]:
    """Hash each image file; a missing one gets a fixed word."""

    def hash_row(row: int) -> str:
        try:
            return digest(gallery.path(row))
        except OSError:
            return "missing"

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return list(pool.map(hash_row, range(len(gallery.filenames))))


def _file_name(gallery: Gallery, network: Network, layers: tuple[str, ...], mode: str) -> str:
    detected = mode == "auto" and detector.can_detect()
    folder = str(gallery.folder.resolve())
    key = json.dumps([VERSION, folder, network.sha256, network.size, layers, mode, detected])
    return f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"


def _read(file: str) -> Known:
    names = ("names", "hashes", "features", "landmarks", "failures")
    try:
        stored = read_arrays(cache.folder() / FOLDER / file)
        arrays = [stored[name] for name in names]
    except (StoredError, KeyError, OSError):  # none yet, damaged, or no folder
        return {}
    features = arrays[2]
    faces = len(features) if features.ndim == 2 else 0
    shapes = ((faces,), (faces,), (faces, *features.shape[1:]), (faces, 5, 2), (faces,))
    fits = all(
        array.shape == shape and array.dtype.kind == kind
        for array, shape, kind in zip(arrays, shapes, "UUffU", strict=True)
    )
    if not fits or not np.isfinite(features).all():
        return {}
    empty = np.empty(0, np.float32)
    return {
        str(name): (str(sha256), empty if failure else vector, points, str(failure))
        for name, sha256, vector, points, failure in zip(*arrays, strict=True)
    }


def _write(file: str, known: Known, gallery: Gallery) -> str:
    """Keep the faces that the gallery has now; return why they cannot be kept, if so."""
    names = [name for name in gallery.filenames if name in known]
    faces = [known[name] for name in names]
    width = next((len(face[1]) for face in faces if len(face[1])), 0)
    features = np.zeros((len(faces), width), np.float32)
    for row, face in enumerate(faces):
        features[row, : len(face[1])] = face[1]
    buffer = io.BytesIO()
    np.savez(
        buffer,
        names=np.array(names),
        hashes=np.array([face[0] for face in faces]),
        features=features,
        landmarks=np.stack([face[2] for face in faces]),
        failures=np.array([face[3] for face in faces]),
    )
    try:
        write_atomically(cache.writable(FOLDER) / file, buffer.getvalue())
    except OSError as error:
        return f"features of faces are not kept for the next time: {error}"
    return ""
