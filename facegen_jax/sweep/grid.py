"""The settings of a sweep: every combination of the values that are given."""

import csv
import itertools
import math
import typing
from collections.abc import Sequence

from .fields import Value, convert, fields, known
from .settings import SweepError

Point = dict[str, Value]
"""One combination: values by field."""


def points(grid: Sequence[str], together: Sequence[str] = (), *, own: bool = False) -> list[Point]:
    """All combinations of the grid's values, and of those that go together with each of them.

    Args:
        grid: `FIELD=a,b,c`; `FIELD=first..last:count` for evenly spaced numbers (`:log` for evenly spaced logarithms), `FIELD=first..last` for whole ones.
        together: the same, whose fields take their first values together, then their second.

    Raises:
        SweepError: an unknown field, a value that is not of its type, a field given twice, lists of different lengths.
    """
    product, zipped = (
        dict(_axis(text, "--grid", own=own) for text in grid),
        dict(_axis(text, "--zip", own=own) for text in together),
    )
    names = [known(text.partition("=")[0], "--grid", own=own) for text in (*grid, *together)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise SweepError(
            f"--grid: {twice} is given twice; give all its values at once, as in {twice}=a,b,c"
        )
    lengths = {name: len(values) for name, values in zipped.items()}
    if len(set(lengths.values())) > 1:
        raise SweepError(
            f"--zip: {', '.join(f'{name} has {count}' for name, count in lengths.items())} values; they must be as many for each"
        )
    rows = (
        [dict(zip(zipped, values, strict=True)) for values in zip(*zipped.values(), strict=True)]
        if zipped
        else [{}]
    )
    return [
        dict(zip(product, values, strict=True)) | row
        for values in itertools.product(*product.values())
        for row in rows
    ]


def _axis(text: str, where: str, *, own: bool) -> tuple[str, list[Value]]:
    name, equals, given = text.partition("=")
    if not equals or not given.strip():
        raise SweepError(
            f"{where} {text}: expected FIELD=VALUE[,VALUE...], as in weights.attribute=0.1,1,10"
        )
    name, where = known(name, where, own=own), f"{where} {text}"
    (parts,) = csv.reader([given], skipinitialspace=True)
    values = [convert(name, each, where) for part in parts for each in _spread(name, part, where)]
    if len(set(map(repr, values))) < len(values):
        raise SweepError(f"{where}: a value is given twice")
    return name, values


def _spread(name: str, text: str, where: str) -> list[str]:
    """The numbers of a range, as text; anything else as it is."""
    first, dots, rest = text.partition("..")
    if not dots or not _numeric(fields().get(name, float)):
        return [text]
    last, *how = rest.split(":")
    try:
        low, high = float(first), float(last)
        if not how:
            if low != int(low) or high != int(high):
                raise ValueError
            return [str(number) for number in range(int(low), int(high) + 1)] or [text]
        count, logarithmic = int(how[0]), how[1:] == ["log"]
        if (
            count < 2
            or len(how) > 1 + logarithmic
            or (logarithmic and min(low, high) <= 0)
            or not math.isfinite(low + high)
        ):
            raise ValueError
    except ValueError:
        raise SweepError(
            f"{where}: a range is FIRST..LAST of whole numbers, FIRST..LAST:COUNT, or FIRST..LAST:COUNT:log above 0"
        ) from None
    steps = [number / (count - 1) for number in range(count)]
    spaced = [
        low * (high / low) ** step if logarithmic else low + (high - low) * step for step in steps
    ]
    return [f"{number:.10g}" for number in spaced]


def _numeric(kind: object) -> bool:
    return bool({int, float} & {kind, *typing.get_args(kind)})
