"""A video of a run's descent, made from its intermediate images."""

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
from .result import Result
from .results import ResultsError
from .study import own_files

MIN_SIDE = 256
"""Shorter side below which images are enlarged, in pixels."""
HOLD = 1.5
"""How long the last image stays, in seconds."""


def write_video(
    folder: Path, run: str, kind: Literal["webp", "gif"] = "webp", *, rate: float = 10.0
) -> Path:
    """Write the descent of a run to `videos/<id>.<kind>` in its sweep's folder; return the path.

    Args:
        folder: of the sweep.
        run: its id, or the beginning of it.
        kind: WebP is smaller and has full colour, GIF plays everywhere.
        rate: images per second.

    Raises:
        ResultsError: no such run, several, or a run without intermediate images.
        ImageError, OSError: an image cannot be read, or the video cannot be written.
    """
    result = _find(folder, run)
    frames = sorted((folder / result.frames).glob("*.png")) if result.frames else []
    if not frames:
        raise ResultsError(
            f"{folder}: the run {result.id} has no intermediate images; "
            "sweeps keep them with --frames-every K"
        )
    images = [image.load(frame) for frame in frames]
    final = image.load(folder / result.image) if result.image else images[-1]
    # The result may be better than the last step. A pasted-back photo has another size.
    if final.shape == images[-1].shape and not np.array_equal(final, images[-1]):
        images.append(final)
    path = folder / "videos" / f"{result.id}.{kind}"
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, _encode(images, kind, rate))
    return path


def _find(folder: Path, run: str) -> Result:
    """Return the one run whose id begins with `run`."""
    if not folder.is_dir() or not results.files(folder):
        raise ResultsError(f"{folder}: no results of a sweep in it; give the --out of a sweep")
    matches = {each.id: each for each in results.locate_latest(folder) if each.id.startswith(run)}
    if len(matches) != 1 or not run:
        ids = ", ".join(sorted(matches)[:4])
        hint = f": {ids}" if ids else "; ids are in results.csv and on the page"
        raise ResultsError(
            f"{folder}: {len(matches) or 'no'} runs have an id that begins with {run!r}{hint}"
        )
    (id,) = matches
    if not id.isalnum():  # it becomes a file name
        raise ResultsError(f"{folder}: {id!r} is not a valid run id")
    return own_files(folder, next(results.read(matches.values())))


def _encode(images: Sequence[Image], kind: str, rate: float) -> bytes:
    factor = max(1.0, MIN_SIDE / min(images[0].shape[:2]))
    height, width = (round(factor * side) for side in images[0].shape[:2])
    frames = [
        PIL.Image.fromarray(image.pixels(image.resize(np.asarray(each), (height, width))))
        for each in images
    ]
    durations = [round(1000 / rate)] * (len(frames) - 1) + [round(1000 * HOLD)]
    options = {"save_all": True, "duration": durations, "loop": 0}
    if kind == "gif":
        # One palette, that of the last image: colours would flicker with a palette per frame.
        palette = frames[-1].quantize(dither=PIL.Image.Dither.NONE)
        frames = [frame.quantize(palette=palette) for frame in frames]
    else:
        options["quality"] = 90
    buffer = io.BytesIO()
    frames[0].save(buffer, kind.upper(), append_images=frames[1:], **options)
    return buffer.getvalue()
