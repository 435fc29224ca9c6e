"""The only place that opens and writes picture files; and crop, resize, warp of arrays."""

import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps
from jaxtyping import Float, UInt8

from ..files import write_atomically
from ..types import Image, NewImage

MAX_PIXELS = 100_000_000
"""Largest picture that is opened (a 100-megapixel camera); larger ones are refused before they are decoded."""


ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
"""File name endings that pictures are written as."""


class ImageError(ValueError):
    """A picture file that cannot be read or written; the message names the file and the reason."""


def load(path: str | os.PathLike[str]) -> Image:
    """Read a picture file as RGB float32 in [0, 1], shape `(height, width, 3)`.

    EXIF rotation is applied, transparency is laid over white, grey, palette, CMYK and 16-bit pictures are brought to RGB.

    Raises:
        ImageError: missing, empty, truncated, not a picture, or more than `MAX_PIXELS` pixels.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", PIL.Image.DecompressionBombWarning
            )  # the limit is ours, below
            opened = PIL.Image.open(path)
        with opened as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ImageError(
                    f"{path}: {picture.width}x{picture.height} pixels; at most {MAX_PIXELS:,} are read, make it smaller"
                )
            picture.load()
            return _to_rgb(PIL.ImageOps.exif_transpose(picture))
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ImageError(f"{path}: is a folder, a picture file was expected") from None
    except PIL.Image.DecompressionBombError:
        raise ImageError(f"{path}: more than {MAX_PIXELS:,} pixels, make it smaller") from None
    except PIL.UnidentifiedImageError:
        size = path.stat().st_size
        raise ImageError(
            f"{path}: {'is empty' if size == 0 else 'not a picture that Pillow can read'}"
        ) from None
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
    ) as error:  # what Pillow's decoders raise on damaged files
        raise ImageError(f"{path}: cannot be read, {error}") from None


def _to_rgb(picture: PIL.Image.Image) -> Image:
    if picture.mode.startswith("I") or picture.mode == "F":  # 16-bit and wider grey
        grey = np.asarray(picture, np.float32)
        top = 1.0 if picture.mode == "F" and grey.max(initial=0) <= 1 else 65535.0
        return np.repeat(np.clip(grey / top, 0, 1)[..., None], 3, axis=-1)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = PIL.Image.new("RGBA", picture.size, "white")
        picture = PIL.Image.alpha_composite(white, picture)
    return np.asarray(picture.convert("RGB"), np.float32) / 255


def save(path: str | os.PathLike[str], image: Image, *, durable: bool = False) -> None:
    """Write an image as PNG (or what the name's ending says), see `write_atomically`."""
    path, buffer = Path(path), io.BytesIO()
    PIL.Image.fromarray(pixels(image)).save(
        buffer, format=PIL.Image.registered_extensions().get(path.suffix.lower(), "PNG")
    )
    write_atomically(path, buffer.getvalue(), durable=durable)


def thumbnail(path: Path, side: int) -> bytes:
    """A picture file as WebP whose larger side is at most so many pixels; see `load`."""
    small, buffer = PIL.Image.fromarray(pixels(load(path))), io.BytesIO()
    small.thumbnail((side, side), PIL.Image.Resampling.LANCZOS)
    small.save(buffer, "WEBP", quality=82)
    return buffer.getvalue()


def pixels(image: Image) -> UInt8[np.ndarray, "height width 3"]:
    """The image in whole numbers from 0 to 255, clipped."""
    return np.round(np.clip(np.asarray(image), 0, 1) * 255).astype(np.uint8)


def _each_channel(
    operation: Callable[[PIL.Image.Image], PIL.Image.Image], image: Image
) -> NewImage:
    """Apply a Pillow operation to float channels (Pillow has no float RGB), clipped to [0, 1]."""
    channels = [
        operation(PIL.Image.fromarray(channel))
        for channel in np.moveaxis(np.asarray(image, np.float32), -1, 0)
    ]
    return np.clip(np.stack([np.asarray(channel) for channel in channels], -1), 0, 1)


def resize(image: Image, size: tuple[int, int]) -> NewImage:
    """Resize to `(height, width)` with antialiasing (Lanczos)."""
    if image.shape[:2] == size:
        return np.asarray(image, np.float32)
    height, width = size
    return _each_channel(
        lambda channel: channel.resize((width, height), PIL.Image.Resampling.LANCZOS), image
    )


def centre_square(image: Image) -> NewImage:
    """Cut the largest square at the centre."""
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    return np.asarray(image)[top : top + side, left : left + side]


def warp(image: Image, matrix: Float[np.ndarray, "2 3"], size: tuple[int, int]) -> NewImage:
    """Bring pixel `p` = (x, y) of the image to `matrix @ (p, 1)` of a picture of `size` = (height, width).

    Shrinking is antialiased; what lies outside the picture is its mirror image.
    """
    scale = float(np.sqrt(np.abs(np.linalg.det(matrix[:, :2]))))
    if scale < 1:
        height, width = (max(1, round(side * scale)) for side in image.shape[:2])
        ratio = np.array([width / image.shape[1], height / image.shape[0]])
        image = resize(image, (height, width))
        # Pixel centres: (p + 0.5) * ratio - 0.5 is the resized picture's coordinate.
        linear = matrix[:, :2] / ratio
        matrix = np.column_stack([linear, matrix[:, 2] + linear @ (0.5 - 0.5 * ratio)])
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    bottom, right = size
    corners = (
        np.array([[-1, -1, 1], [right, -1, 1], [-1, bottom, 1], [right, bottom, 1]]) @ inverse.T
    )
    before = np.maximum(0, np.ceil(2 - corners.min(0))).astype(int)
    after = np.maximum(0, np.ceil(corners.max(0) + 2 - np.array(image.shape[1::-1]))).astype(int)
    padded = np.pad(image, ((before[1], after[1]), (before[0], after[0]), (0, 0)), mode="symmetric")
    # Pillow maps output pixel centres (p + 0.5) to input positions measured from the corner.
    linear, shift = inverse[:, :2], inverse[:, 2] + before
    offset = shift + 0.5 - linear @ np.array([0.5, 0.5])
    coefficients = (*linear[0], offset[0], *linear[1], offset[1])
    return _each_channel(
        lambda channel: channel.transform(
            (right, bottom), PIL.Image.Transform.AFFINE, coefficients, PIL.Image.Resampling.BICUBIC
        ),
        padded,
    )
