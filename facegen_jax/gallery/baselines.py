"""A network's identity similarity on the people of a gallery: of one person, and of two."""

import numpy as np

from ..network.baselines import Baselines
from .features import Described
from .labels import Choice, Gallery, GalleryError
from .sample import held_out

PER_PERSON = 25
"""Most pairs of one person: a few people of a gallery may have hundreds of photos."""
FEWEST = 100
"""Pairs of one person below which a median says little."""


def measure(gallery: Gallery, described: Described, *, seed: int = 0) -> Baselines:
    """Median cosines over pairs of photos of held-out people, as many of two people as of one; of all people where those are too few.

    Raises:
        GalleryError: the gallery does not name its people, or has too few with two photos.
    """
    usable = np.array(
        [
            bool(who) and not failure
            for who, failure in zip(gallery.identities, described.failures, strict=True)
        ]
    )
    identities, rng = np.array(gallery.identities), np.random.default_rng(seed)
    genuine = _of_one(identities, usable & held_out(gallery), rng)
    if len(genuine) < FEWEST:
        genuine = _of_one(identities, usable, rng)
    if len(genuine) < FEWEST:
        raise GalleryError(
            f"{gallery.folder}: {len(genuine)} pairs of photos are of one person, at least {FEWEST} are needed for baselines"
        )
    impostor = _of_two(identities, np.unique(genuine), len(genuine), rng)
    medians = [
        round(float(np.median(_cosines(described, pairs))), 3) for pairs in (genuine, impostor)
    ]
    return Baselines(
        medians[0],
        medians[1],
        len(genuine),
        len(set(identities[genuine[:, 0]])),
        gallery.folder.resolve().name,
    )


def _of_one(who: np.ndarray, choice: Choice, rng: np.random.Generator) -> np.ndarray:
    found = [np.empty((0, 2), int)]
    for name in sorted(set(who[choice])):
        photos = np.flatnonzero(choice & (who == name))
        pairs = np.stack(np.triu_indices(len(photos), 1), -1)
        found.append(photos[rng.permutation(pairs)[:PER_PERSON]])
    return np.concatenate(found)


def _of_two(
    who: np.ndarray, places: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    pairs = rng.choice(
        places, (20 * count, 2)
    )  # far more than are needed, for some are of one person
    return pairs[who[pairs[:, 0]] != who[pairs[:, 1]]][:count]


def _cosines(described: Described, pairs: np.ndarray) -> np.ndarray:
    first, second = described.features[pairs[:, 0]], described.features[pairs[:, 1]]
    return np.sum(first * second, -1)
