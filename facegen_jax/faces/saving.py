"""Images that users save: checked, then written."""

import os
from pathlib import Path

from ..rgb import check_image
from ..types import Image
from .image import ENDINGS, save


def check_ending(path: Path) -> None:
    """Refuse the name of a file whose format is not written.

    Raises:
        ValueError: says which are.
    """
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(f"{path}: images are written as {', '.join(ENDINGS)}")


def save_image(path: str | os.PathLike[str], image: Image) -> None:
    """Write an image atomically, as the format of the file name's ending; it is tagged as sRGB.

    Args:
        path: of the file: .png, .jpg, .webp or .tif.
        image: RGB in [0, 1], `height width 3`.

    Raises:
        ValueError: no such image, or another ending.
        OSError: the file cannot be written.
    """
    check_image(image, "the image")
    check_ending(Path(path))
    save(path, image)
