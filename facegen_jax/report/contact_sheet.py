"""All images on one sheet: references and their fixed settings down, settings to compare across."""

import textwrap
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..faces import image
from ..types import NewImage
from .columns import Column, group_keys, groupings, heading, sweep_axes
from .plots import escape
from .study import Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_ROWS, MAX_COLUMNS = 60, 12
"""Rows drawn on a sheet, and columns it tries to stay within."""
CELL, GAP, DPI = 112, 6, 100
"""Side of an image and gap between two, in pixels. One pixel of the sheet is one of the figure."""
LEFT, TOP, EDGE = 210, 70, 12
"""Margins for row names, for headings, and after the last images, in pixels."""
FAILED = ""
"""Entry of a run without a result image."""


class SheetRow(NamedTuple):
    """A row of the sheet."""

    name: str
    images: list[str | None]
    """The reference, then the result of each heading; None if the run does not exist."""


def arrange(study: Study, columns: Sequence[Column]) -> tuple[list[str], list[SheetRow]]:
    """Return headings and rows of the sheet; rows are in the order of the runs."""
    references = [result.reference for result in study.results]
    runs = len(references)
    across = _across(columns, references)
    down = [column for column in sweep_axes(columns) if column not in across]
    keys = group_keys(across, runs)
    headings = {key: heading(across, keys.index(key)) for key in sorted(set(keys))}
    index = {key: number for number, key in enumerate(headings, 1)}
    rows: dict[tuple, SheetRow] = {}
    for run, (result, fixed) in enumerate(zip(study.results, group_keys(down, runs), strict=True)):
        name = PurePath(result.reference).stem
        if any(column.values[run] is not None for column in down):
            name = f"{name}, {heading(down, run)}"
        empty = SheetRow(name, [result.before, *[None] * len(headings)])
        row = rows.setdefault((result.reference, fixed), empty)
        row.images[index[keys[run]]] = result.image or FAILED
    return ["reference", *headings.values()], list(rows.values())


def _across(columns: Sequence[Column], references: Sequence[str]) -> list[Column]:
    """Return the settings of the grouping with most columns, if possible within `MAX_COLUMNS`."""
    axes = sweep_axes(columns)
    candidates = [
        [column for column in axes if column.name in names]
        for names in groupings(columns, references).values()
    ]

    def width(chosen: Sequence[Column]) -> int:
        groups = len(set(group_keys(chosen, len(references))))
        return groups if groups <= MAX_COLUMNS else 0

    return max(candidates, key=width)


def contact_sheet(study: Study, columns: Sequence[Column]) -> "Figure":
    """Return the sheet as a Matplotlib figure."""
    from matplotlib.figure import Figure

    headings, rows = arrange(study, columns)
    drawn = rows[:MAX_ROWS]
    mosaic = np.concatenate(
        [np.concatenate([_cell(study, name) for name in row.images], 1) for row in drawn]
    )
    height, width = mosaic.shape[0] + TOP + EDGE, mosaic.shape[1] + LEFT + EDGE
    figure = Figure((width / DPI, height / DPI), dpi=DPI)
    axes = figure.add_axes(
        (LEFT / width, EDGE / height, mosaic.shape[1] / width, mosaic.shape[0] / height)
    )
    axes.imshow(mosaic, interpolation="none", aspect="auto")
    centres = CELL / 2 + (CELL + GAP) * np.arange(max(len(headings), len(drawn)))
    columns_text = [escape(textwrap.fill(text, 18)) for text in headings]
    axes.set_xticks(centres[: len(headings)], columns_text, fontsize=8)
    rows_text = [escape(textwrap.fill(row.name, 32)) for row in drawn]
    axes.set_yticks(centres[: len(drawn)], rows_text, fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_frame_on(False)
    omitted = f"; the first {MAX_ROWS} of {len(rows)} rows" if len(rows) > MAX_ROWS else ""
    title = escape(study.name + omitted)
    figure.text(6 / width, 1 - 6 / height, title, fontsize=8, va="top")
    return figure


def _cell(study: Study, name: str | None) -> NewImage:
    """Return an image in its cell; white if there is none, grey if the run failed."""
    cell = np.ones((CELL + GAP, CELL + GAP, 3), np.float32)
    if name == FAILED:
        cell[:CELL, :CELL] = 0.85
    elif name is not None:
        full = image.load(study.folder / name)
        factor = CELL / max(full.shape[:2])
        height, width = (max(1, round(factor * side)) for side in full.shape[:2])
        cell[:height, :width] = image.resize(full, (height, width))
    return cell
