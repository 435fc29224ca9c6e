"""The faces of a gallery that are most like a given one, and never that one itself."""

from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..checkpoint import Network
from ..direction import plain
from ..metrics import attribute_scores
from ..tensor_file import digest
from ..types import Image
from .features import Described, unit_features
from .labels import Choice, Gallery, GalleryError, column, others


class Query(NamedTuple):
    """The face for which others are looked for."""

    features: Float[np.ndarray, " numbers"]
    """Unit length, of the same layers as those of the gallery."""
    place: int | None = None
    """Its row, where the very same file is in the gallery."""


def query(described: Described, network: Network, image: Image, file: Path, layers: tuple[str, ...] = ()) -> Query:
    """Describe a face that was read from `file` and brought to the network's size, and see whether the gallery has it."""
    features = np.asarray(unit_features(network.params, jnp.asarray(image)[None], layers))[0]
    same = [place for place, known in enumerate(described.hashes) if known == digest(file)]
    return Query(features, same[0] if same else None)


def nearest(gallery: Gallery, described: Described, face: Query, choice: Choice, k: int) -> tuple[list[int], list[float]]:
    """The `k` most similar of the chosen faces, the most similar first, and their cosines.

    Left out are pictures that could not be read, the same file under any name, and everyone of the face's own identity.

    Raises:
        GalleryError: fewer than `k` are left.
    """
    allowed = choice & np.array([not failure for failure in described.failures])
    if face.place is not None:
        same_file = np.array([known == described.hashes[face.place] for known in described.hashes])
        allowed &= others(gallery, gallery.identities[face.place]) & ~same_file
    if allowed.sum() < k:
        raise GalleryError(f"{gallery.folder}: {int(allowed.sum())} faces fit, {k} are needed; take a smaller --k or fewer --match")
    cosines = np.where(allowed, described.features @ face.features, -np.inf)
    order = np.argsort(-cosines, kind="stable")[:k]
    return order.tolist(), cosines[order].tolist()


def matching(gallery: Gallery, network: Network, face: Query, image: Image, attribute: str) -> Choice:
    """Faces with the same value of an attribute as the given one, which is its label if the gallery has it, else what the network sees.

    Raises:
        GalleryError: neither knows.
    """
    labels = gallery.labels[:, column(gallery, attribute)]
    value = int(labels[face.place]) if face.place is not None else -1
    seen = {plain(name): place for place, name in enumerate(network.attributes)}
    if value < 0 and plain(attribute) in seen:
        value = int(np.asarray(attribute_scores(network, jnp.asarray(image)[None]))[0, seen[plain(attribute)]] > 0)
    if value < 0:
        raise GalleryError(
            f"--match {attribute}: the reference's own value is not known, for it is not in the gallery and the network does not score it"
        )
    return labels == value
