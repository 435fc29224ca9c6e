"""Results for looking at: strips of pictures side by side."""

from collections.abc import Sequence

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
from jaxtyping import Float

from ..types import AnyArray, Image, NewImage
from .image import resize


def strip(
    pictures: Sequence[tuple[str, Float[AnyArray, "_ _ 3"]]], *, height: int = 224, gap: int = 4
) -> NewImage:
    """Pictures side by side on white, each under its caption; all are scaled to one height in pixels."""
    columns = [
        _captioned(
            caption, resize(image, (height, round(image.shape[1] * height / image.shape[0])))
        )
        for caption, image in pictures
    ]
    spacer = np.ones((columns[0].shape[0], gap, 3), np.float32)
    return np.concatenate([part for column in columns for part in (column, spacer)][:-1], axis=1)


def _captioned(caption: str, image: Image, *, room: int = 24) -> NewImage:
    label = PIL.Image.new("RGB", (image.shape[1], room), "white")
    font = PIL.ImageFont.load_default(14)
    PIL.ImageDraw.Draw(label).text(
        (image.shape[1] / 2, room / 2), caption, "black", font, anchor="mm"
    )
    return np.concatenate([np.asarray(label, np.float32) / 255, np.asarray(image, np.float32)])
