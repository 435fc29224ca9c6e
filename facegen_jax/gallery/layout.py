"""Folders of labelled faces: which file is the table, and who and what its columns name.

labels.csv, images/...                                           our own
list_attr_celeba.txt, identity_CelebA.txt, img_align_celeba/...  CelebA; also in Anno/ and Img/
lfw_attributes.txt, lfw/NAME/NAME_0001.jpg                       LFW
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..names import normalise
from ..table import Table
from ..text import decode
from .codes import BLANK
from .images import IMAGES

TABLES = (
    "labels.csv",
    "labels.tsv",
    "labels.txt",
    "list_attr_celeba.txt",
    "list_attr_celeba.csv",
    "lfw_attributes.txt",
)
FILES = (
    "filename",
    "file",
    "filepath",
    "path",
    "imagepath",
    "imgpath",
    "imagefile",
    "imagename",
    "imageid",
    "image",
    "img",
    "photo",
    "picture",
)
"""Headers of the column of images, the best first; case, `_`, `-` and spaces do not matter."""
PEOPLE = ("identity", "person", "personid", "identityid", "subject", "subjectid")


class GalleryError(ValueError):
    """A folder that is no gallery, or an attribute that it does not label; says what is there."""


class Faces(NamedTuple):
    """The rows of a table of labels."""

    column: str | None
    """Header of the column of images; None if they are named by person and number, as LFW's."""
    names: list[str]
    """Image files as the table names them."""
    identities: list[str]
    others: dict[str, list[str]]
    """Cells of all other columns that have a header."""


def find_table(folder: Path) -> tuple[Path, Path]:
    """Return the table of a gallery and the folder that it describes.

    Raises:
        GalleryError: there is none.
    """
    if folder.is_file():
        return folder, folder.parent.parent if folder.parent.name == "Anno" else folder.parent
    for home, name in itertools.product((folder, folder / "Anno"), TABLES):
        if (home / name).is_file():
            return home / name, folder
    if not folder.is_dir():
        raise GalleryError(f"{folder}: no such folder")
    raise GalleryError(
        f"{folder}: no labels.csv in it; a gallery has labels.csv and images/, or is CelebA or LFW "
        "as published (list_attr_celeba.txt, lfw_attributes.txt); of a table that has another "
        "name, give the path"
    )


def faces(path: Path, table: Table) -> Faces:
    """Find the columns of images and of people in a table.

    Raises:
        GalleryError: no column names images, a column that is needed occurs twice, or a photo's
            number is none.
    """
    plain = {normalise(name).replace(" ", ""): name for name in reversed(table.header)}
    cells = list(map(list, zip(*(row.cells for row in table.rows), strict=True)))
    columns = dict(zip(table.header, cells, strict=bool(cells)))
    person = next((plain[each] for each in PEOPLE if each in plain), None)
    column = next((plain[each] for each in FILES if each in plain), None)
    if column is None and not (person and "imagenum" in plain):
        column = _column_of_images(columns)
    if not table.rows or (column is None and not (person and "imagenum" in plain)):
        raise GalleryError(
            f"{path}: expected a column 'filename' (or image_id, file, path ...) and at least one "
            f"row, found columns {', '.join(map(repr, table.header[:5]))} and "
            f"{len(table.rows)} rows"
        )
    for name in (column, person):
        if name is not None and table.header.count(name) > 1:
            raise GalleryError(f"{path}: the header has two columns {name!r}")
    identities = columns.pop(person) if person else [""] * len(table.rows)
    identities = ["" if each.lower() in BLANK else each for each in identities]
    if column is None:
        names = _numbered(path, table, identities, columns.pop(plain["imagenum"]))
    else:
        names = columns.pop(column)
    columns.pop("", None)
    return Faces(column, names, identities, columns)


def _column_of_images(columns: Mapping[str, Sequence[str]]) -> str | None:
    """Return the only column in which every cell ends as an image file does, or the unnamed one."""
    found = [
        name
        for name, cells in columns.items()
        if all(cell.lower().endswith(IMAGES) for cell in cells)
    ]
    unnamed = "" if "" in columns else None
    return found[0] if len(found) == 1 else unnamed


def _numbered(path: Path, table: Table, people: Sequence[str], numbers: Sequence[str]) -> list[str]:
    """Return the files of photos that are named as LFW's."""
    names = []
    for row, person, number in zip(table.rows, people, numbers, strict=True):
        if not re.fullmatch(r"\d{1,9}", number):
            raise GalleryError(
                f"{path}, line {row.line}: expected a photo's number, not {number!r}"
            )
        folder = person.replace(" ", "_")
        names.append(f"{folder}/{folder}_{int(number):04}.jpg")
    return names


def people(table: Path) -> tuple[Path, dict[str, str]] | None:
    """Return the file that says who is on the images of CelebA, if there is one, and what it says.

    Raises:
        GalleryError: it is damaged.
    """
    file = table.with_name("identity_CelebA.txt")
    if not table.name.startswith("list_attr_celeba") or not file.is_file():
        return None
    try:
        return file, dict(line.split() for line in decode(file.read_bytes())[0].splitlines())
    except (OSError, ValueError):
        raise GalleryError(
            f"{file}: expected lines of an image file and a person's number; "
            "repair it, or move it away to do without"
        ) from None
