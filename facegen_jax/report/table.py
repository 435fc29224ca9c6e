"""All results as one tidy table."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from ..files import write_atomically
from . import results

LEADING = ("id", "name", "status", "error")


def write_table(folder: Path) -> None:
    """Write `results.csv`: one line for each edit that was asked for, its last result, in the order of the files of results."""
    columns: dict[str, None] = dict.fromkeys(LEADING)
    where = results.latest(folder, lambda row: columns.update(dict.fromkeys(flat(row))))
    write_atomically(folder / "results.csv", _text(list(columns), results.chosen(folder, where)))


def flat(row: dict) -> dict[str, object]:
    """A result as columns: nested values get their path as name."""
    found: dict[str, object] = {name: row.get(name) for name in LEADING}
    found |= row["pair"] | row["grid"]  # the grid's value went before the pair's
    for group in ("loss", "parts", "metrics", "seconds"):
        for name, value in row[group].items():
            if isinstance(value, dict):
                found |= {f"{name}.{inner}": each for inner, each in value.items()}
            else:
                found[f"{group}.{name}" if group in ("loss", "seconds") else name] = value
    found["guides_found"] = ";".join(str(each["path"]) for each in row["guides"])
    found |= {
        "notes": "; ".join(row["notes"]),
        "image": row["image"],
        "trace": row["trace"],
        "before": row["before"],
    }
    return found


def _text(columns: list[str], rows: Iterator[dict]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns)
    writer.writeheader()
    for row in rows:
        writer.writerow(flat(row))
        if buffer.tell() > 1 << 20:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()
