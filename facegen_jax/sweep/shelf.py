"""What runs share, kept up to a number of bytes: the latest used stays."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, TypeVar

T = TypeVar("T")


class Shelf(MutableMapping[Any, Any]):
    """A mapping that drops what was not used for longest once its arrays exceed `limit` bytes.

    The latest value stays, whatever its size. Arrays that several values hold count several times.
    """

    def __init__(self, limit: int):
        self.limit, self.held = limit, 0
        self._values = OrderedDict[Hashable, tuple[Any, int]]()

    def recall(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of a key; make it if it is not there. What `make` raises is not kept."""
        if key not in self:
            self[key] = make()
        return self[key]

    def __getitem__(self, key: Hashable) -> Any:
        self._values.move_to_end(key)
        return self._values[key][0]

    def __setitem__(self, key: Hashable, value: Any) -> None:
        self._forget(key)
        self._values[key] = value, size(value)
        self.held += size(value)
        while self.held > self.limit and len(self._values) > 1:
            self._forget(next(iter(self._values)))

    def __delitem__(self, key: Hashable) -> None:
        if key not in self._values:
            raise KeyError(key)
        self._forget(key)

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def _forget(self, key: Hashable) -> None:
        _, bytes = self._values.pop(key, (None, 0))
        self.held -= bytes


def size(value: object) -> int:
    """Return the bytes of the arrays in tuples and mappings, and a little for each value."""
    inner: Iterable[object] = value.values() if isinstance(value, Mapping) else ()
    if isinstance(value, tuple | list):
        inner = value
    return 100 + getattr(value, "nbytes", 0) + sum(map(size, inner))
