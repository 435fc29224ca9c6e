"""Files that the program wrote and reads back, whole or as one error: JSON, NumPy's archives."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np


class StoredError(ValueError):
    """A file that is missing, damaged, or not of its kind."""


def parse_json(content: bytes | str) -> Any:
    """Return the value of a JSON document.

    Raises:
        StoredError: it is not JSON, or is nested deeper than Python's parser follows.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise StoredError(f"not JSON ({error})") from None


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return all arrays of an archive (.npz) by name.

    Raises:
        StoredError: it is missing or damaged, or holds objects, which would have to be unpickled.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            return {name: _checked(archive[name]) for name in archive.files}
    except Exception as error:  # NumPy parses headers as Python: whatever its tokenizer raises too
        raise StoredError(f"{path}: {type(error).__name__}: {error}") from None


def _checked(array: object) -> np.ndarray:
    if not isinstance(array, np.ndarray):
        raise StoredError("not only arrays")
    if array.dtype.kind == "U":
        array.tolist()  # raises where a number is no character
    return array
