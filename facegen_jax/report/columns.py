"""Results as columns: their roles and filters, and the settings to compare runs by."""

import math
from collections.abc import Sequence
from pathlib import PurePath
from typing import Literal, NamedTuple

from .result import Result, Role, flatten

Value = str | float | None
Key = tuple[Role, str]
"""Role and name of a column."""
MAX_CHOICES = 24
"""Distinct values up to which a column is filtered by checkboxes, and groups up to which runs are
compared side by side."""
SELF_EXPLANATORY = ("attribute", "guides")
"""Settings whose values are shown without the setting's name."""
PATHS = ("reference", "guides", "mask", "identity_mask", "gallery", "directions")
"""Settings that hold paths, shown as file names without endings."""
ROLES: tuple[Role, ...] = ("setting", "metric", "loss", "time")
"""Order of the page's columns."""
FIRST: tuple[Key, ...] = (("run", "name"), ("run", "status"))
LAST: tuple[Key, ...] = (("run", "error"), ("run", "notes"))
"""Columns of the role `run` that the page shows, before and after the others."""


class Column(NamedTuple):
    """One value of every run."""

    name: str
    role: Role
    values: list[Value]

    @property
    def distinct(self) -> list[Value]:
        """The distinct values in order: None, then numbers, then text."""

        def order(value: Value) -> tuple[bool, bool, float, str]:
            number = value if isinstance(value, float) else 0.0
            return value is not None, isinstance(value, str), number, str(value)

        return sorted(set(self.values), key=order)

    @property
    def indices(self) -> list[int]:
        """Index of each run's value in `distinct`."""
        index = {value: number for number, value in enumerate(self.distinct)}
        return [index[value] for value in self.values]

    @property
    def kind(self) -> Literal["number", "choice", "text"]:
        """Filter: a range, checkboxes, or a text search."""
        numeric = all(isinstance(value, float | None) for value in self.values)
        if self.role != "setting" and numeric:
            return "number"
        few = len(self.distinct) <= MAX_CHOICES
        return "choice" if few and (self.role, self.name) not in LAST else "text"

    @property
    def varies(self) -> bool:
        """Whether runs differ in this column."""
        return len(set(self.values)) > 1


def make_columns(results: Sequence[Result]) -> list[Column]:
    """Return the page's columns in order, without those that have no value."""
    rows: list[dict[Key, object]] = [
        {(each.role, each.name): each.value for each in flatten(result)} for result in results
    ]
    keys = dict.fromkeys(key for row in rows for key in row)
    others = sorted((key for key in keys if key[0] in ROLES), key=lambda key: ROLES.index(key[0]))
    columns = [
        Column(name, role, [as_value(row.get((role, name))) for row in rows])
        for role, name in (*FIRST, *others, *LAST)
    ]
    return [column for column in columns if any(value is not None for value in column.values)]


def as_value(value: object) -> Value:
    """Convert to a float, also from the text of a table, or else to text.

    What is empty or not finite becomes None.
    """
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, str) and not value.lstrip(" +-.")[:1].isdigit():
        return value
    try:
        number = float(value)
    except ValueError:
        return str(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def display(name: str, value: Value) -> str:
    """Return the short text of a setting's value."""
    if name in PATHS and isinstance(value, str):
        return ", ".join(PurePath(part).stem for part in value.split(";"))
    if value is None or isinstance(value, str):
        return value or "–"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:.5g}"


def heading(columns: Sequence[Column], run: int) -> str:
    """Return the values of one run in some settings as text."""
    parts = [
        text if column.name in SELF_EXPLANATORY else f"{column.name.replace('_', ' ')} {text}"
        for column in columns
        if column.values[run] is not None
        for text in (display(column.name, column.values[run]),)
    ]
    return ", ".join(parts) or ("none" if columns else "all")


def sweep_axes(columns: Sequence[Column]) -> list[Column]:
    """Return the settings that vary, other than the reference."""
    return [
        column
        for column in columns
        if column.role == "setting" and column.varies and column.name != "reference"
    ]


def groupings(columns: Sequence[Column], references: Sequence[str]) -> dict[str, list[str]]:
    """Return the ways to compare runs side by side, the most informative first.

    Args:
        columns: as from `make_columns`.
        references: reference of each run. Settings that are the same for all runs of a reference,
            as its guides may be, come last.

    Returns:
        The names of the settings that make the groups, by the label of the grouping. Groupings with
        more than `MAX_CHOICES` groups are left out.
    """
    axes = sweep_axes(columns)
    people = len(set(references))
    free = [each for each in axes if len(set(zip(references, each.values, strict=True))) > people]
    fixed = [each for each in axes if each not in free]
    grid = [each for each in free if each.name not in SELF_EXPLANATORY]
    asked = [each for each in free if each.name in SELF_EXPLANATORY]

    def single(columns: Sequence[Column]) -> list[tuple[str, list[Column]]]:
        return [(column.name.replace("_", " "), [column]) for column in columns]

    candidates = [
        ("settings", grid if len(grid) > 1 else []),
        *single([*grid, *asked]),
        ("everything", free if len(free) > max(1, len(grid)) else []),
        ("nothing", []),
        *single(fixed),
    ]
    return {
        label: [column.name for column in chosen]
        for label, chosen in candidates
        if label == "nothing"
        or (chosen and len(set(group_keys(chosen, len(references)))) <= MAX_CHOICES)
    }


def group_keys(columns: Sequence[Column], runs: int) -> list[tuple[int, ...]]:
    """Return a key for each of `runs` runs: equal for equal settings, sorted as their values."""
    indices = [column.indices for column in columns]
    return [tuple(each[run] for each in indices) for run in range(runs)]
