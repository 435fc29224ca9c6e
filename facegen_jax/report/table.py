"""All results as one tidy table."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

from ..image import write_atomically
from . import results

LEADING = ("id", "name", "status", "error")


def write_table(folder: Path) -> None:
    """Write `results.csv`: one line for each edit that was asked for, its last result, in the order of ids.

    A failed run that was done again counts once, and so does an edit whose input files have changed since. Results are read twice
    and never held at once: there may be millions.
    """
    columns: dict[str, None] = dict.fromkeys(LEADING)
    last: dict[str, tuple[str, int, int]] = {}
    for place, path in enumerate(results.files(folder)):
        for number, row in enumerate(results.lines(path)):
            columns |= dict.fromkeys(flat(row))
            asked = json.dumps([row["name"], row["pair"], row["grid"]], sort_keys=True)
            if row["status"] == "ok" or asked not in last or row["id"] != last[asked][0]:
                last[asked] = (row["id"], place, number)
    chosen = {(place, number) for _, place, number in last.values()}
    write_atomically(folder / "results.csv", _rows(folder, list(columns), chosen))


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
    found |= {"notes": "; ".join(row["notes"]), "image": row["image"], "trace": row["trace"]}
    return found


def _rows(folder: Path, columns: list[str], chosen: set[tuple[int, int]]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns)
    writer.writeheader()
    for place, path in enumerate(results.files(folder)):
        for number, row in enumerate(results.lines(path)):
            if (place, number) in chosen:
                writer.writerow(flat(row))
            if buffer.tell() > 1 << 20:
                yield buffer.getvalue().encode()
                buffer.seek(0)
                buffer.truncate()
    yield buffer.getvalue().encode()
