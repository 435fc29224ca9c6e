"""The configuration's fields by name: values from text, and edits with other values."""

import contextlib
import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from pathlib import Path

from ..edit.settings import Edit, Jitter, Weights
from ..names import did_you_mean
from ..plugin import ObjectPath
from .settings import SweepError

Value = object
NOT_SWEPT = ("out", "strip", "params")
"""Fields of an edit that a sweep sets itself, and the network, which all runs share."""
GROUPS = {"weights": Weights, "jitter": Jitter}
"""Nested dataclasses; their fields are named with a point, as in `weights.identity`."""
TERMS = "weights."
"""Prefix of loss weights, also those of an own objective's terms."""


@functools.cache
def fields() -> dict[str, object]:
    """Return the names of everything that may vary, with their types."""
    hints = typing.get_type_hints(Edit, include_extras=False)
    names = [each.name for each in dataclasses.fields(Edit)]
    plain = {name: hints[name] for name in names if name not in (*NOT_SWEPT, *GROUPS)}
    nested = {
        f"{group}.{name}": hint
        for group, kind in GROUPS.items()
        for name, hint in typing.get_type_hints(kind).items()
    }
    return plain | nested


def known(name: str, where: str, *more: str, own: bool = False) -> str:
    """Return the field that is meant, whether written with `-`, `_` or capitals.

    Args:
        name: as written.
        where: where it was written, for messages.
        more: further valid names.
        own: there may be an objective of the user's own, so `weights.` takes any term.

    Raises:
        SweepError: there is no such field; suggests the nearest ones.
    """
    plain, valid = name.strip().replace("-", "_"), (*fields(), *more)
    if plain in valid or (own and plain.startswith(TERMS) and plain.isprintable()):
        return plain
    if plain.lower() in valid:
        return plain.lower()
    ends = [each for each in fields() if each.endswith(f".{plain}")]
    hint = did_you_mean(plain, valid, limit=3) or (
        f", did you mean {', '.join(ends)}?" if ends else f"; the options are {', '.join(valid)}"
    )
    raise SweepError(f"{where}: no option {name.strip()!r}{hint}")


def convert(name: str, text: str, where: str, folder: Path | None = None) -> Value:
    """Return a value from its text; lists are separated by `;`, paths are relative to the folder
    or to the home folder (`~`).

    Raises:
        SweepError: the text does not fit the field's type.
    """
    kind = fields().get(name, float)  # the weight of an own objective's term
    try:
        return _value(kind, text.strip(), folder)
    except ValueError:
        raise SweepError(f"{where}: {name} takes {_spelt(kind)}, not {text.strip()!r}") from None


def _value(kind: object, text: str, folder: Path | None) -> Value:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        (kind,) = (each for each in inner if each is not type(None))
        is_none = text.lower() == "none" and kind is not str
        return None if is_none else _value(kind, text, folder)
    if origin is tuple:
        parts = (part.strip() for part in text.split(";"))
        return tuple(_value(inner[0], part, folder) for part in parts if part)
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
        return _path(text, folder)
    if kind is ObjectPath:
        location, _, name = text.rpartition(":")
        is_named = location.endswith(".py") and (folder or text.startswith("~"))
        return f"{_path(location, folder)}:{name}" if is_named else text
    assert kind in (int, float, str)
    return typing.cast(type, kind)(text)


def _path(text: str, folder: Path | None) -> Path:
    """Return a path; `~` is taken as it stands where there is no such user's home folder."""
    with contextlib.suppress(RuntimeError):
        text = str(Path(text).expanduser())
    return folder / text if folder else Path(text)


def _spelt(kind: object) -> str:
    """Return a type in words."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return " or ".join("none" if each is type(None) else _spelt(each) for each in inner)
    if origin is tuple:
        return f"{_spelt(inner[0])} (several separated by ;)"
    if origin is typing.Literal:
        return ", ".join(map(str, inner))
    words = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        Path: "a path",
        str: "a name",
        ObjectPath: "package.module:name or file.py:name",
    }
    return words[typing.cast(type, kind)]


def changed(config: Edit, values: Mapping[str, Value], *, own: bool = False) -> Edit:
    """Return the edit with other values.

    Args:
        config: the edit.
        values: by field name.
        own: the objective is the user's own, so `weights.NAME` weighs its term NAME.
    """
    plain: dict[str, typing.Any] = {n: value for n, value in values.items() if "." not in n}
    groups: dict[str, dict[str, Value]] = {}
    for name, value in values.items():
        group, point, field = name.partition(".")
        if point:
            groups.setdefault(group, {})[field] = value
    if own or plain.get("objective", config.objective):
        weights = groups.pop("weights", {})
        base = plain.get("term_weights", config.term_weights)
        plain["term_weights"] = (*base, *(f"{n}={value}" for n, value in weights.items()))
    for group, fields_of_group in groups.items():
        for field in fields_of_group:
            known(f"{group}.{field}", "--grid")
        before: typing.Any = getattr(config, group)
        plain[group] = dataclasses.replace(before, **fields_of_group)
    return dataclasses.replace(config, **plain)
