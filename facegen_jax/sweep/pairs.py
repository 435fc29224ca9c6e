"""The table of pairs: which reference gets which attribute."""

import contextlib
import re
from pathlib import Path
from typing import NamedTuple

from ..table import TableError, read_table
from .fields import Value, convert, known
from .settings import SweepError


class Pair(NamedTuple):
    """One row of the table."""

    line: int
    """Line number in the file, counted from 1."""
    name: str
    columns: dict[str, str]
    """Cells as written, by column; empty ones are left out."""
    values: dict[str, Value]
    """Converted values, by field name."""


def load_pairs(path: Path, *, own: bool = False) -> list[Pair]:
    """Read a table with a column `reference`, an optional `name`, and any other field of an edit.

    An empty cell leaves the field at its default. With `own`, the objective is the user's own, so
    `weights.` takes any term. For dialects see `table`.

    Raises:
        SweepError: the table is missing, a column is unknown, a row has too many or too few cells,
            or a value does not fit the column's type.
    """
    try:
        table = read_table(path)
    except FileNotFoundError:
        raise SweepError(f"{path}: no such table of pairs") from None
    except TableError as error:
        raise SweepError(str(error)) from None
    names = _names(path, table.header, own=own)
    pairs = []
    for line, row in table.rows:
        cells = {name: cell for name, cell in zip(names, row, strict=True) if cell}
        pairs.append(_pair(path, line, cells, comma=table.separator != ","))
    if not pairs:
        raise SweepError(f"{path}: no pairs below the header")
    return pairs


def _names(path: Path, header: list[str], *, own: bool) -> list[str]:
    """Return the field name of each column."""
    own = own or "objective" in map(str.lower, header)
    names = [known(name, f"{path}, header", "name", own=own) for name in header]
    if "reference" not in names:
        raise SweepError(
            f"{path}: the header must have a column 'reference' and, unless an option gives them, "
            f"'guides' or 'attribute'; it has {header}"
        )
    if len(set(names)) < len(names):
        raise SweepError(f"{path}: the header has a duplicate column: {header}")
    return names


def _pair(path: Path, line: int, columns: dict[str, str], *, comma: bool) -> Pair:
    """Convert one row; `comma` says that numbers may have a decimal comma."""
    where = f"{path}, line {line}"
    if "reference" not in columns:
        raise SweepError(f"{where}: no reference")
    values = {
        name: _value(name, text, where, path.parent, comma=comma)
        for name, text in columns.items()
        if name != "name"
    }
    return Pair(line, columns.get("name") or Path(columns["reference"]).stem, columns, values)


def _value(name: str, text: str, where: str, folder: Path, *, comma: bool) -> Value:
    """Convert one cell; spreadsheets write 0,5 in tables that commas do not separate."""
    try:
        return convert(name, text, where, folder)
    except SweepError as error:
        plain = re.sub(r"(?<=\d),(?=\d)", ".", text)
        if comma and plain != text:
            with contextlib.suppress(SweepError):
                return convert(name, plain, where, folder)
        raise error  # which quotes the cell as it was written
