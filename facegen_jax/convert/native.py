"""Named arrays in `.safetensors` and `.npz`: with this package's names, PyTorch's or Flax's."""

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from ..network.tensor_file import TensorFileError, parse
from .cursor import Cursor, SourceError, reshape
from .layout import NAMES, Parsed
from .naming import Path, Tensor, by_path, path_of, place
from .networks import to_networks
from .zipped import Zip

NPY = b"\x93NUMPY"
OBJECTS = ("O", "|O", "=O", "<O", ">O")
SHOWN = 4
NUMBERS = r"[<>|=]?(f[248]|[iu][1248])"


def is_safetensors(data: memoryview) -> bool:
    """Return whether the data begins with a header length and a JSON object."""
    return (
        len(data) > 9
        and 2 <= int.from_bytes(data[:8], "little") <= len(data)
        and data[8] == ord("{")
    )


def read_safetensors(data: memoryview) -> tuple[Parsed, ...]:
    """Read a `.safetensors` file."""
    try:
        tensors, _ = parse(data)
    except TensorFileError as error:
        raise SourceError(f"not a readable safetensors file: {error}") from None
    arrays = by_path((path_of(name), array) for name, array in tensors.items())
    return _networks(arrays, lambda _, array: array, ".safetensors")


def read_npz(files: Zip) -> tuple[Parsed, ...]:
    """Read an `.npz` file; only the arrays of networks are unpacked."""
    names = by_path((path_of(name.removesuffix(".npy")), name) for name in files.members)
    if not any(map(place, names)):
        for name in [*files.members][:SHOWN]:
            _header(Cursor(files.read(name)), name)
    return _networks(names, lambda _, name: _npy(files.read(name), name), ".npz")


def _networks(
    tensors: Mapping[Path, Tensor], fetch: Callable[[Path, Tensor], np.ndarray], container: str
) -> tuple[Parsed, ...]:
    """Return the networks of named tensors; this package's own names leave nothing to check."""
    networks = to_networks(tensors, fetch, container)
    own = {f"{layer}/{leaf}" for layer in NAMES for leaf in ("kernel", "bias")}
    if own >= {"/".join(path) for path in tensors}:
        return (networks[0]._replace(container=f"{container} (canonical names)", notes=()),)
    return networks


def _npy(data: memoryview, name: str) -> np.ndarray:
    """Read an array in NumPy's format; refuse pickled objects."""
    cursor = Cursor(data)
    dtype, shape, order = _header(cursor, name)
    if not re.fullmatch(NUMBERS, dtype):
        raise SourceError(f"{name} has dtype {dtype[:20]}, expected plain numbers")
    count = (len(data) - cursor.position) // np.dtype(dtype).itemsize
    return reshape(cursor.array(np.dtype(dtype), count, name), shape, name, order)


def _header(cursor: Cursor, name: str) -> tuple[str, tuple[Any, ...], Literal["C", "F"]]:
    """Read the dtype, shape and order of an array; refuse pickled objects."""
    magic, major, _ = cursor.unpack("<6sBB", name)
    if magic != NPY or major not in (1, 2, 3):
        raise SourceError(f"{name} is not an array in NumPy format 1 to 3: the file is damaged")
    length = cursor.unpack("<H" if major == 1 else "<I", name)[0]
    text = bytes(cursor.take(min(length, 10_000), name))
    try:
        header = ast.literal_eval(text.decode("latin-1"))
        dtype, shape = str(header["descr"]), tuple(header["shape"])
        order: Literal["C", "F"] = "F" if header["fortran_order"] else "C"
    except (
        ValueError,
        SyntaxError,
        TypeError,
        KeyError,
        MemoryError,
        RecursionError,
        OverflowError,
    ):
        raise SourceError(f"{name} has a damaged header") from None
    if dtype in OBJECTS:
        raise SourceError(
            f"{name} is a pickled Python object, which only running code would make; save its "
            "arrays by name: numpy.savez('network.npz', **arrays)"
        )
    return dtype, shape, order
