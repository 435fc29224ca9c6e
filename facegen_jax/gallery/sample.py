"""Labelled faces to fit directions on and to judge them by: labels, held-out people, aligned
batches."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..faces import align, regions
from ..network.protocol import Network
from ..types import Images
from .features import BATCH, Described
from .labels import Gallery, GalleryError, having, knows, lacking

HELD_OUT = 0.2
"""Share of people (of photos, if a gallery names no identities) that a fit never sees and is judged
by."""
LIT = "cheeks+nose"
"""Where light and skin tone are measured."""
FEWEST = 10
"""Faces with and without an attribute that a fit needs."""


class Sample(NamedTuple):
    """The faces of one gallery with their labels."""

    gallery: Gallery
    described: Described
    labels: Float[np.ndarray, "faces names"]
    """1, 0, or NaN if unknown."""
    to_fit: Bool[np.ndarray, " faces"]
    to_judge: Bool[np.ndarray, " faces"]


def take(gallery: Gallery, described: Described, names: Sequence[str], mode: str) -> Sample:
    """Take the faces of a gallery that can be used.

    Unreadable images are left out, and faces that were not detected if others were.

    Args:
        gallery: as from `load_gallery`; a name that it does not label is unknown for all its faces.
        described: its features.
        names: labels, or pairs of opposites as in `Senior/Youth`: 1 is the first without the
            second, 0 the second without the first. In a gallery without the second, the first alone
            decides.
        mode: alignment, see `align.load_face`.
    """
    labels = np.full((len(gallery.filenames), len(names)), np.nan, np.float32)
    for column, name in enumerate(names):
        first, _, second = name.partition("/")
        if knows(gallery, first):
            label = name if second and knows(gallery, second) else first
            labels[lacking(gallery, label), column] = 0
            labels[having(gallery, label), column] = 1
    detected = np.isfinite(described.landmarks).all((1, 2))
    readable = np.array([not failure for failure in described.failures])
    usable = (detected | (mode == "none") | ~detected.any()) & readable
    judged = held_out(gallery)
    return Sample(gallery, described, labels, usable & ~judged, usable & judged)


def held_out(gallery: Gallery) -> Bool[np.ndarray, " faces"]:
    """Return which faces are held out.

    A hash of the folder's name and the identity decides, so that the split never changes and no
    person is on both sides.
    """
    folder = gallery.folder.resolve().name
    people = zip(gallery.identities, gallery.filenames, strict=True)
    keys = [folder + (identity or filename) for identity, filename in people]
    hashes = [int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) for key in keys]
    return np.array([value / 2**32 < HELD_OUT for value in hashes])


def counts(samples: Sequence[Sample], column: int) -> dict[str, int]:
    """Count faces with a known label that are fitted (`with`, `without`) and held out."""
    fitted = np.concatenate([faces.labels[faces.to_fit, column] for faces in samples])
    judged = np.concatenate([faces.labels[faces.to_judge, column] for faces in samples])
    chosen = {
        "with": fitted == 1,
        "without": fitted == 0,
        "held_out_with": judged == 1,
        "held_out_without": judged == 0,
    }
    return {name: int(rows.sum()) for name, rows in chosen.items()}


def check(samples: Sequence[Sample], names: Sequence[str]) -> None:
    """Raise a GalleryError for a name that no gallery labels, or that has too few faces."""
    for column, name in enumerate(names):
        first = name.partition("/")[0]
        if not any(knows(faces.gallery, first) for faces in samples):
            known = sorted({each for faces in samples for each in faces.gallery.attributes})
            raise GalleryError(
                f"no gallery has the attribute {first!r}; they label {', '.join(known)}"
            )
        number = counts(samples, column)
        if min(number["with"], number["without"]) < FEWEST:
            raise GalleryError(
                f"{name}: {number['with']} faces with it and {number['without']} without can be "
                f"fitted, {FEWEST} of each are needed"
            )


def batches(
    faces: Sample,
    network: Network,
    chosen: Bool[np.ndarray, " faces"],
    mode: Literal["auto", "none"],
) -> Iterator[tuple[Images, Float[np.ndarray, "count names"]]]:
    """Yield aligned faces and their labels.

    Image batches always have `BATCH` rows so that nothing compiles twice: the last is padded with
    black. Labels have as many rows as there are faces.
    """
    rows = np.flatnonzero(chosen).tolist()
    for first in range(0, len(rows), BATCH):
        part = rows[first : first + BATCH]
        images = np.zeros((BATCH, network.size, network.size, 3), np.float32)
        for index, row in enumerate(part):
            path, pick = faces.gallery.path(row), faces.described.pick(row)
            images[index] = align.load_face(path, network.size, mode, pick, centre=True).image
        yield images, faces.labels[part]


def light(images: Images) -> Float[Array, "faces 4"]:
    """Return the mean colour of aligned faces' cheeks and nose, and its slope from left to right.

    Attributes change these places least, and both sides alike: what an attribute darkens must not
    count as dark light. A slope downwards would: glasses darken the upper half of these places, and
    came with a lit face.
    """
    place = regions.region(LIT, images.shape[1])
    across = place * (np.arange(len(place), dtype=np.float32) / len(place) - 0.5)[None]
    means = jnp.tensordot(images, place / place.sum(), ((1, 2), (0, 1)))
    slope = jnp.tensordot(images.mean(-1), across / place.sum(), 2)
    return jnp.concatenate([means, jnp.expand_dims(slope, -1)], -1)
