"""The descent of a run as a video, from the pictures that were kept on the way."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import PIL.Image

from ..faces import image
from ..files import write_atomically
from ..types import Image
from . import results
from .results import ResultsError
from .study import checked

SMALLEST = 256
"""Side below which pictures are enlarged, in pixels."""
HOLD = 1.5
"""Seconds for which the last picture stays."""


def write_video(
    folder: Path, run: str, kind: Literal["webp", "gif"] = "webp", *, rate: float = 10.0
) -> Path:
    """Write the descent of a run to `videos/<id>` in its sweep's folder; returns where it is.

    Args:
        folder: of the sweep.
        run: its id, or the beginning of it.
        kind: WebP is smaller and has all colours, GIF is shown everywhere.
        rate: pictures a second.

    Raises:
        ResultsError: no such run, several, or one without pictures on the way.
        ImageError, OSError: they cannot be read, or the video cannot be written.
    """
    row = _found(folder, run)
    frames = sorted((folder / row["frames"]).glob("*.png")) if row["frames"] else []
    if not frames:
        raise ResultsError(
            f"{folder}: the run {row['id']} has no pictures on the way; sweeps keep them with --frames-every K"
        )
    pictures = [image.load(frame) for frame in frames]
    result = image.load(folder / row["image"]) if row["image"] else pictures[-1]
    if result.shape == pictures[-1].shape and not np.array_equal(
        result, pictures[-1]
    ):  # not the best one met, nor a whole photo with it pasted back
        pictures.append(result)
    place = folder / "videos" / f"{row['id']}.{kind}"
    place.parent.mkdir(exist_ok=True)
    write_atomically(place, _encoded(pictures, kind, rate))
    return place


def _found(folder: Path, run: str) -> dict:
    if not folder.is_dir() or not results.files(folder):
        raise ResultsError(f"{folder}: holds no results of a sweep; give the --out of one")
    rows = {
        row["id"]: row
        for row in results.chosen(folder, results.latest(folder))
        if str(row["id"]).startswith(run)
    }
    if len(rows) != 1 or not run:
        few = (
            f": {', '.join(sorted(rows)[:4])}"
            if rows
            else "; ids are in results.csv and on the page"
        )
        raise ResultsError(
            f"{folder}: {len(rows) or 'no'} runs have an id that begins with {run!r}{few}"
        )
    id, row = rows.popitem()
    if not id.isalnum():  # it becomes a file's name
        raise ResultsError(f"{folder}: {id!r} is no id of a run")
    return checked(folder, row)


def _encoded(pictures: Sequence[Image], kind: str, rate: float) -> bytes:
    factor = max(1.0, SMALLEST / min(pictures[0].shape[:2]))
    height, width = (round(factor * side) for side in pictures[0].shape[:2])
    frames = [
        PIL.Image.fromarray(image.pixels(image.resize(np.asarray(each), (height, width))))
        for each in pictures
    ]
    lasting = [round(1000 / rate)] * (len(frames) - 1) + [round(1000 * HOLD)]
    buffer = io.BytesIO()
    if kind == "gif":  # one palette, of the last picture, or colours would flicker
        palette = frames[-1].quantize(dither=PIL.Image.Dither.NONE)
        frames = [frame.quantize(palette=palette) for frame in frames]
        frames[0].save(
            buffer, "GIF", save_all=True, append_images=frames[1:], duration=lasting, loop=0
        )
    else:
        frames[0].save(
            buffer,
            "WEBP",
            save_all=True,
            append_images=frames[1:],
            duration=lasting,
            loop=0,
            quality=90,
        )
    return buffer.getvalue()
