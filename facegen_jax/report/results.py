"""Result files: JSON lines that are only appended, each on the disk before the sweep continues."""

import errno
import hashlib
import itertools
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..stored import parse_json
from .result import Result


class ResultsError(ValueError):
    """A folder whose results cannot be read; one line that says why and what to do."""


class Location(NamedTuple):
    """Where the line of a result starts."""

    path: Path
    offset: int
    id: str


def line(result: Result) -> bytes:
    """Encode a result as one line of JSON; numbers that are not finite become null."""
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


_REQUIRED = set(Result._fields) - set(Result._field_defaults)
_TYPES = {
    str: ("id", "name", "status"),
    dict: ("pair", "grid", "loss", "parts", "metrics", "seconds"),
    list: ("guides", "notes", "shown"),
}


def _decode(content: bytes) -> Result | None:
    """Decode a line; return None if it is not a result. Later fields may be missing."""
    try:
        row = parse_json(content)
    except ValueError:
        return None
    if not isinstance(row, dict) or not row.keys() >= _REQUIRED:
        return None
    fields: dict[str, Any] = {name: row[name] for name in Result._fields if name in row}
    fields.setdefault("shown", [])
    if not all(isinstance(fields[name], kind) for kind, names in _TYPES.items() for name in names):
        return None
    if not all(isinstance(guide, dict) for guide in fields["guides"]):
        return None
    fields["shown"] = tuple(fields["shown"])
    return Result(**fields)


def append(path: Path, content: bytes) -> None:
    """Append whole lines and flush them to the disk.

    Raises:
        OSError: the disk is full or gone. What was written of the lines is cut off again.
    """
    with path.open("ab", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        try:
            if file.write(content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError:
            file.truncate(end)
            raise


def mend(path: Path) -> None:
    """Cut off an incomplete last line, left by a killed process."""
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
    """Return the result files of all processes, shards and hosts."""
    return sorted(folder.glob("results*.jsonl"))


def any_in(folder: Path) -> bool:
    """Return whether the folder has any result."""
    return any(path.stat().st_size for path in files(folder))


def lines(path: Path) -> Iterator[Result]:
    """Yield the results of a file; skip a last line that is still being written.

    Raises:
        ResultsError: a line that is not a result.
    """
    return (result for _, result in _located(path))


def _located(path: Path) -> Iterator[tuple[int, Result]]:
    """Yield each result with the offset of its line."""
    offset = 0
    with path.open("rb") as file:
        for number, content in enumerate(file, 1):
            if not content.endswith(b"\n"):
                return
            result = _decode(content)
            if result is None:
                raise ResultsError(
                    f"{path}, line {number}: not a result; delete the line to repeat its run"
                )
            yield offset, result
            offset += len(content)


def outcomes(folder: Path, *, images: bool = True) -> dict[str, bool]:
    """Return the ids of all runs with a result, and whether one of their results is good.

    Args:
        folder: of the sweep.
        images: count no good result whose image is gone. Not while other machines write: a network
            file system may list their images late.
    """
    found: dict[str, tuple[bool, str]] = {}
    for path in files(folder):
        for result in lines(path):
            if result.ok or result.id not in found:
                found[result.id] = result.ok, str(result.image or "")
    if images:
        there = {path.relative_to(folder).as_posix() for path in (folder / "images").rglob("*.png")}
        gone = [id for id, (ok, image) in found.items() if ok and image and image not in there]
        for id in gone:
            del found[id]
    return {id: ok for id, (ok, _) in found.items()}


def locate_latest(
    folder: Path, visit: Callable[[Result], object] = lambda result: None
) -> list[Location]:
    """Locate the latest result of every edit, in the order of the files.

    An edit is a name with its pair and grid values. A failed run that was repeated counts once, and
    so does an edit whose input files have changed since, which gives it another id.

    Only locations are kept in memory: there may be millions of lines.

    Args:
        folder: of the sweep.
        visit: receives every result, superseded ones too.
    """
    latest: dict[bytes, Location] = {}
    for path in files(folder):
        for offset, result in _located(path):
            visit(result)
            edit = json.dumps([result.name, result.pair, result.grid], sort_keys=True)
            key = hashlib.blake2b(edit.encode(), digest_size=16).digest()
            if result.ok or key not in latest or result.id != latest[key].id:
                latest[key] = Location(path, offset, result.id)
    return sorted(latest.values())


def read(locations: Iterable[Location]) -> Iterator[Result]:
    """Yield the results at these locations, in their order."""
    for path, group in itertools.groupby(locations, lambda location: location.path):
        with path.open("rb") as file:
            for location in group:
                file.seek(location.offset)
                result = _decode(file.readline())
                if result is None:
                    raise ResultsError(f"{path}: changed while it was read; try again")
                yield result
