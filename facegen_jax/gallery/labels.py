"""A folder of faces with a table of labels, and which faces have an attribute.

FOLDER/labels.csv     header: filename, identity (optional), then one column for each attribute: 1, 0 or blank (unknown)
FOLDER/images/...     the files that `filename` names
"""

import csv
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int8

from ..names import did_you_mean, normalise

Choice = Bool[np.ndarray, " faces"]


class GalleryError(ValueError):
    """A folder that is no gallery, or an attribute that it does not label; the message says what is there."""


class Gallery(NamedTuple):
    """Faces by file name, with what is known of them."""

    folder: Path
    filenames: tuple[str, ...]
    identities: tuple[str, ...]
    """Who it is; empty where unknown."""
    attributes: tuple[str, ...]
    labels: Int8[np.ndarray, "faces attributes"]
    """1 has it, 0 has it not, -1 unknown."""

    def path(self, index: int) -> Path:
        """The picture file of a face."""
        return self.folder / "images" / self.filenames[index]


def load_gallery(folder: str | os.PathLike[str]) -> Gallery:
    """Read the table of a gallery folder; pictures are not opened.

    Columns with any value but 1, 0 and blank (coordinates, ages, comments) are no attributes and are left out.

    Raises:
        GalleryError: no table, no column `filename`, an empty table, a row of another length, or a file name that occurs twice or leads
            out of the folder.
    """
    folder = Path(folder)
    table = folder / "labels.csv"
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
            f"{table}: expected a column 'filename' and at least one row, found columns {', '.join(header[:5])} and {len(rows)} rows"
        )
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise GalleryError(
                f"{table}: line {number} has {len(row)} values, the header {len(header)}"
            )
    columns = {name: [row[place].strip() for row in rows] for place, name in enumerate(header)}
    filenames, identities = columns.pop("filename"), columns.pop("identity", [""] * len(rows))
    _check_filenames(table, filenames)
    values = {"1": 1, "0": 0, "": -1}
    labels = {
        name: [values[value] for value in column]
        for name, column in columns.items()
        if set(column) <= set(values) and any(column)
    }
    if not labels:
        raise GalleryError(f"{table}: no column has only 1, 0 and blank, so there is no attribute")
    return Gallery(
        folder,
        tuple(filenames),
        tuple(identities),
        tuple(labels),
        np.array(list(labels.values()), np.int8).T,
    )


def _check_filenames(table: Path, filenames: list[str]) -> None:
    seen: set[str] = set()
    for number, name in enumerate(filenames, 2):
        if not name or name in seen or Path(name).is_absolute() or ".." in Path(name).parts:
            why = (
                "is empty"
                if not name
                else "occurs twice"
                if name in seen
                else "leads out of images/"
            )
            raise GalleryError(f"{table}: the file name in line {number}, {name!r}, {why}")
        seen.add(name)


def column(gallery: Gallery, attribute: str) -> int:
    """The column of an attribute; case, `_` and spaces do not matter.

    Raises:
        GalleryError: an unknown name; the message lists the known ones.
    """
    known = {normalise(name): place for place, name in enumerate(gallery.attributes)}
    if normalise(attribute) not in known:
        raise GalleryError(
            f"{gallery.folder} has no attribute {attribute!r}{did_you_mean(attribute, gallery.attributes)}; it labels {', '.join(sorted(gallery.attributes))}"
        )
    return known[normalise(attribute)]


def knows(gallery: Gallery, attribute: str) -> bool:
    """Whether the gallery labels an attribute."""
    return normalise(attribute) in map(normalise, gallery.attributes)


def having(gallery: Gallery, attribute: str) -> Choice:
    """Faces that have an attribute. `Youth/Senior` names a pair of opposites: those that have the first and are not said to have the second."""
    first, _, second = attribute.partition("/")
    has = gallery.labels[:, column(gallery, first)] == 1
    return has & (gallery.labels[:, column(gallery, second)] != 1) if second else has


def lacking(gallery: Gallery, attribute: str) -> Choice:
    """Faces known not to have an attribute; of a pair of opposites, those that have the second and are not said to have the first."""
    first, _, second = attribute.partition("/")
    return (
        having(gallery, f"{second}/{first}")
        if second
        else gallery.labels[:, column(gallery, first)] == 0
    )


def others(gallery: Gallery, identity: str) -> Choice:
    """Faces of anyone else; everyone when the identity is unknown."""
    return np.array([not identity or each != identity for each in gallery.identities])
