"""Class numbers in masks: whole numbers that name what a pixel shows, and are no levels of grey."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Integer, Real

CLASSES = 63
"""The largest class number: integers up to it count things, larger ones are grey levels."""
VOIDS = (255, 65535)
"""The largest number of 8 and 16 bits stands for what belongs to no class, such as borders."""


class Classes(NamedTuple):
    """Where a mask has a class, and what it has."""

    selected: Bool[np.ndarray, "height width"]
    how: str


def class_numbers(
    values: Real[np.ndarray, "height width"],
) -> Integer[np.ndarray, "height width"] | None:
    """Return class numbers, 0 where there is no class; None if the values are levels of grey.

    Black and white with a few stray values looks like a void with small classes, but the stray
    values do not lie side by side.
    """
    void = values == values.max(initial=0)
    if values.max(initial=0) not in VOIDS:
        void = np.zeros_like(void)
    numbers = np.where(void, 0, values)
    if not 1 <= numbers.max(initial=0) <= CLASSES or numbers.min() < 0:
        return None
    if (numbers != np.round(numbers)).any():
        return None
    numbers = numbers.astype(int)
    if void.any() and void.sum() >= (numbers > 0).sum() and not _lie_side_by_side(numbers):
        return None
    return numbers


def _lie_side_by_side(numbers: Integer[np.ndarray, "height width"]) -> bool:
    """Return whether most numbers have equals to the right and below, as areas of classes have."""
    corner = numbers[:-1, :-1]
    equal = (corner == numbers[:-1, 1:]) & (corner == numbers[1:, :-1])
    return bool(2 * (equal & (corner > 0)).sum() > (numbers > 0).sum())


def select(numbers: Integer[np.ndarray, "height width"]) -> Classes:
    """Select all classes."""
    used = [int(each) for each in np.unique(numbers[numbers > 0])]
    how = f"class numbers {_listed(used)}, all selected" if used != [1] else "0 and 1"
    return Classes(numbers > 0, how)


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:8]))
    return f"{shown} and {len(numbers) - 8} more" if len(numbers) > 8 else shown
