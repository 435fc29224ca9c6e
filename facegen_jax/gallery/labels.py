"""A folder of faces with a table of labels, and which faces have an attribute.

FOLDER/labels.csv header: filename, identity (optional), then one column for each attribute: 1, 0 or
                      blank (unknown)
FOLDER/images/...     the files that `filename` names

Other tables and folders are understood too: see `table`, `layout`, `codes` and `images`.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int8

from ..names import by_spelling, did_you_mean, normalise
from ..table import SEPARATORS, Row, Table, TableError, read_table
from . import codes, layout
from .images import Located, locate
from .layout import GalleryError

Choice = Bool[np.ndarray, " faces"]


class Gallery(NamedTuple):
    """Faces by file name, with their labels."""

    folder: Path
    filenames: tuple[str, ...]
    """Relative to `images`."""
    identities: tuple[str, ...]
    """Who each face is; empty if unknown."""
    attributes: tuple[str, ...]
    labels: Int8[np.ndarray, "faces attributes"]
    """1 has the attribute, 0 lacks it, -1 is unknown."""
    images: Path = Path()
    tables: tuple[Path, ...] = ()
    """The files that the labels and identities are from."""
    understood: str = ""
    """How the table was read, and what was left out, in one line."""
    remark: str = ""
    """The same if anything was unusual, else empty."""

    def path(self, row: int) -> Path:
        """Return the image file of a face."""
        return self.images / self.filenames[row]


def load_gallery(folder: str | os.PathLike[str]) -> Gallery:
    """Read the table of a gallery; images are not opened.

    Columns that are no labels (coordinates, ages, comments) are no attributes. Faces whose image is
    missing are left out.

    Args:
        folder: a folder with labels.csv and images/, CelebA's or LFW's as published, or the path of
            a table.

    Raises:
        GalleryError: no table, no column of file names, an empty table, a row of another length, a
            file name that repeats or leaves the folder, no labels, or none of the images.
    """
    path, home = layout.find_table(Path(folder))
    try:
        table = read_table(path)
    except (TableError, FileNotFoundError) as error:
        raise GalleryError(str(error)) from None
    faces = layout.faces(path, table)
    names = _file_names(path, home, table.rows, faces.names)
    coded = codes.decode(faces.others, real=faces.column is None)
    if not coded.attributes:
        raise GalleryError(f"{path}: no column has only {codes.CODINGS}, so there is no attribute")
    for name in coded.attributes:
        if table.header.count(name) > 1:
            raise GalleryError(f"{path}: the header has two columns {name!r}")
    located = locate(home, names)
    kept = [row for row, file in enumerate(located.files) if file]
    if not kept:
        raise GalleryError(
            f"{path}: none of its {len(names)} images are in {home / 'images'} or another folder "
            f"in {home}, such as {names[0]!r}"
        )
    known = layout.people(path)
    identities = [known[1].get(name, "") for name in faces.names] if known else faces.identities
    understood, usual = _describe(path, home, table, faces, coded, located)
    return Gallery(
        home,
        tuple(located.files[row] for row in kept),
        tuple(identities[row] for row in kept),
        coded.attributes,
        coded.labels[kept],
        located.folder,
        (path, *([known[0]] if known else [])),
        understood,
        "" if usual else understood,
    )


def _file_names(path: Path, home: Path, rows: Sequence[Row], cells: Sequence[str]) -> list[str]:
    """Return file names with `/`, relative to the folder of images; refuse those outside of it."""
    names, seen, above = list[str](), set[str](), f"{home.absolute().as_posix()}/"
    for row, cell in zip(rows, cells, strict=True):
        name = cell.replace("\\", "/").removeprefix(above).removeprefix("./")
        reason = None
        if not name:
            reason = "is empty"
        elif name in seen:
            reason = "occurs twice"
        elif name.startswith("/") or re.match("[A-Za-z]:", name) or ".." in name.split("/"):
            reason = "leads out of images/"
        if reason:
            raise GalleryError(f"{path}: the file name in line {row.line}, {cell!r}, {reason}")
        seen.add(name)
        names.append(name)
    return names


def _describe(
    path: Path,
    home: Path,
    table: Table,
    faces: layout.Faces,
    coded: codes.Coded,
    located: Located,
) -> tuple[str, bool]:
    """Say in one line how a table was read; also return whether all of it is as usual."""
    total, kept = len(located.files), sum(map(bool, located.files))
    others = len(faces.others) - len(coded.attributes)
    place = located.folder.relative_to(home).as_posix()
    counts = f"{kept} faces, {len(coded.attributes)} attributes"
    parts = [f"{counts}, {total - kept} left out without an image", f"images in {place}/"]
    if located.respelt:
        parts.append(f"{located.respelt} of them under another ending or spelling")
    if others:
        parts.append(f"columns that are no labels: {others}")
    if table.announced not in (None, total):
        parts.append(f"{table.announced} rows announced, {total} found")
    dialect = f"{table.encoding}, {SEPARATORS[table.separator]}"
    usual = (path.name, dialect, coded.codings, place, faces.column, kept, located.respelt) == (
        "labels.csv",
        "UTF-8, commas",
        ("1/0",),
        "images",
        "filename",
        total,
        0,
    )
    return f"{path}: {dialect}, {', '.join(coded.codings)}: {'; '.join(parts)}", usual


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
