"""Options as people write them in Python: text for a path, one value where several may be given."""

import functools
import operator
import types
import typing
from collections.abc import Mapping
from pathlib import Path


def coerce(options: object) -> None:
    """Turn text into paths, and lists and single values into tuples, where fields hold those.

    Args:
        options: a frozen dataclass whose `__post_init__` calls this.
    """
    for name, hint in _hints(type(options)).items():
        value = getattr(options, name)
        fitting = _tuple(hint, value) if typing.get_origin(hint) is tuple else _single(hint, value)
        if fitting is not value:
            object.__setattr__(options, name, fitting)


@functools.cache
def _hints(kind: type) -> Mapping[str, object]:
    """Return the types of the fields that hold paths or tuples."""
    hints = typing.get_type_hints(kind)
    return {
        name: hint
        for name, hint in hints.items()
        if typing.get_origin(hint) is tuple or _holds_path(hint)
    }


def _holds_path(hint: object) -> bool:
    is_union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    return hint is Path or (is_union and Path in typing.get_args(hint))


def _tuple(hint: object, value: object) -> object:
    inner = typing.get_args(hint)[0]
    if isinstance(value, str | Path | int | float):
        value = (value,)
    if not isinstance(value, tuple | list):
        return value  # the type checker's business
    fitting = tuple(_single(inner, each) for each in value)
    fits = isinstance(value, tuple) and all(map(operator.is_, fitting, value))
    return value if fits else fitting


def _single(hint: object, value: object) -> object:
    if _holds_path(hint) and isinstance(value, str):
        return Path(value)
    return float(value) if hint is float and isinstance(value, int) else value
