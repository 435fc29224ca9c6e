"""All pictures on one sheet: a row for each reference and what is asked of it, a column for each setting."""

import textwrap
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..faces import image
from ..types import NewImage
from . import columns
from .columns import Column
from .plots import literal
from .study import Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST, WIDEST = 60, 12
"""Rows of a sheet, more are left to the page; and columns."""
CELL, GAP, DPI = 112, 6, 100
"""Sides of a picture and between two, in pixels; one pixel of the sheet is one of the picture."""
LEFT, TOP, EDGE = 210, 70, 12
"""Room for names and headings, and beyond the last pictures, in pixels."""


class Line(NamedTuple):
    """A row of the sheet."""

    name: str
    pictures: list[str | None]
    """The reference, then the result of each setting: empty where it failed."""


def arranged(study: Study, found: list[Column]) -> tuple[list[str], list[Line]]:
    """Headings and rows of a study, in the order of its runs."""
    files = columns.references(study.rows)
    axes = columns.axes(found)
    choices = [
        [column for column in axes if column.name in names]
        for names in columns.ways(found, files).values()
    ]
    across = max(
        choices,
        key=lambda chosen: (
            (count := len(set(columns.places(chosen, len(files))))) * (count <= WIDEST)
        ),
    )
    down = [column for column in axes if column not in across]
    settings = columns.places(across, len(files))
    heads = {
        place: columns.heading(across, run)
        for run, place in sorted(enumerate(settings), key=lambda each: each[1])
    }
    lines: dict[tuple, Line] = {}
    for run, (row, file, asked, place) in enumerate(
        zip(study.rows, files, columns.places(down, len(files)), settings, strict=True)
    ):
        name = ", ".join(
            [
                PurePath(file).stem,
                *(
                    [columns.heading(down, run)]
                    if any(column.values[run] is not None for column in down)
                    else []
                ),
            ]
        )
        line = lines.setdefault((file, asked), Line(name, [row["before"], *[None] * len(heads)]))
        line.pictures[1 + list(heads).index(place)] = row["image"] or ""
    return ["reference", *heads.values()], list(lines.values())


def contact_sheet(study: Study, found: list[Column]) -> "Figure":
    """The sheet as a figure of Matplotlib."""
    from matplotlib.figure import Figure

    heads, lines = arranged(study, found)
    shown = lines[:MOST]
    mosaic = np.concatenate(
        [np.concatenate([_cell(study, name) for name in line.pictures], 1) for line in shown]
    )
    height, width = mosaic.shape[0] + TOP + EDGE, mosaic.shape[1] + LEFT + EDGE
    figure = Figure((width / DPI, height / DPI), dpi=DPI)
    axes = figure.add_axes(
        (LEFT / width, EDGE / height, mosaic.shape[1] / width, mosaic.shape[0] / height)
    )
    axes.imshow(mosaic, interpolation="none", aspect="auto")
    centres = CELL / 2 + (CELL + GAP) * np.arange(max(len(heads), len(shown)))
    axes.set_xticks(
        centres[: len(heads)], [literal(textwrap.fill(head, 18)) for head in heads], fontsize=8
    )
    axes.set_yticks(
        centres[: len(shown)], [literal(textwrap.fill(line.name, 32)) for line in shown], fontsize=8
    )
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_frame_on(False)
    left_out = f"; the first {MOST} of {len(lines)} rows" if len(lines) > MOST else ""
    figure.text(6 / width, 1 - 6 / height, literal(f"{study.name}{left_out}"), fontsize=8, va="top")
    return figure


def _cell(study: Study, name: str | None) -> NewImage:
    """A picture in its square, white where there is none, grey where a run failed."""
    cell = np.ones((CELL + GAP, CELL + GAP, 3), np.float32)
    if name == "":
        cell[:CELL, :CELL] = 0.85
    elif name is not None:
        picture = image.load(study.folder / name)
        factor = CELL / max(picture.shape[:2])
        small = image.resize(
            picture,
            (max(1, round(factor * picture.shape[0])), max(1, round(factor * picture.shape[1]))),
        )
        cell[: small.shape[0], : small.shape[1]] = small
    return cell
