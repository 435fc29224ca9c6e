"""Captioned images side by side."""

from collections.abc import Sequence

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
from jaxtyping import Float

from ..types import AnyArray, Image, NewImage
from .image import resize


def strip(
    images: Sequence[tuple[str, Float[AnyArray, "_ _ 3"]]], *, height: int = 224, gap: int = 4
) -> NewImage:
    """Join images side by side on white, each below its caption.

    Args:
        images: captions and images, from left to right.
        height: height in pixels to which all images are scaled.
        gap: white pixels between neighbours.
    """
    columns = [
        _with_caption(
            caption, resize(image, (height, round(image.shape[1] * height / image.shape[0])))
        )
        for caption, image in images
    ]
    spacer = np.ones((columns[0].shape[0], gap, 3), np.float32)
    return np.concatenate([part for column in columns for part in (column, spacer)][:-1], axis=1)


def _with_caption(caption: str, image: Image, *, height: int = 24) -> NewImage:
    label = PIL.Image.new("RGB", (image.shape[1], height), "white")
    font = PIL.ImageFont.load_default(14)
    PIL.ImageDraw.Draw(label).text(
        (image.shape[1] / 2, height / 2), caption, "black", font, anchor="mm"
    )
    return np.concatenate([np.asarray(label, np.float32) / 255, np.asarray(image, np.float32)])
