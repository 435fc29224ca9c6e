"""Labelled faces to fit directions on and to judge them by: what is known of each, who is held out, aligned pictures in batches."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from ..faces import align
from ..network.checkpoint import Network
from ..types import Images
from .features import BATCH, Described
from .labels import Gallery, GalleryError, having, knows, lacking

HELD_OUT = 0.2
"""Share of the people (of the photos, where a gallery names nobody) that a fit never sees and that it is judged by."""
FEWEST = 10
"""Faces with and without an attribute that a fit needs."""


class Sample(NamedTuple):
    """The faces of one gallery with what is known of them."""

    gallery: Gallery
    described: Described
    labels: Float[np.ndarray, "faces names"]
    """1, 0, or not a number where unknown."""
    to_fit: Bool[np.ndarray, " faces"]
    to_judge: Bool[np.ndarray, " faces"]


def take(gallery: Gallery, described: Described, names: Sequence[str], mode: str) -> Sample:
    """Labels of a gallery's faces; those that could not be read, or not be found where others were, count for nothing.

    Args:
        gallery: as from `load_gallery`; a name that it does not label is unknown of all its faces.
        described: its faces.
        names: labels, or pairs of opposites as in `Senior/Youth`: 1 is the first without the second, 0 the second without the first. A gallery
            without the second takes the first at its word.
        mode: alignment, see `align.load_face`.
    """
    labels = np.full((len(gallery.filenames), len(names)), np.nan, np.float32)
    for column, name in enumerate(names):
        first, _, second = name.partition("/")
        if knows(gallery, first):
            asked = name if second and knows(gallery, second) else first
            labels[lacking(gallery, asked), column], labels[having(gallery, asked), column] = 0, 1
    found = np.isfinite(described.landmarks).all((1, 2))
    usable = (found | (mode == "none") | ~found.any()) & np.array(
        [not failure for failure in described.failures]
    )
    return Sample(
        gallery, described, labels, usable & ~held_out(gallery), usable & held_out(gallery)
    )


def held_out(gallery: Gallery) -> Bool[np.ndarray, " faces"]:
    """Who is held out: by a hash of the folder's name and the identity, so that it never changes and no person is on both sides."""
    keys = [
        gallery.folder.resolve().name + (identity or name)
        for identity, name in zip(gallery.identities, gallery.filenames, strict=True)
    ]
    return np.array(
        [int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) / 2**32 < HELD_OUT for key in keys]
    )


def counts(samples: Sequence[Sample], column: int) -> dict[str, int]:
    """Numbers of faces with a known label that are fitted (`with`, `without`) and held out."""
    fitted = np.concatenate([faces.labels[faces.to_fit, column] for faces in samples])
    judged = np.concatenate([faces.labels[faces.to_judge, column] for faces in samples])
    named = {
        "with": fitted == 1,
        "without": fitted == 0,
        "held_out_with": judged == 1,
        "held_out_without": judged == 0,
    }
    return {name: int(which.sum()) for name, which in named.items()}


def check(samples: Sequence[Sample], names: Sequence[str]) -> None:
    """Raise a GalleryError for a name that no gallery labels, or of too few faces."""
    for column, name in enumerate(names):
        first = name.partition("/")[0]
        if not any(knows(faces.gallery, first) for faces in samples):
            known = sorted(
                {attribute for faces in samples for attribute in faces.gallery.attributes}
            )
            raise GalleryError(
                f"no gallery has the attribute {first!r}; they label {', '.join(known)}"
            )
        known = counts(samples, column)
        if min(known["with"], known["without"]) < FEWEST:
            raise GalleryError(
                f"{name}: {known['with']} faces with it and {known['without']} without are there to fit, {FEWEST} of each are needed"
            )


def batches(
    faces: Sample,
    network: Network,
    which: Bool[np.ndarray, " faces"],
    mode: Literal["auto", "none"],
) -> Iterator[tuple[Images, Float[np.ndarray, "count names"]]]:
    """Aligned faces, always `BATCH` so that nothing compiles twice (the last are filled up with black), and the labels of those that count."""
    places = np.flatnonzero(which).tolist()
    for first in range(0, len(places), BATCH):
        part = places[first : first + BATCH]
        images = np.zeros((BATCH, network.size, network.size, 3), np.float32)
        for row, place in enumerate(part):
            points = faces.described.landmarks[place].astype(float)
            pick = align.Pick(landmarks=points) if np.isfinite(points).all() else None
            images[row] = align.load_face(
                faces.gallery.path(place), network.size, mode, pick, centre=True
            ).image
        yield images, faces.labels[part]
