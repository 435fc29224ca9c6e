"""The tensors of a pickled value, as PyTorch describes them; their numbers are stored elsewhere."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from .cursor import Cursor, SourceError, strided_view
from .naming import Path, path_of
from .pickled import Call, Name, Persistent

DTYPES = {
    "Float": np.dtype("<f4"),
    "Double": np.dtype("<f8"),
    "Half": np.dtype("<f2"),
    "BFloat16": np.dtype(ml_dtypes.bfloat16),
    "Long": np.dtype("<i8"),
    "Int": np.dtype("<i4"),
    "Short": np.dtype("<i2"),
    "Char": np.dtype("i1"),
    "Byte": np.dtype("u1"),
}
REBUILD = "torch._utils._rebuild_"
"""Functions that make tensors."""
TENSOR = (f"{REBUILD}tensor_v2", f"{REBUILD}tensor")
"""Those of plain tensors since and before PyTorch 0.4; their first four arguments agree."""
QUANTISED = (f"{REBUILD}tensor_v3", f"{REBUILD}qtensor")
"""Those of tensors of 8 bits (float8) and of quantised ones."""
PARAMETER = (
    f"{REBUILD}parameter",
    f"{REBUILD}parameter_with_state",
    "torch.nn.parameter.Parameter",
)
SETTINGS = re.compile(
    r"(collections|argparse|datetime|pathlib|numpy|_codecs|torch\._utils|torch\.storage)\..*|"
    r"torch\.(device|dtype|Size|Generator)|"
    r"(builtins|__builtin__)\.(set|frozenset|list|dict|bytearray|complex|slice|range)"
)
"""Names of what makes no network, but what is often saved beside one."""
MAX_CONTAINERS, MAX_DEPTH = 100_000, 60


class Tensor(NamedTuple):
    """A tensor as the pickle describes it."""

    key: str
    """Name of the storage."""
    dtype: np.dtype
    length: int
    """Elements in the whole storage."""
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def view(self, storage: Cursor, name: str) -> np.ndarray:
        """Return the tensor as a view of the storage that begins at the cursor."""
        label = f"storage of {name}, {self.length} numbers"
        numbers = storage.array(self.dtype, self.length, label)
        return strided_view(numbers, self.shape, self.strides, self.offset, name)


class Quantised(NamedTuple):
    """A tensor of rounded numbers, which no network is converted from."""

    dtype: str


def find(value: Any) -> Iterator[tuple[Path, Tensor | Quantised]]:
    """Yield the path and description of each tensor in nested dicts, lists and tuples."""
    yield from _find(value, (), set())


def _find(
    value: Any, path: Path, seen: set[int], depth: int = 0
) -> Iterator[tuple[Path, Tensor | Quantised]]:
    value = bare(value)
    if isinstance(value, Call) and value.name in TENSOR and path:
        yield path, _tensor(value, ".".join(path))
    elif isinstance(value, Call) and value.name in QUANTISED and path:
        yield path, _quantised(value)
    for name, item in _items(value, seen, depth):
        yield from _find(item, (*path, *path_of(name)), seen, depth + 1)


def bare(value: Any) -> Any:
    """Return the tensor of a parameter, and anything else as it is."""
    if isinstance(value, Call) and value.name in PARAMETER and value.arguments:
        return value.arguments[0]
    return value


def code(value: Any) -> str:
    """Return the name of an object that only running code would make; nothing if there is none.

    That is the first which is not an ordinary setting, or else the first.
    """
    names = [*_calls(value, set())]
    return next((name for name in names if not SETTINGS.fullmatch(name)), next(iter(names), ""))


def _calls(value: Any, seen: set[int], depth: int = 0) -> Iterator[str]:
    if isinstance(value, Call):
        yield value.name
    for _, item in _items(value, seen, depth):
        yield from _calls(item, seen, depth + 1)


def _items(value: Any, seen: set[int], depth: int) -> list[tuple[str, Any]]:
    """Return the items of a container that has not been seen, by name or number.

    Each is visited once, because a file can make them contain each other.
    """
    members = value.members if isinstance(value, Call) else value
    if isinstance(members, Name | Persistent) or not isinstance(members, dict | list | tuple):
        return []
    if id(members) in seen:
        return []
    seen.add(id(members))
    if len(seen) > MAX_CONTAINERS or depth > MAX_DEPTH:
        raise SourceError(
            f"more than {MAX_CONTAINERS} dicts and lists, or nested deeper than {MAX_DEPTH}: "
            "not a state dict of VGG-Face"
        )
    if isinstance(members, dict):
        return [(str(name), item) for name, item in members.items()]
    if members and all(map(_is_named, members)):  # such as list(model.named_parameters())
        return [*members]
    return [(str(number), item) for number, item in enumerate(members)]


def _is_named(item: Any) -> bool:
    return type(item) is tuple and len(item) == 2 and isinstance(item[0], str)


def _tensor(call: Call, name: str) -> Tensor:
    """Read a tensor from the arguments of `_rebuild_tensor_v2`, after checking them."""
    try:
        persistent, offset, shape, strides = call.arguments[:4]
        kind, storage_type, key, _, count, *view = persistent.key
        dtype = DTYPES[storage_type.name.removeprefix("torch.").removesuffix("Storage")]
        numbers = (offset, count, *shape, *strides)
    except (AttributeError, TypeError, ValueError, KeyError):
        raise SourceError(
            f"{name} is a tensor of a kind that networks do not use (quantised, sparse, complex)"
        ) from None
    valid = (
        all(isinstance(number, int) and 0 <= number < 1 << 62 for number in numbers)
        and len(shape) == len(strides) <= 8
    )
    if kind != "storage" or not isinstance(key, str) or any(view) or not valid:
        raise SourceError(f"{name} is not a plain tensor: the file is damaged")
    return Tensor(key, dtype, count, offset, tuple(shape), tuple(strides))


def _quantised(call: Call) -> Quantised:
    """Return the type of a tensor's numbers, as far as the pickle names it."""
    named = [each.name for each in call.arguments if isinstance(each, Name)]
    if call.name.endswith("_v3") and named:
        return Quantised(named[0].removeprefix("torch."))
    return Quantised("quantised")
