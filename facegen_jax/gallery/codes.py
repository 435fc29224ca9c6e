"""What the cells of a table of labels mean: who has an attribute, who lacks it, what is unknown."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int8

HAS, LACKS, UNKNOWN = 1, 0, -1
BLANK = ("", "nan", "na", "n/a", "none", "null", "unknown", "?", "-")
"""Cells that say nothing, in lower case."""
WORDS = {"true": HAS, "false": LACKS, "yes": HAS, "no": LACKS, "y": HAS, "n": LACKS}
"""Words, in lower case."""
CODINGS = "1 and 0, 1 and -1, true and false, yes and no, or real values of either sign"
"""What is understood."""


class Coded(NamedTuple):
    """The columns of a table that are labels."""

    attributes: tuple[str, ...]
    labels: Int8[np.ndarray, "faces attributes"]
    codings: tuple[str, ...]
    """How they were written, in words."""


class Column(NamedTuple):
    """A column in which every cell is a number, a word that stands for one, or blank."""

    numbers: Mapping[str, float]
    """By cell; NaN where it says nothing."""
    values: frozenset[float]
    """The numbers, without NaN."""
    words: bool
    """Some cells are words."""

    @property
    def is_coded(self) -> bool:
        """Whether it has labels: 1, 0 and -1, or words."""
        return self.values <= {-1, 0, 1} and not (self.words and -1 in self.values)

    @property
    def is_real(self) -> bool:
        """Whether it has numbers that are not whole."""
        return not all(number.is_integer() for number in self.values)


def decode(columns: Mapping[str, Sequence[str]], *, real: bool = False) -> Coded:
    """Tell labels from other columns (ages, coordinates, comments), which are left out.

    1 has the attribute; 0 or -1 lacks it. Where both occur, -1 lacks it and 0 is unknown; if that
    is so in most columns, 0 is unknown in the others too. Of real values the positive have the
    attribute, but only in tables without other labels whose numbers are mostly of either sign:
    elsewhere they are coordinates or scores.

    Args:
        columns: cells by header.
        real: real values are labels whatever else is in the table.
    """
    read = {name: column for name, cells in columns.items() if (column := _read(cells))}
    coded = [column for column in read.values() if column.is_coded]
    signed = [each for each in read.values() if each.is_real and _has_both_signs(each)]
    real |= not any(each.values for each in coded) and 2 * len(signed) > len(read)
    three = 2 * sum({-1, 0} <= each.values for each in coded) > len(coded)
    found, codings = dict[str, list[int]](), dict[str, None]()
    for name, column in read.items():
        if not column.is_coded and not (real and column.is_real):
            continue
        coding, labels = _labels(column, three=three)
        if set(labels.values()) != {UNKNOWN}:
            found[name] = [labels[cell] for cell in columns[name]]
            codings[coding] = None
    values = np.array(list(found.values()), np.int8).T if found else np.zeros((0, 0), np.int8)
    return Coded(tuple(found), values, tuple(codings))


def _read(cells: Sequence[str]) -> Column | None:
    """Return what the cells stand for; None if one of them is neither number, word nor blank."""
    try:
        numbers = {cell: _number(cell.lower()) for cell in set(cells)}
    except ValueError:
        return None
    values = frozenset(number for number in numbers.values() if not math.isnan(number))
    return Column(numbers, values, any(cell.lower() in WORDS for cell in numbers))


def _number(cell: str) -> float:
    """Return the number that a cell stands for, which may have a decimal comma."""
    if cell in WORDS or cell in BLANK:
        return float(WORDS.get(cell, math.nan))
    number = float(cell.replace(",", "."))
    if not math.isfinite(number) or "_" in cell:
        raise ValueError(cell)
    return number


def _has_both_signs(column: Column) -> bool:
    return min(column.values) < 0 < max(column.values)


def _labels(column: Column, *, three: bool) -> tuple[str, dict[str, int]]:
    """Return how a column is written, and the label of each cell."""
    values, coding = column.values, "1/0"
    zero = LACKS
    if column.is_real:
        zero, coding = UNKNOWN, "real values by their sign"
    elif column.words:
        coding = "/".join(sorted({cell.lower() for cell in column.numbers} - set(BLANK))[::-1])
    elif -1 in values or three:
        zero = UNKNOWN if three or 0 in values else LACKS
        coding = "1/0/-1, 0 unknown" if zero == UNKNOWN else "1/-1"
    by_sign = (zero, HAS, LACKS)  # of 0, 1 and -1
    labels = {
        cell: UNKNOWN if math.isnan(number) else by_sign[(number > 0) - (number < 0)]
        for cell, number in column.numbers.items()
    }
    return coding, labels
