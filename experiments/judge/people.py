"""Which people choose settings and which test them; training sees neither.

A hash of set and identity decides, as in `data.py` of the small network: the people that it holds
out are halved. What is chosen (thresholds, settings, pictures looked at while choosing) comes from
the one half; the other half is used once, when all is chosen.
"""

import sys
from pathlib import Path
from typing import Literal

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "small_network"))
import data

Half = Literal["choosing", "test"]
SHARE = 0.2
"""Share of the people held out of sets that no training knows."""


def belongs(name: str, identities: np.ndarray, half: Half) -> np.ndarray:
    """Return which faces of a set belong to the people of one half."""
    share = data.HELD_OUT.get(name, SHARE)
    fractions = np.array([data.fraction(name + each) for each in identities])
    if half == "test":
        return fractions < share / 2
    return (fractions >= share / 2) & (fractions < share)
