"""The settings of a sweep: all combinations of the grid's values."""

import csv
import itertools
import math
import typing
from collections.abc import Sequence

from .fields import Value, convert, fields, known
from .settings import SweepError

Point = dict[str, Value]
"""One combination: values by field name."""
MOST = 1_000_000
"""Combinations of a grid, or values of one field: more are a slip of the hand."""


def points(grid: Sequence[str], zipped: Sequence[str] = (), *, own: bool = False) -> list[Point]:
    """Return all combinations of the grid's values, each combined with every row of zipped values.

    Args:
        grid: `FIELD=a,b,c` lists values; `FIELD=first..last` is a range of whole numbers,
            `FIELD=first..last:count` of evenly spaced numbers, and `FIELD=first..last:count:log`
            of logarithmically spaced ones.
        zipped: the same syntax; row i holds value i of each of these fields.
        own: the objective is the user's own, so `weights.` takes any term.

    Raises:
        SweepError: an unknown field, a value that does not fit the field's type, a field given
            twice, or zipped lists of different lengths.
    """
    axes = dict(_axis(text, "--grid", own=own) for text in grid)
    columns = dict(_axis(text, "--zip", own=own) for text in zipped)
    names = [known(text.partition("=")[0], "--grid", own=own) for text in (*grid, *zipped)]
    for name in names:
        if names.count(name) > 1:
            raise SweepError(
                f"--grid: {name} is given twice; list all its values at once, as in {name}=a,b,c"
            )
    if len({len(values) for values in columns.values()}) > 1:
        lengths = ", ".join(f"{name} has {len(values)}" for name, values in columns.items())
        raise SweepError(f"--zip: the lists must have equal lengths; {lengths} values")
    count = math.prod(map(len, axes.values()))
    if count > MOST:
        raise SweepError(f"--grid: {count} combinations, more than {MOST}; give fewer values")
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [
        dict(zip(axes, values, strict=True)) | row
        for values in itertools.product(*axes.values())
        for row in rows or [{}]
    ]


def _axis(text: str, where: str, *, own: bool) -> tuple[str, list[Value]]:
    """Parse `FIELD=VALUES`; return the field and its values."""
    name, equals, listed = text.partition("=")
    if not equals or not listed.strip():
        raise SweepError(
            f"{where} {text}: expected FIELD=VALUE[,VALUE...], as in weights.attribute=0.1,1,10"
        )
    name, where = known(name, where, own=own), f"{where} {text}"
    (parts,) = csv.reader([listed], skipinitialspace=True)
    values = [convert(name, each, where) for part in parts for each in _expand(name, part, where)]
    if len(set(map(repr, values))) < len(values):
        raise SweepError(f"{where}: a value is given twice")
    return name, values


def _expand(name: str, text: str, where: str) -> list[str]:
    """Return the numbers of a range, as text; return other text unchanged."""
    first, dots, rest = text.partition("..")
    if not dots or not _is_numeric(fields().get(name, float)):
        return [text]
    last, *options = rest.split(":")
    try:
        low, high = float(first), float(last)
        if not options:
            if low != int(low) or high != int(high) or high - low >= MOST:
                raise ValueError
            return [str(number) for number in range(int(low), int(high) + 1)] or [text]
        count, logarithmic = int(options[0]), options[1:] == ["log"]
        if (
            not 2 <= count <= MOST
            or len(options) > 1 + logarithmic
            or (logarithmic and min(low, high) <= 0)
            or not math.isfinite(high - low)
        ):
            raise ValueError
    except (ValueError, OverflowError):
        raise SweepError(
            f"{where}: a range is FIRST..LAST of whole numbers, FIRST..LAST:COUNT, or "
            f"FIRST..LAST:COUNT:log above 0, of at most {MOST} numbers"
        ) from None
    fractions = [index / (count - 1) for index in range(count)]
    if logarithmic:
        numbers = [low * (high / low) ** fraction for fraction in fractions]
    else:
        numbers = [low + (high - low) * fraction for fraction in fractions]
    return [f"{number:.10g}" for number in numbers]


def _is_numeric(kind: object) -> bool:
    return bool({int, float} & {kind, *typing.get_args(kind)})
