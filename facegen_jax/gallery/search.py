"""The faces of a gallery that are most similar to a query, never the query itself."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..faces.detector import Landmarks
from ..faces.geometry import misfit
from ..files import digest
from ..names import by_spelling, did_you_mean, normalise
from ..network.metrics import attribute_scores
from ..network.protocol import Network
from ..types import Image
from .features import Described, features_of
from .labels import Choice, Gallery, GalleryError, column, others


class Query(NamedTuple):
    """The face whose neighbours are searched."""

    features: Float[np.ndarray, " numbers"]
    """Unit length, from the same layers as those of the gallery."""
    row: int | None = None
    """Its row, if the very same file is in the gallery."""
    identity: str = ""
    """Who it is, if that is known."""


def query(
    gallery: Gallery,
    described: Described,
    network: Network,
    image: Image,
    file: Path,
    layers: tuple[str, ...] = (),
    identity: str | None = None,
) -> Query:
    """Describe a face that was read from `file` and resized to the network, and look it up.

    Raises:
        GalleryError: an `identity` that is not in the gallery.
    """
    if identity and identity not in gallery.identities:
        hint = did_you_mean(identity, set(gallery.identities))
        raise GalleryError(f"{gallery.folder}: it has no identity {identity!r}{hint}")
    features = np.asarray(features_of(network, np.asarray(image)[None], layers))[0]
    sha256 = digest(file)
    row = described.hashes.index(sha256) if sha256 in described.hashes else None
    return Query(features, row, identity or ("" if row is None else gallery.identities[row]))


def available(gallery: Gallery, described: Described, face: Query, choice: Choice) -> Choice:
    """Return which of the chosen faces may be used.

    Left out are images that could not be read, the same file under any name, and every photo of the
    query's identity.
    """
    readable = np.array([not failure for failure in described.failures])
    allowed = choice & readable & others(gallery, face.identity)
    if face.row is not None:
        own = described.hashes[face.row]
        allowed &= np.array([sha256 != own for sha256 in described.hashes])
    return allowed


def nearest(
    gallery: Gallery,
    described: Described,
    face: Query,
    choice: Choice,
    k: int,
    *,
    points: Landmarks | None = None,
    candidates: int = 1,
) -> tuple[list[int], list[float]]:
    """Return the rows and cosines of the `k` most similar available faces, the most similar first.

    With the query's landmarks, consider `candidates` x `k` neighbours and keep the `k` best
    aligned, as Upchurch et al. do (arXiv:1611.05507): another pose blurs more than a less similar
    face does.

    Raises:
        GalleryError: fewer than `k` are available.
    """
    allowed = available(gallery, described, face, choice)
    count = int(allowed.sum())
    if count < k:
        raise GalleryError(
            f"{gallery.folder}: {count} faces fit, {k} are needed; "
            "take a smaller --k or fewer --match"
        )
    cosines = np.where(allowed, described.features @ face.features, -np.inf)
    order = np.argsort(-cosines, kind="stable")[: min(count, k * candidates)]
    if points is not None and candidates > 1:
        misfits = [_misfit(described.landmarks[row].astype(float), points) for row in order]
        order = order[np.sort(np.argsort(misfits, kind="stable")[:k])]
    order = order[:k]
    return order.tolist(), cosines[order].tolist()


def _misfit(landmarks: Landmarks, points: Landmarks) -> float:
    return misfit(landmarks, points) if np.isfinite(landmarks).all() else np.inf


def matching(
    gallery: Gallery, network: Network, face: Query, image: Image, attribute: str
) -> Choice:
    """Choose the faces that share the query's value of an attribute.

    The value is the query's label if the gallery has it, else what the network sees.

    Raises:
        GalleryError: neither is known.
    """
    labels = gallery.labels[:, column(gallery, attribute)]
    value = int(labels[face.row]) if face.row is not None else -1
    head = by_spelling(network.attributes).get(normalise(attribute))
    if value < 0 and head is not None:
        logits = np.asarray(attribute_scores(network, np.asarray(image)[None]))[0]
        value = int(logits[network.attributes.index(head)] > 0)
    if value < 0:
        raise GalleryError(
            f"--match {attribute}: the reference's own value is not known, because it is not in "
            "the gallery and the network does not score it"
        )
    return labels == value
