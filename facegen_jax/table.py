"""Text tables of any everyday dialect.

Cells are separated by commas, semicolons, tabs, bars or white space, and may be quoted. Above the
header there may be comments (`# ...`), `sep=;`, or the number of rows, as in CelebA's own table.
"""

import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from .text import TextError, decode

SPACES = " "
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", SPACES: "white space"}
"""What may separate cells, in words."""
NUMBERING = ("", "Unnamed: 0")
"""Headers of a column that only numbers the rows."""


class TableError(ValueError):
    """A file that is no readable table; one line that names it, the reason and the remedy."""


class Row(NamedTuple):
    """A row, without white space around its cells."""

    line: int
    """Line number in the file, counted from 1."""
    cells: list[str]


class Table(NamedTuple):
    """A table whose rows all have as many cells as its header."""

    encoding: str
    separator: str
    """A key of `SEPARATORS`."""
    header: list[str]
    rows: list[Row]
    """Without empty ones."""
    announced: int | None
    """Number of rows, if the first line says it."""


def read_table(path: Path) -> Table:
    """Read a table from a file.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: it is no text, its encoding is not known, a quote does not end, or a row is too
            short or too long.
    """
    try:
        text, encoding = decode(path.read_bytes())
        header, rows, separator, announced = _parse(text)
    except FileNotFoundError:
        raise
    except (OSError, TextError, TableError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TableError(f"{path}: not a readable table: {reason}") from None
    for row in rows:
        if len(row.cells) < len(header) or any(row.cells[len(header) :]):
            raise TableError(
                f"{path}, line {row.line}: expected {len(header)} cells, as in the header, not "
                f"{len(row.cells)} (cells are separated by {SEPARATORS[separator]}; "
                "quote those that hold one)"
            )
        del row.cells[len(header) :]
    return _without_numbering(Table(encoding, separator, header, rows, announced))


def _parse(text: str) -> tuple[list[str], list[Row], str, int | None]:
    """Return header, rows that are not empty, separator, and announced number of rows."""
    lines = list(io.StringIO(text, newline=""))
    first, separator, announced = _find_header(lines)
    reader = _cells(lines, separator, first)
    header = next(reader, Row(0, [])).cells
    rows = [row for row in reader if any(row.cells)]
    if rows and header[:1] == ["#"] and len(rows[0].cells) < len(header):
        header = header[1:]  # a header behind a comment sign, as LFW's
    header[:1] = [name.removeprefix("#").strip() for name in header[:1]]
    while header and not header[-1]:
        header.pop()
    is_longer = [len(row.cells) == len(header) + 1 and row.cells[-1] != "" for row in rows]
    if separator in (SPACES, "\t") and rows and all(is_longer):
        header = ["", *header]  # CelebA and R do not name the column of the rows' names
    return header, rows, separator, announced


def _find_header(lines: list[str]) -> tuple[int, str, int | None]:
    """Return the index of the header's line, the separator, and the announced number of rows."""
    given, announced = None, None
    for index, line in enumerate(lines):
        plain = line.strip()
        if match := re.fullmatch(r'"?sep=(.)"?', line.strip("\r\n"), re.IGNORECASE):
            given = match[1]
        elif announced is None and re.fullmatch(r"\d{1,12}", plain.strip(" ,;\t|")):
            announced = int(plain.strip(" ,;\t|"))
        elif plain and not (plain.startswith("#") and _is_comment(lines, index)):
            return index, given if given in SEPARATORS else _separator(plain), announced
    return len(lines), ",", announced


def _is_comment(lines: list[str], index: int) -> bool:
    """Return whether a line that begins with `#` is no header.

    A header has a separator behind the sign, or as many names as the numbers below have columns.
    """
    plain = lines[index].strip().removeprefix("#")
    if plain.startswith((",", ";", "\t", "|")):
        return False
    below = next((line for line in lines[index + 1 :] if line.strip()), "")
    separator = _separator(plain)
    try:
        names, cells = (next(_cells([line], separator, 0)).cells for line in (plain, below))
    except (TableError, StopIteration):
        return True
    numbers = any(re.fullmatch(r"[-+]?\d+([.,]\d+)?", cell) for cell in cells)
    return len(names) != max(len(cells), 2) or not numbers


def _separator(header: str) -> str:
    """Return what occurs most often in a header, outside of quotes."""
    plain = re.sub(r'"[^"]*"', "quoted", header).strip()
    most = max(",;\t|", key=plain.count)
    if most in plain:
        return most
    return SPACES if SPACES in plain else ","


def _cells(lines: Sequence[str], separator: str, first: int) -> Iterator[Row]:
    """Split lines into cells, from the one with index `first` on."""
    below = itertools.islice(lines, first, None)
    if separator == SPACES:
        plain = (" ".join(line.split()) for line in below)
    else:
        plain = (line.rstrip(" \r\n") + "\n" for line in below)  # no space behind a quote
    reader = csv.reader(plain, delimiter=separator, skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            yield Row(first + reader.line_num, list(map(str.strip, cells)))
    except csv.Error as error:
        reason = "a quoted cell does not end, or text follows its end"
        if "limit" in str(error):
            reason = f"a cell has more than {csv.field_size_limit()} characters"
        raise TableError(f"{reason} (line {first + reader.line_num})") from None


def _without_numbering(table: Table) -> Table:
    """Leave out a first column that only numbers the rows, as pandas writes it.

    Names such as 000001 are no such numbers.
    """
    first = [row.cells[0] for row in table.rows if row.cells]
    if not first or table.header[0] not in NUMBERING or len(set(first)) < len(first):
        return table
    if not all(re.fullmatch("0|[1-9][0-9]*", cell) for cell in first):
        return table
    rows = [Row(line, cells[1:]) for line, cells in table.rows]
    return table._replace(header=table.header[1:], rows=rows)
