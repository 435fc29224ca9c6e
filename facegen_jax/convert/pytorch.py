"""PyTorch `.pth`: state dicts in the zip container and in the one before PyTorch 1.6, with the key styles of VGG-Face's ports.

Read without torch: its own restricted loader has let code run before (CVE-2025-32434), and two readers would have to agree.
"""

import io
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from .cursor import Cursor, SourceError, strided
from .layout import NAMES, Parsed, by_position
from .pickled import HEAD_TOO_LONG, MAX_HEAD, Call, read_pickle
from .zipped import Zip

LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""The pickled magic number that the container before PyTorch 1.6 begins with."""
DTYPES = {
    "Float": np.dtype("<f4"),
    "Double": np.dtype("<f8"),
    "Half": np.dtype("<f2"),
    "BFloat16": np.dtype(ml_dtypes.bfloat16),
}
DTYPES |= {
    "Long": np.dtype("<i8"),
    "Int": np.dtype("<i4"),
    "Short": np.dtype("<i2"),
    "Char": np.dtype("i1"),
    "Byte": np.dtype("u1"),
}
TENSOR = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor")
"""What a tensor is pickled as since and before PyTorch 0.4; the first four arguments are the same."""
PARAMETER = (
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch.nn.parameter.Parameter",
)
MAX_DICTS = 1000
KEY = re.compile(r"(?:.*\.)?(?:(conv)(_?)([0-9]_[0-9])|(fc[0-9]))\.(weight|bias)")
NUMBERED = re.compile(r"(?:.*\.)?(features|classifier)\.([0-9]{1,3})\.(weight|bias)")
EITHER = "files of both colour orders use these names; taken as RGB, as vgg_face_dag.pth has it (--colour BGR for weights from Caffe, --verify to see)"


def is_legacy(data: memoryview) -> bool:
    """Whether the file begins as torch.save wrote before PyTorch 1.6."""
    return bytes(data[: len(LEGACY)]) == LEGACY


class Tensor(NamedTuple):
    """A tensor as the pickle describes it; its numbers lie elsewhere."""

    key: str
    """Of the storage."""
    dtype: np.dtype
    length: int
    """Numbers in the whole storage."""
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def view(self, storage: Cursor, name: str) -> np.ndarray:
        """Its numbers out of the storage that begins at the cursor."""
        numbers = storage.array(
            self.dtype, self.length, f"storage of {name}, {self.length} numbers"
        )
        return strided(numbers, self.shape, self.strides, self.offset, name)


def read_zip(files: Zip) -> Parsed:
    """Read the container that torch.save has written since PyTorch 1.6."""
    head = next(name for name in files.members if name.endswith("data.pkl"))
    folder = head.removesuffix("data.pkl")
    if files.members[head].size > MAX_HEAD:
        raise SourceError(HEAD_TOO_LONG)
    if (
        f"{folder}byteorder" in files.members
        and bytes(files.read(f"{folder}byteorder")) != b"little"
    ):
        raise SourceError("numbers in big-endian order; save the file again on another machine")
    found = dict(_wanted(_tensors(read_pickle(io.BytesIO(files.read(head))), set())))
    storages = {
        key: files.read(f"{folder}data/{key}") for key in {tensor.key for tensor in found.values()}
    }
    return _parsed(
        {name: tensor.view(Cursor(storages[tensor.key]), name) for name, tensor in found.items()},
        "zip",
    )


def read_legacy(data: memoryview) -> Parsed:
    """Read the container before PyTorch 1.6: pickles, then the storages in the order of a list."""
    stream = io.BytesIO(data[:MAX_HEAD])
    _, _, system, value, keys = (read_pickle(stream) for _ in range(5))
    if (
        not isinstance(keys, list)
        or not isinstance(system, dict)
        or system.get("little_endian") is False
    ):
        raise SourceError(
            "not the five pickles of torch.save in little-endian order: the file is damaged"
        )
    tensors = list(
        _tensors(value, set())
    )  # also those of an optimizer, whose names repeat: their storages must be passed over
    sizes = {tensor.key: (tensor.dtype.itemsize, tensor.length) for _, tensor in tensors}
    found = dict(_wanted(tensors))
    cursor, storages = Cursor(data, stream.tell()), {}
    for key in keys:
        if not isinstance(key, str) or key not in sizes:
            raise SourceError("a storage that belongs to no tensor: the file is damaged")
        size, count = sizes[key]
        if cursor.unpack("<q", f"storage {key}")[0] != count:
            raise SourceError(f"storage {key} should hold {count} numbers: the file is damaged")
        storages[key] = cursor.take(size * count, f"storage {key} of {count} numbers")
    missing = [name for name, tensor in found.items() if tensor.key not in storages]
    if missing:
        raise SourceError(f"no numbers for {', '.join(missing[:5])}: the file is damaged")
    return _parsed(
        {name: tensor.view(Cursor(storages[tensor.key]), name) for name, tensor in found.items()},
        "legacy",
    )


def _tensors(value: Any, seen: set[int]) -> Iterator[tuple[str, Tensor]]:
    """The state dict, at the top or inside other dicts (`state_dict`, `model`), each of which is looked into once."""
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


def _wanted(tensors: Iterable[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    """Those whose names are of VGG-Face, or else all, for the message to name."""
    tensors = list(tensors)
    named = [
        (name, tensor)
        for name, tensor in tensors
        if KEY.fullmatch(name) or NUMBERED.fullmatch(name)
    ]
    yield from named or tensors


def _tensor(call: Call, name: str) -> Tensor:
    """Check the arguments that `_rebuild_tensor_v2` would take."""
    try:
        persistent, offset, shape, strides = call.arguments[:4]
        kind, storage_type, key, _, count, *view = persistent.key
        dtype = DTYPES[storage_type.name.removeprefix("torch.").removesuffix("Storage")]
        numbers = (offset, count, *shape, *strides)
    except (AttributeError, TypeError, ValueError, KeyError):
        raise SourceError(
            f"{name} is a tensor of a kind that networks do not use (quantised, sparse, complex)"
        ) from None
    whole = (
        all(isinstance(number, int) and 0 <= number < 1 << 62 for number in numbers)
        and len(shape) == len(strides) <= 8
    )
    if kind != "storage" or not isinstance(key, str) or any(view) or not whole:
        raise SourceError(f"{name} is no plain tensor: the file is damaged")
    return Tensor(key, dtype, count, offset, tuple(shape), tuple(strides))


def _parsed(tensors: dict[str, np.ndarray], container: str) -> Parsed:
    """Sort tensors into layers by whichever style their keys have."""
    pairs: dict[str, dict[str, np.ndarray]] = {}
    underscore = False
    for key, tensor in tensors.items():
        if match := KEY.fullmatch(key):
            convolution, between, number, dense, leaf = match.groups()
            underscore |= bool(between)
            pairs.setdefault(f"conv{number}" if convolution else dense, {})[leaf] = tensor
    if pairs:
        layers = {
            name: (pair["weight"], pair["bias"])
            for name, pair in pairs.items()
            if name in NAMES and len(pair) == 2
        }
        style, colour = ("PyVGGFace names", "BGR") if underscore else ("flat names", "RGB")
        return Parsed(
            f"PyTorch state dict ({container}, {style})",
            layers,
            "OIHW",
            colour,
            notes=() if underscore else (EITHER,),
        )
    return _numbered(tensors, container)


def _numbered(tensors: dict[str, np.ndarray], container: str) -> Parsed:
    """torchvision's vgg16: features.0, features.2, ..., classifier.6; the known file was made from Caffe's."""
    pairs: dict[tuple[bool, int], dict[str, np.ndarray]] = {}
    for key, tensor in tensors.items():
        if match := NUMBERED.fullmatch(key):
            pairs.setdefault((match[1] == "classifier", int(match[2])), {})[match[3]] = tensor
    if not pairs:
        raise SourceError(
            f"a state dict of another network; its keys begin {', '.join(list(tensors)[:4]) or 'nowhere (it is empty)'}"
        )
    whole = [pairs[place] for place in sorted(pairs) if len(pairs[place]) == 2]
    layers = by_position([(pair["weight"], pair["bias"]) for pair in whole])
    return Parsed(f"PyTorch state dict ({container}, torchvision numbers)", layers, "OIHW", "BGR")
