"""The table of faces: which reference is to get which attribute."""

import csv
from pathlib import Path
from typing import Any, NamedTuple

from .fields import Value, convert, known
from .settings import SweepError


class Pair(NamedTuple):
    """One line of the table."""

    line: int
    """In the file, from 1 on."""
    name: str
    columns: dict[str, str]
    """As written, without the empty ones."""
    values: dict[str, Value]
    """By field."""


def load_pairs(path: Path, *, own: bool = False) -> list[Pair]:
    """Read a table with the column `reference`, an optional `name`, and any field of the configuration; empty cells say nothing.

    Raises:
        SweepError: no such table, unknown columns, a line with too many or too few cells, or a value that is not of its column's type.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _read(path, csv.reader(file, strict=True), own=own)
    except FileNotFoundError:
        raise SweepError(f"{path}: no such table of pairs") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SweepError(f"{path}: not a table (CSV) that can be read: {error}") from None


def _read(path: Path, reader: Any, *, own: bool) -> list[Pair]:
    header = next(reader, [])
    own = own or "objective" in header
    names = [known(name, f"{path}, header", "name", own=own) for name in header]
    if "reference" not in names:
        raise SweepError(
            f"{path}: the header must have a column 'reference' and, unless an option gives them, 'guides' or 'attribute'; it has {header}"
        )
    if len(set(names)) < len(names):
        raise SweepError(f"{path}: a column is there twice: {', '.join(header)}")
    pairs = []
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(names):
            raise SweepError(
                f"{path}, line {reader.line_num}: {len(row)} cells, the header has {len(names)}"
            )
        pairs.append(
            _pair(
                path,
                reader.line_num,
                {name: cell.strip() for name, cell in zip(names, row, strict=True) if cell.strip()},
            )
        )
    if not pairs:
        raise SweepError(f"{path}: no pairs below the header")
    return pairs


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
