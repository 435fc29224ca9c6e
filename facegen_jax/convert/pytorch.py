"""PyTorch `.pth` files: state dicts in the zip container, and in the one used before PyTorch 1.6.

Read without torch: its own restricted loader has let code run before (CVE-2025-32434), and to check
a file here and load it there, the two readers would have to agree on every file.
"""

import io
from collections.abc import Iterator
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from .cursor import Cursor, SourceError, strided_view
from .layout import Parsed
from .pickled import MAX_PICKLE, PICKLE_TOO_LARGE, Call, read_pickle
from .state_dict import relevant, to_layers
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
MAX_DICTS = 1000


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


def read_zip(files: Zip) -> Parsed:
    """Read the zip container that torch.save has written since PyTorch 1.6."""
    pickle_name = next(name for name in files.members if name.endswith("data.pkl"))
    folder = pickle_name.removesuffix("data.pkl")
    if files.members[pickle_name].size > MAX_PICKLE:
        raise SourceError(PICKLE_TOO_LARGE)
    byte_order = f"{folder}byteorder"
    if byte_order in files.members and bytes(files.read(byte_order)) != b"little":
        raise SourceError("big-endian numbers; save the file again on a little-endian machine")
    value = read_pickle(io.BytesIO(files.read(pickle_name)))
    tensors = _relevant(list(_tensors(value, set())))
    storages = {
        key: files.read(f"{folder}data/{key}") for key in {each.key for each in tensors.values()}
    }
    return to_layers(_views(tensors, storages), "zip")


def read_legacy(data: memoryview) -> Parsed:
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
    # Include an optimizer's tensors, whose names repeat: their storages must be skipped.
    tensors = list(_tensors(value, set()))
    sizes = {tensor.key: (tensor.dtype.itemsize, tensor.length) for _, tensor in tensors}
    wanted = _relevant(tensors)
    cursor, storages = Cursor(data, stream.tell()), {}
    for key in keys:
        if not isinstance(key, str) or key not in sizes:
            raise SourceError("a storage that belongs to no tensor: the file is damaged")
        size, count = sizes[key]
        if cursor.unpack("<q", f"storage {key}")[0] != count:
            raise SourceError(f"storage {key} should hold {count} numbers: the file is damaged")
        storages[key] = cursor.take(size * count, f"storage {key} of {count} numbers")
    missing = [name for name, tensor in wanted.items() if tensor.key not in storages]
    if missing:
        raise SourceError(f"no numbers for {', '.join(missing[:5])}: the file is damaged")
    return to_layers(_views(wanted, storages), "legacy")


def _views(tensors: dict[str, Tensor], storages: dict[str, memoryview]) -> dict[str, np.ndarray]:
    return {
        name: tensor.view(Cursor(storages[tensor.key]), name) for name, tensor in tensors.items()
    }


def _relevant(tensors: list[tuple[str, Tensor]]) -> dict[str, Tensor]:
    keys = relevant(name for name, _ in tensors)
    return {name: tensor for name, tensor in tensors if name in keys}


def _tensors(value: Any, seen: set[int]) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a state dict, at the top level or in nested dicts.

    Nested ones are called `state_dict` or `model`, for example. Each dict is visited once, because
    a file can make dicts contain each other.
    """
    if not seen and isinstance(value, Call) and value.name not in TENSOR:
        raise SourceError(
            f"a pickled {value.name}, which is code; save model.state_dict() with torch.save"
        )
    if not isinstance(value, dict) or id(value) in seen or len(seen) > MAX_DICTS:
        return
    seen.add(id(value))
    for name, item in value.items():
        if isinstance(item, Call) and item.name in PARAMETER and item.arguments:
            item = item.arguments[0]
        if isinstance(name, str) and isinstance(item, Call) and item.name in TENSOR:
            yield name, _tensor(item, name)
        else:
            yield from _tensors(item, seen)


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
