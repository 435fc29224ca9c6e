"""A folder of faces with a table of labels, and which faces have an attribute.

FOLDER/labels.csv header: filename, identity (optional), then one column for each attribute: 1, 0 or
                      blank (unknown)
FOLDER/images/...     the files that `filename` names
"""

import csv
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int8

from ..names import by_spelling, did_you_mean, normalise

Choice = Bool[np.ndarray, " faces"]


class GalleryError(ValueError):
    """A folder that is no gallery, or an attribute that it does not label; says what is there."""


class Gallery(NamedTuple):
    """Faces by file name, with their labels."""

    folder: Path
    filenames: tuple[str, ...]
    identities: tuple[str, ...]
    """Who each face is; empty if unknown."""
    attributes: tuple[str, ...]
    labels: Int8[np.ndarray, "faces attributes"]
    """1 has the attribute, 0 lacks it, -1 is unknown."""

    def path(self, row: int) -> Path:
        """Return the image file of a face."""
        return self.folder / "images" / self.filenames[row]


def load_gallery(folder: str | os.PathLike[str]) -> Gallery:
    """Read the table of a gallery folder; images are not opened.

    Columns with any value but 1, 0 and blank (coordinates, ages, comments) are not attributes and
    are left out.

    Raises:
        GalleryError: no table, no column `filename`, an empty table, a row of another length, or a
            file name that repeats or leaves the folder.
    """
    folder = Path(folder)
    table = folder / "labels.csv"
    header, rows = _read(folder, table)
    columns = {name: [row[index].strip() for row in rows] for index, name in enumerate(header)}
    filenames = columns.pop("filename")
    identities = columns.pop("identity", [""] * len(rows))
    _check_filenames(table, filenames)
    codes = {"1": 1, "0": 0, "": -1}
    labels = {
        name: [codes[value] for value in column]
        for name, column in columns.items()
        if set(column) <= set(codes) and any(column)
    }
    if not labels:
        raise GalleryError(f"{table}: no column has only 1, 0 and blank, so there is no attribute")
    values = np.array(list(labels.values()), np.int8).T
    return Gallery(folder, tuple(filenames), tuple(identities), tuple(labels), values)


def _read(folder: Path, table: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            header, *rows = csv.reader(file)
    except FileNotFoundError:
        raise GalleryError(
            f"{folder}: no labels.csv in it; a gallery has labels.csv and images/"
        ) from None
    except (OSError, ValueError, csv.Error) as error:
        raise GalleryError(f"{table}: not a readable table ({error})") from None
    if "filename" not in header or not rows:
        raise GalleryError(
            f"{table}: expected a column 'filename' and at least one row, "
            f"found columns {', '.join(header[:5])} and {len(rows)} rows"
        )
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise GalleryError(
                f"{table}: line {number} has {len(row)} values, the header {len(header)}"
            )
    return header, rows


def _check_filenames(table: Path, filenames: list[str]) -> None:
    seen: set[str] = set()
    for number, name in enumerate(filenames, 2):
        reason = None
        if not name:
            reason = "is empty"
        elif name in seen:
            reason = "occurs twice"
        elif Path(name).is_absolute() or ".." in Path(name).parts:
            reason = "leads out of images/"
        if reason:
            raise GalleryError(f"{table}: the file name in line {number}, {name!r}, {reason}")
        seen.add(name)


def column(gallery: Gallery, attribute: str) -> int:
    """Return the column of an attribute; case, `_` and spaces do not matter.

    Raises:
        GalleryError: an unknown name; the message lists the known ones.
    """
    known = by_spelling(gallery.attributes)
    if normalise(attribute) not in known:
        hint = did_you_mean(attribute, gallery.attributes)
        labels = ", ".join(sorted(gallery.attributes))
        raise GalleryError(
            f"{gallery.folder} has no attribute {attribute!r}{hint}; it labels {labels}"
        )
    return gallery.attributes.index(known[normalise(attribute)])


def knows(gallery: Gallery, attribute: str) -> bool:
    """Return whether the gallery labels an attribute."""
    return normalise(attribute) in by_spelling(gallery.attributes)


def having(gallery: Gallery, attribute: str) -> Choice:
    """Choose the faces that have an attribute.

    `Youth/Senior` names two opposites: it chooses faces that have the first, unless they have the
    second too.
    """
    first, _, second = attribute.partition("/")
    has = gallery.labels[:, column(gallery, first)] == 1
    return has & (gallery.labels[:, column(gallery, second)] != 1) if second else has


def lacking(gallery: Gallery, attribute: str) -> Choice:
    """Choose the faces known to lack an attribute; of two opposites, those that have the second."""
    first, _, second = attribute.partition("/")
    if second:
        return having(gallery, f"{second}/{first}")
    return gallery.labels[:, column(gallery, first)] == 0


def others(gallery: Gallery, identity: str) -> Choice:
    """Choose the faces of other people; all faces if the identity is unknown."""
    return np.array([not identity or each != identity for each in gallery.identities])
