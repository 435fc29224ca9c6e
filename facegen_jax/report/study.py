"""What the folder of a sweep holds, read once for everything that shows it."""

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from . import results
from .results import ResultsError

MANY = 5_000
"""Runs that a page shows; more would make it slow to open."""


class Study(NamedTuple):
    """The results of a sweep, each edit once, with how they were made."""

    folder: Path
    rows: list[dict]
    """As in the files of results, those without a picture last; names of files that are not there, or lead out of the folder, are taken out."""
    total: int
    """Of all that the folder holds, where not all are read."""
    made: Mapping[str, object]
    """What sweep.json says; empty where there is none."""

    @property
    def name(self) -> str:
        """Of the folder."""
        return self.folder.resolve().name

    @property
    def network(self) -> tuple[str, str]:
        """Name and hash; empty where unknown."""
        network = self.made.get("network")
        return (
            (str(network.get("name", "")), str(network.get("sha256", "")))
            if isinstance(network, dict)
            else ("", "")
        )


def load_study(folder: Path, most: int = MANY) -> Study:
    """Read the first `most` results of a sweep's folder.

    Raises:
        ResultsError: no such folder, none of a sweep, or files that are damaged.
    """
    if not folder.is_dir():
        raise ResultsError(f"{folder}: no such folder; give the --out of a sweep")
    if not results.files(folder):
        raise ResultsError(
            f"{folder}: holds no results of a sweep (results.jsonl); give the --out of one"
        )
    where = results.latest(folder)
    if not where:
        raise ResultsError(
            f"{folder}: its sweep has no results yet; look again when the first runs are done"
        )
    rows = [checked(folder, row) for row in results.chosen(folder, set(sorted(where)[:most]))]
    rows.sort(
        key=lambda row: row["image"] is None
    )  # failures are written first, which says nothing of them
    return Study(folder, rows, len(where), _made(folder / "sweep.json"))


def _made(place: Path) -> Mapping[str, object]:
    try:
        made = json.loads(place.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        made = None
    if not isinstance(made, dict):
        raise ResultsError(
            f"{place}: damaged; remove it to show the results without their configuration"
        )
    return made


def checked(folder: Path, row: dict) -> dict:
    """A result without names of files that are not there, or lead out of the folder."""
    files = {name: _inside(folder, row[name]) for name in ("image", "trace", "before", "frames")}
    return row | files | {"shown": [name for name in row["shown"] if _inside(folder, name)]}


def _inside(folder: Path, name: object) -> str | None:
    """A file's name as it was written, if it is one of this folder: results of strangers may name anything."""
    if (
        not isinstance(name, str)
        or ":" in name
        or "\\" in name
        or not (path := PurePosixPath(name)).parts
    ):
        return None
    return (
        name
        if not path.is_absolute() and ".." not in path.parts and (folder / name).exists()
        else None
    )
