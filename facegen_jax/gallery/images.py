"""Where the images of a table are: in `images/`, beside the table, or some folders below it."""

import functools
import itertools
import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".jp2", ".pgm", ".ppm")
"""Endings of image files."""
MANY = 50
"""Folders that hold more folders hold people, not copies of a data set."""


class Located(NamedTuple):
    """Where the images of a table are."""

    folder: Path
    files: list[str]
    """By row, relative to the folder; empty if the image is missing."""
    respelt: int
    """Files whose ending is not that of the table, or whose accents are composed otherwise."""


def locate(home: Path, names: Sequence[str]) -> Located:
    """Find image files: in `images/` if any are there, else where most are.

    A file is also found under another ending, or none in the table.
    """
    best, most = Located(home / "images", [""] * len(names), 0), 0
    for place in itertools.islice(_places(home), 2 * MANY):
        located = _look(place, names)
        count = sum(map(bool, located.files))
        if count > most:
            best, most = located, count
        if count == len(names) or (count and place == home / "images"):
            break
    return best


def _places(home: Path) -> Iterator[Path]:
    """Yield where images may be: `images/`, the folder, folders in it, as deep as CelebA's."""
    yield from (home / "images", home)
    folders = [home]
    for _ in range(3):
        nested = (_folders(folder) for folder in folders)
        folders = [folder for each in nested if len(each) <= MANY for folder in each]
        yield from folders


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(folder / each.name for each in entries if each.is_dir())
    except OSError:
        return []


def _listing(folder: Path) -> frozenset[str]:
    """Return what is in a folder; nothing if it cannot be read."""
    try:
        return frozenset(os.listdir(folder))
    except OSError:
        return frozenset()


def _look(place: Path, names: Sequence[str]) -> Located:
    """Look for images in one folder."""
    inside, exact = _listing(place), set(names)
    listed = functools.cache(lambda parent: _listing(place / parent))
    by_stem = functools.cache(lambda parent: _by_stem(listed(parent)))

    def find(name: str) -> str:
        parent, slash, base = name.rpartition("/")
        if not inside or (slash and name.partition("/")[0] not in inside):
            return ""  # spares a look into thousands of folders that do not exist
        if base in listed(parent):
            return name
        other = by_stem(parent).get(_stem(base), "")
        return parent + slash + other if other and parent + slash + other not in exact else ""

    files, used = list[str](), set[str]()
    for name in names:
        file = find(name)
        files.append("" if file in used else file)
        used.add(file)
    respelt = sum(file not in ("", name) for file, name in zip(files, names, strict=True))
    return Located(place, files, respelt)


def _by_stem(files: Iterable[str]) -> dict[str, str]:
    """Return image files by their names without endings; of two, the first in the alphabet."""
    images = [file for file in files if file.lower().endswith(IMAGES)]
    return {_stem(file): file for file in sorted(images, reverse=True)}


def _stem(name: str) -> str:
    """Return a file name without the ending of an image, its accents composed."""
    stem, point, ending = name.rpartition(".")
    plain = stem if f"{point}{ending}".lower() in IMAGES else name
    return unicodedata.normalize("NFC", plain)
