"""The table of pairs: which reference gets which attribute."""

import csv
from pathlib import Path
from typing import Any, NamedTuple

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
    `weights.` takes any term.

    Raises:
        SweepError: the table is missing, a column is unknown, a row has too many or too few cells,
            or a value does not fit the column's type.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _read(path, csv.reader(file, strict=True), own=own)
    except FileNotFoundError:
        raise SweepError(f"{path}: no such table of pairs") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SweepError(f"{path}: not a readable CSV table: {error}") from None


def _read(path: Path, reader: Any, *, own: bool) -> list[Pair]:
    names = _read_header(path, reader, own=own)
    pairs = []
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(names):
            raise SweepError(
                f"{path}, line {reader.line_num}: expected {len(names)} cells, as in the header, "
                f"not {len(row)}"
            )
        cells = {name: cell.strip() for name, cell in zip(names, row, strict=True) if cell.strip()}
        pairs.append(_pair(path, reader.line_num, cells))
    if not pairs:
        raise SweepError(f"{path}: no pairs below the header")
    return pairs


def _read_header(path: Path, reader: Any, *, own: bool) -> list[str]:
    """Return the field name of each column."""
    header = next(reader, [])
    own = own or "objective" in header
    names = [known(name, f"{path}, header", "name", own=own) for name in header]
    if "reference" not in names:
        raise SweepError(
            f"{path}: the header must have a column 'reference' and, unless an option gives them, "
            f"'guides' or 'attribute'; it has {header}"
        )
    if len(set(names)) < len(names):
        raise SweepError(f"{path}: the header has a duplicate column: {', '.join(header)}")
    return names


def _pair(path: Path, line: int, columns: dict[str, str]) -> Pair:
    where = f"{path}, line {line}"
    if "reference" not in columns:
        raise SweepError(f"{where}: no reference")
    values = {
        name: convert(name, text, where, path.parent)
        for name, text in columns.items()
        if name != "name"
    }
    return Pair(line, columns.get("name") or Path(columns["reference"]).stem, columns, values)
