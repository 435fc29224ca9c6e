"""Files in this package's own layout: `.safetensors`, and `.npz` with the same names."""

import ast
import re

import numpy as np

from ..network.tensor_file import TensorFileError, parse
from .cursor import Cursor, SourceError, reshape
from .layout import NAMES, Parsed
from .zipped import Zip

NPY = b"\x93NUMPY"
NUMBERS = r"[<>|=]?(f[248]|[iu][1248])"


def is_safetensors(data: memoryview) -> bool:
    """Return whether the data begins with a header length and a JSON object."""
    return (
        len(data) > 9
        and 2 <= int.from_bytes(data[:8], "little") <= len(data)
        and data[8] == ord("{")
    )


def read_safetensors(data: memoryview) -> Parsed:
    """Read a `.safetensors` file with canonical names."""
    try:
        tensors, _ = parse(data)
    except TensorFileError as error:
        raise SourceError(f"not a readable safetensors file: {error}") from None
    return _parsed(tensors, "safetensors")


def read_npz(files: Zip) -> Parsed:
    """Read an `.npz` file with canonical names."""
    return _parsed(
        {
            name.removesuffix(".npy"): _npy(files.read(name), name)
            for name in files.members
            if name.endswith(".npy")
        },
        "npz",
    )


def _parsed(tensors: dict[str, np.ndarray], suffix: str) -> Parsed:
    layers = {
        name: (tensors[f"{name}/kernel"], tensors[f"{name}/bias"])
        for name in NAMES
        if f"{name}/kernel" in tensors and f"{name}/bias" in tensors
    }
    unknown = [name for name in tensors if name.rpartition("/")[0] not in layers]
    if unknown:
        raise SourceError(
            f"unknown tensors {', '.join(unknown[:3])}; "
            "expected names like conv1_1/kernel and conv1_1/bias"
        )
    return Parsed(f".{suffix} (canonical names)", layers, "HWIO", "RGB")


def _npy(data: memoryview, name: str) -> np.ndarray:
    """Read an array in NumPy's format; refuse pickled objects."""
    cursor = Cursor(data)
    magic, major, _ = cursor.unpack("<6sBB", name)
    if magic != NPY or major not in (1, 2, 3):
        raise SourceError(f"{name} is not an array in NumPy format 1 to 3: the file is damaged")
    length = cursor.unpack("<H" if major == 1 else "<I", name)[0]
    text = bytes(cursor.take(min(length, 10_000), name))
    try:
        header = ast.literal_eval(text.decode("latin-1"))
        dtype, shape = str(header["descr"]), tuple(header["shape"])
        order = "F" if header["fortran_order"] else "C"
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
    if not re.fullmatch(NUMBERS, dtype):
        raise SourceError(f"{name} has dtype {dtype[:20]}, expected plain numbers")
    count = (len(data) - cursor.position) // np.dtype(dtype).itemsize
    return reshape(cursor.array(np.dtype(dtype), count, name), shape, name, order)
