"""The configuration's fields by name: text to values of their types, and edits changed by them."""

import dataclasses
import difflib
import functools
import types
import typing
from collections.abc import Mapping
from pathlib import Path

from ..edit.settings import Edit, Weights
from .settings import SweepError

Value = object
NOT_SWEPT = ("out", "strip", "params")
"""Of an edit: what a sweep decides itself, and the network, which is one for all."""


@functools.cache
def fields() -> dict[str, object]:
    """Names of everything that may vary, nested ones with a point, and their types."""
    hints = typing.get_type_hints(Edit, include_extras=False)
    names = [
        field.name
        for field in dataclasses.fields(Edit)
        if field.name not in NOT_SWEPT and field.name != "weights"
    ]
    nested = {f"weights.{name}": hint for name, hint in typing.get_type_hints(Weights).items()}
    return {name: hints[name] for name in names} | nested


def known(name: str, where: str, *more: str) -> str:
    """The field that is meant, whether written with `-` or `_`.

    Raises:
        SweepError: there is none, with the names that are nearest.
    """
    plain = name.strip().replace("-", "_")
    if plain in (*fields(), *more):
        return plain
    near = difflib.get_close_matches(plain, (*fields(), *more), 3, 0.5) or [
        each for each in fields() if each.endswith(f".{plain}")
    ]
    hint = (
        f"did you mean {', '.join(near)}?" if near else f"there are {', '.join((*more, *fields()))}"
    )
    raise SweepError(f"{where}: no option {name.strip()!r}; {hint}")


def convert(name: str, text: str, where: str, folder: Path | None = None) -> Value:
    """A value from its text; parts of a list are separated by `;`, paths are relative to the folder.

    Raises:
        SweepError: not of the field's type.
    """
    kind = fields()[name]
    try:
        return _value(kind, text.strip(), folder)
    except ValueError:
        raise SweepError(f"{where}: {name} takes {_spelt(kind)}, not {text.strip()!r}") from None


def _value(kind: object, text: str, folder: Path | None) -> Value:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        (kind,) = (each for each in inner if each is not type(None))
        return None if text.lower() == "none" and kind is not str else _value(kind, text, folder)
    if origin is tuple:
        return tuple(
            _value(inner[0], part.strip(), folder) for part in text.split(";") if part.strip()
        )
    if origin is typing.Literal:
        if text not in inner:
            raise ValueError(text)
        return text
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if not text:
        raise ValueError("empty")
    if kind is Path:
        return folder / text if folder else Path(text)
    assert kind in (int, float, str)
    return typing.cast(type, kind)(text)


def _spelt(kind: object) -> str:
    """A type in words."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return " or ".join("none" if each is type(None) else _spelt(each) for each in inner)
    if origin is tuple:
        return f"{_spelt(inner[0])} (several separated by ;)"
    if origin is typing.Literal:
        return ", ".join(map(str, inner))
    return {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        Path: "a path",
        str: "a name",
    }[typing.cast(type, kind)]


def changed(config: Edit, values: Mapping[str, Value]) -> Edit:
    """The same edit with other values."""
    weights = {
        name.partition(".")[2]: value
        for name, value in values.items()
        if name.startswith("weights.")
    }
    plain = {name: value for name, value in values.items() if not name.startswith("weights.")}
    if weights:
        plain["weights"] = dataclasses.replace(config.weights, **typing.cast(dict, weights))
    return dataclasses.replace(config, **typing.cast(dict, plain))
