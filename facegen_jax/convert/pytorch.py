"""PyTorch `.pth` files: state dicts in the zip container, and in the one used before PyTorch 1.6.

Read without torch: its own restricted loader has let code run before (CVE-2025-32434), and to check
a file here and load it there, the two readers would have to agree on every file.
"""

import functools
import io
from collections.abc import Callable
from typing import Any

import numpy as np

from .cursor import Cursor, SourceError
from .layout import Parsed
from .naming import Path, by_path, place
from .networks import to_networks
from .pickled import MAX_PICKLE, PICKLE_TOO_LARGE, Call, read_pickle
from .remedies import SAVE as ARRAYS
from .torch_tensors import REBUILD, SETTINGS, Quantised, Tensor, bare, code, find
from .zipped import Zip

LEGACY = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""The pickled magic number of the container used before PyTorch 1.6, after the protocol's."""
SAVE = "save model.state_dict() with torch.save"


def is_legacy(data: memoryview) -> bool:
    """Return whether the data begins like a file of torch.save before PyTorch 1.6."""
    return bytes(data[:1]) == b"\x80" and LEGACY in bytes(data[:32])


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
    tensors = [each for _, each in find(value) if isinstance(each, Tensor)]
    sizes = {each.key: (each.dtype.itemsize, each.length) for each in tensors}
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
    tensors = by_path(find(value))
    # A module beside an optimizer's state dict is what was meant, and is code.
    if not any(map(place, tensors)):
        _refuse(value, bool(tensors))

    def fetch(path: Path, tensor: Tensor | Quantised) -> np.ndarray:
        name = ".".join(path)
        if isinstance(tensor, Quantised):
            raise SourceError(
                f"{name} holds {tensor.dtype} numbers: a quantised network; convert the one it was "
                "made of"
            )
        return tensor.view(Cursor(storage(tensor.key)), name)

    return to_networks(tensors, fetch, f"PyTorch state dict ({container})")


def _refuse(value: Any, has_tensors: bool) -> None:
    """Say what a value without VGG-Face is, and the way out, unless it is another network."""
    value, found = bare(value), code(value)
    if isinstance(value, Call) and value.name.startswith(REBUILD):
        raise SourceError(f"a single tensor, not a network; {SAVE}")
    if has_tensors and found and not SETTINGS.fullmatch(found):
        raise SourceError(
            f"a pickled {found}, which is code, and tensors of something else; if the first is the "
            f"network, {SAVE}"
        )
    if has_tensors:
        return
    if found.startswith("numpy."):
        raise SourceError(
            "a pickle of NumPy arrays, which only running code would make; where you trust it, "
            f"arrays = torch.load(FILE, weights_only=False); {ARRAYS}"
        )
    if found:
        raise SourceError(f"a pickled {found}, which is code; {SAVE}")
    raise SourceError(f"a PyTorch file without tensors; {SAVE}")
