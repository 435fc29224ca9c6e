"""A gallery with features of its faces, and the faces in it that are most like a reference."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..bars import counting
from ..faces import align, colour, image, regions
from ..gallery.features import Described, describe
from ..gallery.labels import Choice, Gallery, having, load_gallery
from ..gallery.search import Query, available, matching, nearest, query
from ..network.protocol import DESCRIPTOR, Network
from ..types import Image, Progress
from .parsing import Amounts, EditError
from .request import Request


class Pool(NamedTuple):
    """A gallery with features of its faces: opened once, used for any number of references."""

    gallery: Gallery
    described: Described

    @property
    def note(self) -> str:
        """A remark for the user: what was unusual about the table, which faces could not be read,
        why features are not kept."""
        failures = [failure for failure in self.described.failures if failure]
        unread = f"{len(failures)} of its images are left out: {failures[0]}" if failures else ""
        return "; ".join(filter(None, (self.gallery.remark, unread, self.described.note)))


class Lookup(NamedTuple):
    """A search of a gallery for faces like one reference."""

    request: Request
    pool: Pool
    reference: align.Face
    face: Query
    matched: Choice
    """Faces that share what `--match` names."""


def open_pool(request: Request, network: Network, progress: Progress | None = None) -> Pool | None:
    """Open the gallery that the options name, if they do, and compute missing features."""
    options = request.options
    if not options.gallery:
        return None
    gallery = load_gallery(options.gallery)
    check_names(request.attributes, gallery)  # before thousands of features are computed
    if not network.has(DESCRIPTOR) and not options.similar_by:
        raise EditError(
            f"the network {network.name!r} has no descriptor to measure similarity with; "
            "give layers, as in --similar-by conv5_3"
        )
    with counting(progress) as counted:
        described = describe(gallery, network, options.similar_by, options.align, counted)
    return Pool(gallery, described)


def check_names(attributes: Amounts, gallery: Gallery) -> None:
    """Refuse attributes that the gallery does not label.

    Raises:
        GalleryError: suggests the nearest names.
    """
    for name, _ in attributes:
        having(gallery, name)


def look_up(request: Request, network: Network, reference: align.Face, pool: Pool) -> Lookup:
    """Prepare the search for faces like a reference, never of its own person."""
    (gallery, described), options = pool, request.options
    resized = image.resize(reference.image, (network.size, network.size))
    face = query(
        gallery,
        described,
        network,
        resized,
        options.reference,
        options.similar_by,
        options.identity,
    )
    matched = np.ones(len(gallery.filenames), bool)
    for attribute in options.match:
        matched &= matching(gallery, network, face, resized, attribute)
    return Lookup(request, pool, reference, face, matched)


def count(lookup: Lookup, choice: Choice) -> int:
    """Return how many faces of a choice can be used."""
    return int(available(*lookup.pool, lookup.face, choice & lookup.matched).sum())


def most_similar(lookup: Lookup, choice: Choice, k: int) -> tuple[list[int], list[float]]:
    """Return the rows of the k faces of a choice that are most like the reference, with cosines."""
    candidates, points = lookup.request.options.candidates, lookup.reference.points
    chosen = choice & lookup.matched
    return nearest(*lookup.pool, lookup.face, chosen, k, points=points, candidates=candidates)


def files(lookup: Lookup, rows: list[int], cosines: list[float]) -> list[tuple[Path, float]]:
    """Return the files of rows with their similarities."""
    return [(lookup.pool.gallery.path(row), each) for row, each in zip(rows, cosines, strict=True)]


def warped(lookup: Lookup, rows: list[int]) -> Iterator[align.Face]:
    """Read faces one by one, warped to the reference by their known landmarks."""
    reference, mode = lookup.reference, lookup.request.options.align
    gallery, described = lookup.pool
    for row in rows:
        known, size = described.pick(row), len(reference.image)
        yield align.load_face(
            gallery.path(row), size, mode, known, onto=reference.points, centre=True
        )


def recoloured(face: Image, reference: align.Face) -> Image:
    """Give a face the reference's light and skin tone, so that only the attribute differs."""
    region = regions.region("face", len(face), reference.points)
    return colour.match_statistics(face, reference.image, region)
