"""results.csv: all results in one tidy table."""

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..files import write_atomically
from . import results
from .result import Result, flatten

LEADING = ("id", "name", "status", "error")
"""Columns of a table without results."""


def write_table(folder: Path) -> None:
    """Write `results.csv`: the latest result of every edit, in the order of the result files."""
    columns: dict[str, None] = dict.fromkeys(LEADING)
    locations = results.locate_latest(
        folder, lambda result: columns.update(dict.fromkeys(each.name for each in flatten(result)))
    )
    write_atomically(folder / "results.csv", _csv(list(columns), results.read(locations)))


def _csv(columns: list[str], rows: Iterable[Result]) -> Iterator[bytes]:
    """Yield the table in pieces of about a megabyte."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns)
    writer.writeheader()
    for result in rows:
        writer.writerow({each.name: each.value for each in flatten(result)})
        if buffer.tell() > 1 << 20:
            yield buffer.getvalue().encode(errors="replace")
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode(errors="replace")
