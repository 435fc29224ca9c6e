"""PyTorch `.pth` files: state dicts in the zip container, and in the one used before PyTorch 1.6.

Read without torch: its own restricted loader has let code run before (CVE-2025-32434), and to check
a file here and load it there, the two readers would have to agree on every file.
"""

import functools
import io
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from .cursor import Cursor, SourceError, strided_view
from .layout import Parsed
from .naming import Path, by_path, path_of
from .networks import to_networks
from .pickled import MAX_PICKLE, PICKLE_TOO_LARGE, Call, read_pickle
from .zipped import Zip

LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""The pickled magic number at the start of the container used before PyTorch 1.6."""
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
TENSOR = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor")
"""Functions in pickled tensors since and before PyTorch 0.4; their first four arguments agree."""
PARAMETER = (
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch.nn.parameter.Parameter",
)
MAX_DICTS, MAX_DEPTH = 10_000, 60


def is_legacy(data: memoryview) -> bool:
    """Return whether the data begins like a file of torch.save before PyTorch 1.6."""
    return bytes(data[: len(LEGACY)]) == LEGACY


class Tensor(NamedTuple):
    """A tensor as the pickle describes it; its numbers are stored elsewhere."""

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


def read_zip(files: Zip) -> tuple[Parsed, ...]:
    """Read the zip container that torch.save has written since PyTorch 1.6."""
    pickle_name = next(name for name in files.members if name.endswith("data.pkl"))
    folder = pickle_name.removesuffix("data.pkl")
    if files.members[pickle_name].size > MAX_PICKLE:
        raise SourceError(PICKLE_TOO_LARGE)
    byte_order = f"{folder}byteorder"
    if byte_order in files.members and bytes(files.read(byte_order)) != b"little":
        raise SourceError("big-endian numbers; save the file again on a little-endian machine")
    value = read_pickle(io.BytesIO(files.read(pickle_name)))
    storage = functools.cache(lambda key: files.read(f"{folder}data/{key}"))  # may be shared
    return _networks(value, storage, "zip")


def read_legacy(data: memoryview) -> tuple[Parsed, ...]:
    """Read the container before PyTorch 1.6: five pickles, then the storages in a listed order."""
    stream = io.BytesIO(data[:MAX_PICKLE])
    _, _, system, value, keys = (read_pickle(stream) for _ in range(5))
    if (
        not isinstance(keys, list)
        or not isinstance(system, dict)
        or system.get("little_endian") is False
    ):
        raise SourceError(
            "expected the five pickles of torch.save in little-endian order: the file is damaged"
        )
    sizes = {each.key: (each.dtype.itemsize, each.length) for _, each in _tensors(value, (), set())}
    cursor, storages = Cursor(data, stream.tell()), {}
    for key in keys:
        if not isinstance(key, str) or key not in sizes:
            raise SourceError("a storage that belongs to no tensor: the file is damaged")
        size, count = sizes[key]
        if cursor.unpack("<q", f"storage {key}")[0] != count:
            raise SourceError(f"storage {key} should hold {count} numbers: the file is damaged")
        storages[key] = cursor.take(size * count, f"storage {key} of {count} numbers")

    def storage(key: str) -> memoryview:
        if key not in storages:
            raise SourceError(f"no numbers for the storage {key}: the file is damaged")
        return storages[key]

    return _networks(value, storage, "legacy")


def _networks(
    value: Any, storage: Callable[[str], memoryview], container: str
) -> tuple[Parsed, ...]:
    """Return the networks of a pickled value whose tensors' numbers are in storages."""
    tensors = by_path(_tensors(value, (), set()))
    if not tensors and (code := _code(value, set())):
        raise SourceError(
            f"a pickled {code}, which is code; save model.state_dict() with torch.save"
        )

    def fetch(path: Path, tensor: Tensor) -> np.ndarray:
        return tensor.view(Cursor(storage(tensor.key)), ".".join(path))

    return to_networks(tensors, fetch, f"PyTorch state dict ({container})")


def _tensors(
    value: Any, path: Path, seen: set[int], depth: int = 0
) -> Iterator[tuple[Path, Tensor]]:
    """Yield the path and description of each tensor in nested dicts and lists.

    Each dict or list is visited once, because a file can make them contain each other.
    """
    if isinstance(value, Call) and value.name in PARAMETER and value.arguments:
        value = value.arguments[0]
    if isinstance(value, Call) and value.name in TENSOR and path:
        yield path, _tensor(value, ".".join(path))
    for name, item in _items(value, seen, depth):
        yield from _tensors(item, (*path, *path_of(name)), seen, depth + 1)


def _items(value: Any, seen: set[int], depth: int) -> list[tuple[str, Any]]:
    """Return the items of a dict or list that has not been seen, by name or number."""
    if not isinstance(value, dict | list) or id(value) in seen:
        return []
    seen.add(id(value))
    if len(seen) > MAX_DICTS or depth > MAX_DEPTH:
        raise SourceError(
            f"more than {MAX_DICTS} dicts and lists, or nested deeper than {MAX_DEPTH}: "
            "not a state dict of VGG-Face"
        )
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return [(str(name), item) for name, item in items]


def _code(value: Any, seen: set[int], depth: int = 0) -> str:
    """Return the name of the first object that only running code would make; else nothing."""
    if isinstance(value, Call):
        return value.name
    found = (_code(item, seen, depth + 1) for _, item in _items(value, seen, depth))
    return next(filter(None, found), "")


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
