"""What many edits share, found again instead of made anew."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")
Recall = Callable[[Hashable, Callable[[], Any]], Any]
"""`recall(key, make)` returns what was made under a key before, or calls `make`."""


def make_anew(key: Hashable, make: Callable[[], T]) -> T:
    """Remember nothing."""
    return make()
