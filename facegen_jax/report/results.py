"""Results as lines of a file that only grows: whole lines, on the disk before anything else happens."""

import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeGuard


class ResultsError(ValueError):
    """A folder without results that can be read; one line that says why and what to do."""


class Result(NamedTuple):
    """What became of one run."""

    id: str
    name: str
    status: str
    """ok, or failed."""
    error: str | None
    pair: dict[str, str]
    """Its line of the table, as written."""
    grid: dict[str, object]
    """Its values of the grid."""
    loss: dict[str, float]
    """First and last total."""
    parts: dict[str, dict[str, float]]
    """First and last of each term, unweighted."""
    metrics: dict[str, object]
    seconds: dict[str, float]
    """`prepare` and `finish` of this run, `run` of the batch it was solved in divided by the runs in it."""
    guides: list[dict[str, object]]
    """Faces taken from a gallery, with their similarity."""
    notes: list[str]
    image: str | None
    """Picture, relative to the sweep's folder."""
    trace: str | None
    """Losses of every step, relative to the sweep's folder."""
    before: str | None = None
    """The reference as it was edited, of the same geometry as the picture, relative to the sweep's folder."""
    shown: tuple[str, ...] = ()
    """The guides as they were seen, relative to the sweep's folder."""
    frames: str | None = None
    """Folder of the pictures on the way, relative to the sweep's folder."""

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.status == "ok"


_NEEDED = set(Result._fields) - set(Result._field_defaults)
_KINDS = {
    str: ("id", "name", "status"),
    dict: ("pair", "grid", "loss", "parts", "metrics", "seconds"),
    list: ("guides", "notes"),
}


def _is_result(row: object) -> TypeGuard[dict]:
    """Whether a line can be taken for a result; fields that came later may lack."""
    return (
        isinstance(row, dict)
        and set(row) >= _NEEDED
        and all(isinstance(row[name], kind) for kind, names in _KINDS.items() for name in names)
        and isinstance(row.get("shown", []), list)
    )


def line(result: Result) -> bytes:
    """A result as one line of JSON; what is not finite becomes null."""
    return json.dumps(_plain(result._asdict()), separators=(",", ":")).encode() + b"\n"


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def append(path: Path, content: bytes) -> None:
    """Add whole lines, and wait until they are on the disk; what could only be written in part is taken back.

    Raises:
        OSError: the disk is full or gone; the file is as it was.
    """
    with path.open("ab", buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        try:
            if file.write(content) != len(content):
                raise OSError(28, "No space left on device")
            os.fsync(file.fileno())
        except OSError:
            file.truncate(before)
            raise


def mend(path: Path) -> None:
    """Cut off a last line that a killed process could not finish."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - 65536)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                file.truncate(start + newline + 1)
                return
            end = start
        file.truncate(0)


def files(folder: Path) -> list[Path]:
    """Every file of results: of one process, of parts, of hosts."""
    return sorted(folder.glob("results*.jsonl"))


def any_in(folder: Path) -> bool:
    """Whether there is any result."""
    return any(file.stat().st_size for file in files(folder))


def lines(path: Path) -> Iterator[dict]:
    """The results in a file; a line that another process is about to finish is left out.

    Raises:
        ResultsError: a line that is no result.
    """
    with path.open("rb") as file:
        for number, content in enumerate(file, 1):
            if not content.endswith(b"\n"):
                return
            try:
                row = json.loads(content)
            except ValueError:
                row = None
            if not _is_result(row):
                raise ResultsError(
                    f"{path}, line {number}: not a result; take the line out, its run is then done again"
                )
            yield Result._field_defaults | row


def outcomes(folder: Path) -> dict[str, bool]:
    """Which runs have a result, and whether it is a good one."""
    found: dict[str, bool] = {}
    for path in files(folder):
        for row in lines(path):
            found[row["id"]] = found.get(row["id"], False) or row["status"] == "ok"
    return found


Chosen = set[tuple[int, int]]
"""Lines by the number of their file and their own."""


def latest(folder: Path, told: Callable[[dict], object] = lambda row: None) -> Chosen:
    """Where the last result of each edit that was asked for is; `told` of every line.

    A failed run that was done again counts once, and so does an edit whose input files have changed since. Lines are read and never held: there may
    be millions.
    """
    last: dict[str, tuple[str, int, int]] = {}
    for place, path in enumerate(files(folder)):
        for number, row in enumerate(lines(path)):
            told(row)
            asked = json.dumps([row["name"], row["pair"], row["grid"]], sort_keys=True)
            if row["status"] == "ok" or asked not in last or row["id"] != last[asked][0]:
                last[asked] = (row["id"], place, number)
    return {(place, number) for _, place, number in last.values()}


def chosen(folder: Path, where: Chosen) -> Iterator[dict]:
    """These lines, one after the other."""
    for place, path in enumerate(files(folder)):
        for number, row in enumerate(lines(path)):
            if (place, number) in where:
                yield row
