"""Similarity baselines of a network, measured on the people of a gallery."""

import numpy as np
from jaxtyping import Int

from ..network.baselines import Baselines
from .features import Described
from .labels import Choice, Gallery, GalleryError
from .sample import held_out

PER_PERSON = 25
"""Most pairs of one person, because a few people of a gallery may have hundreds of photos."""
MIN_PAIRS = 100
"""Genuine pairs below which a median means little."""

Pairs = Int[np.ndarray, "pairs 2"]
"""Rows of two photos in the gallery."""


def measure(gallery: Gallery, described: Described, *, seed: int = 0) -> Baselines:
    """Measure median cosines over as many pairs of two people as of one.

    The photos are those of held-out people, or of all people if these have too few pairs.

    Raises:
        GalleryError: the gallery names no people, or too few with two photos.
    """
    readable = np.array([not failure for failure in described.failures])
    identities, rng = np.array(gallery.identities), np.random.default_rng(seed)
    usable = readable & (identities != "")
    genuine = _genuine_pairs(identities, usable & held_out(gallery), rng)
    if len(genuine) < MIN_PAIRS:
        genuine = _genuine_pairs(identities, usable, rng)
    if len(genuine) < MIN_PAIRS:
        raise GalleryError(
            f"{gallery.folder}: {len(genuine)} pairs of photos are of one person, "
            f"at least {MIN_PAIRS} are needed for baselines"
        )
    impostor = _impostor_pairs(identities, np.unique(genuine), len(genuine), rng)
    return Baselines(
        genuine=_median_cosine(described, genuine),
        impostor=_median_cosine(described, impostor),
        pairs=len(genuine),
        people=len(set(identities[genuine[:, 0]])),
        gallery=gallery.folder.resolve().name,
    )


def _genuine_pairs(identities: np.ndarray, chosen: Choice, rng: np.random.Generator) -> Pairs:
    """Return pairs of photos of one person, at most `PER_PERSON` of each."""
    pairs = [np.empty((0, 2), int)]
    for identity in sorted(set(identities[chosen])):
        photos = np.flatnonzero(chosen & (identities == identity))
        combinations = np.stack(np.triu_indices(len(photos), 1), -1)
        pairs.append(photos[rng.permutation(combinations)[:PER_PERSON]])
    return np.concatenate(pairs)


def _impostor_pairs(
    identities: np.ndarray, photos: np.ndarray, count: int, rng: np.random.Generator
) -> Pairs:
    """Return up to `count` random pairs of photos of two people."""
    # 20 times as many as needed, because pairs of one person are dropped.
    pairs = rng.choice(photos, (20 * count, 2))
    return pairs[identities[pairs[:, 0]] != identities[pairs[:, 1]]][:count]


def _median_cosine(described: Described, pairs: Pairs) -> float:
    first, second = described.features[pairs[:, 0]], described.features[pairs[:, 1]]
    return round(float(np.median(np.sum(first * second, -1))), 3)
