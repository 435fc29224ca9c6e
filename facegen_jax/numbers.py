"""Numbers that can be computed with."""

LARGEST = 3.4028234663852886e38
"""The largest number of 32 bits; beyond it everything is infinite."""


def in_range(number: int | float) -> bool:
    """Return whether a number is finite in 32 bits."""
    return abs(number) <= LARGEST  # false for NaN
