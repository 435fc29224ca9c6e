"""Which people choose settings and which test them; training sees neither.

A hash of set and identity decides, as in `data.py` of the small network: the people that it holds
out are halved. What is chosen (thresholds, settings, pictures looked at while choosing) comes from
the one half; the other half is used once, when all is chosen.
"""

import hashlib
from typing import Literal

import numpy as np

HELD_OUT = {"lfw": 0.2, "celeba": 0.15, "utkface": 0.1}
Half = Literal["choosing", "test"]


def belongs(name: str, identities: np.ndarray, half: Half) -> np.ndarray:
    """Return which faces of a set belong to the people of one half."""
    share = HELD_OUT.get(name, 0.2)
    hashes = [hashlib.sha256((name + each).encode()).hexdigest()[:8] for each in identities]
    fractions = np.array([int(each, 16) / 2**32 for each in hashes])
    if half == "test":
        return fractions < share / 2
    return (fractions >= share / 2) & (fractions < share)
