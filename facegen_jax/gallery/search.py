"""The faces of a gallery that are most like a given one, and never that one itself."""

from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..faces.align import misfit
from ..faces.detector import Landmarks
from ..files import digest
from ..names import did_you_mean, normalise
from ..network.checkpoint import Network
from ..network.metrics import attribute_scores
from ..types import Image
from .features import Described, unit_features
from .labels import Choice, Gallery, GalleryError, column, others


class Query(NamedTuple):
    """The face for which others are looked for."""

    features: Float[np.ndarray, " numbers"]
    """Unit length, of the same layers as those of the gallery."""
    place: int | None = None
    """Its row, where the very same file is in the gallery."""
    identity: str = ""
    """Who it is, where that is known."""


def query(
    gallery: Gallery,
    described: Described,
    network: Network,
    image: Image,
    file: Path,
    layers: tuple[str, ...] = (),
    identity: str | None = None,
) -> Query:
    """Describe a face that was read from `file` and brought to the network's size, and see whether the gallery has it.

    Raises:
        GalleryError: an `identity` that is not in the gallery.
    """
    if identity and identity not in gallery.identities:
        raise GalleryError(
            f"{gallery.folder}: nobody in it is called {identity!r}{did_you_mean(identity, set(gallery.identities))}"
        )
    features = np.asarray(unit_features(network.params, jnp.asarray(image)[None], layers))[0]
    same = [place for place, known in enumerate(described.hashes) if known == digest(file)]
    place = same[0] if same else None
    return Query(features, place, identity or ("" if place is None else gallery.identities[place]))


def available(gallery: Gallery, described: Described, face: Query, choice: Choice) -> Choice:
    """Which of the chosen faces may be used: not pictures that could not be read, nor the same file under any name, nor anyone of the face's identity."""
    allowed = (
        choice
        & np.array([not failure for failure in described.failures])
        & others(gallery, face.identity)
    )
    if face.place is not None:
        allowed &= np.array([known != described.hashes[face.place] for known in described.hashes])
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
    """The `k` most similar of the chosen faces that may be used, the most similar first, and their cosines.

    With the face's landmarks, the `k` whose own landmarks fit them best among `candidates` times `k` (Upchurch et al., arXiv:1611.05507, choose
    their neighbours so): another pose blurs more than a less similar face does.

    Raises:
        GalleryError: fewer than `k` are left.
    """
    allowed = available(gallery, described, face, choice)
    if allowed.sum() < k:
        raise GalleryError(
            f"{gallery.folder}: {int(allowed.sum())} faces fit, {k} are needed; take a smaller --k or fewer --match"
        )
    cosines = np.where(allowed, described.features @ face.features, -np.inf)
    order = np.argsort(-cosines, kind="stable")[: min(int(allowed.sum()), k * candidates)]
    if points is not None and candidates > 1:
        known = [np.isfinite(described.landmarks[place]).all() for place in order]
        misfits = [
            misfit(described.landmarks[place].astype(float), points) if each else np.inf
            for place, each in zip(order, known, strict=True)
        ]
        order = order[np.sort(np.argsort(misfits, kind="stable")[:k])]
    order = order[:k]
    return order.tolist(), cosines[order].tolist()


def matching(
    gallery: Gallery, network: Network, face: Query, image: Image, attribute: str
) -> Choice:
    """Faces with the same value of an attribute as the given one, which is its label if the gallery has it, else what the network sees.

    Raises:
        GalleryError: neither knows.
    """
    labels = gallery.labels[:, column(gallery, attribute)]
    value = int(labels[face.place]) if face.place is not None else -1
    seen = {normalise(name): place for place, name in enumerate(network.attributes)}
    if value < 0 and normalise(attribute) in seen:
        value = int(
            np.asarray(attribute_scores(network, jnp.asarray(image)[None]))[
                0, seen[normalise(attribute)]
            ]
            > 0
        )
    if value < 0:
        raise GalleryError(
            f"--match {attribute}: the reference's own value is not known, for it is not in the gallery and the network does not score it"
        )
    return labels == value
