"""Read and write image files, and crop, resize and warp arrays.

No other module opens image files: the size limit and the checks for damaged files are here.
"""

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
"""Size limit (a 100-megapixel camera's); larger images are refused before they are decoded."""

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
"""File name endings of the formats that are written."""

DECODER_ERRORS = (OSError, SyntaxError, ValueError, EOFError)
"""What Pillow's decoders raise on damaged files."""


class ImageError(ValueError):
    """An image file that cannot be read or written; the message names the file and the reason."""


def load(path: str | os.PathLike[str]) -> Image:
    """Read an image file as RGB float32 in [0, 1], shape `(height, width, 3)`.

    EXIF rotation is applied, transparency is composited over white, and grey, palette, CMYK and
    16-bit images are converted to RGB.

    Raises:
        ImageError: missing, empty, truncated, not an image, or larger than `MAX_PIXELS`.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            # MAX_PIXELS takes the place of Pillow's lower warning limit.
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
            opened = PIL.Image.open(path)
        with opened as file:
            if file.width * file.height > MAX_PIXELS:
                raise ImageError(
                    f"{path}: {file.width}x{file.height} pixels; expected at most {MAX_PIXELS:,}, "
                    "make it smaller"
                )
            file.load()
            return _to_rgb(PIL.ImageOps.exif_transpose(file))
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ImageError(f"{path}: is a folder, expected an image file") from None
    except PIL.Image.DecompressionBombError:
        raise ImageError(f"{path}: more than {MAX_PIXELS:,} pixels, make it smaller") from None
    except PIL.UnidentifiedImageError:
        empty = path.stat().st_size == 0
        reason = "is empty" if empty else "not an image that Pillow can read"
        raise ImageError(f"{path}: {reason}") from None
    except DECODER_ERRORS as error:
        raise ImageError(f"{path}: cannot be read, {error}") from None


def _to_rgb(image: PIL.Image.Image) -> Image:
    if image.mode.startswith("I") or image.mode == "F":  # grey of 16 bits or more
        grey = np.asarray(image, np.float32)
        top = 1.0 if image.mode == "F" and grey.max(initial=0) <= 1 else 65535.0
        return np.repeat(np.clip(grey / top, 0, 1)[..., None], 3, axis=-1)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = PIL.Image.new("RGBA", image.size, "white")
        image = PIL.Image.alpha_composite(white, image)
    return np.asarray(image.convert("RGB"), np.float32) / 255


def save(path: str | os.PathLike[str], image: Image, *, durable: bool = False) -> None:
    """Write an image atomically, as the format of the file name's ending, or else PNG.

    `durable` flushes it to disk, see `write_atomically`.
    """
    path, buffer = Path(path), io.BytesIO()
    file_format = PIL.Image.registered_extensions().get(path.suffix.lower(), "PNG")
    PIL.Image.fromarray(pixels(image)).save(buffer, format=file_format)
    write_atomically(path, buffer.getvalue(), durable=durable)


def thumbnail(path: Path, side: int) -> bytes:
    """Return an image file as WebP whose longer side is at most `side` pixels.

    Raises:
        ImageError: the image cannot be read.
    """
    small, buffer = PIL.Image.fromarray(pixels(load(path))), io.BytesIO()
    small.thumbnail((side, side), PIL.Image.Resampling.LANCZOS)
    small.save(buffer, "WEBP", quality=82)
    return buffer.getvalue()


def pixels(image: Image) -> UInt8[np.ndarray, "height width 3"]:
    """Return the image as integers from 0 to 255, clipped."""
    return np.round(np.clip(np.asarray(image), 0, 1) * 255).astype(np.uint8)


def _per_channel(operation: Callable[[PIL.Image.Image], PIL.Image.Image], image: Image) -> NewImage:
    """Apply a Pillow operation to each channel, because Pillow has no float RGB; clip to [0, 1]."""
    channels = [
        operation(PIL.Image.fromarray(channel))
        for channel in np.moveaxis(np.asarray(image, np.float32), -1, 0)
    ]
    return np.clip(np.stack([np.asarray(channel) for channel in channels], -1), 0, 1)


def resize(image: Image, size: tuple[int, int]) -> NewImage:
    """Resize to `(height, width)`, antialiased (Lanczos)."""
    if image.shape[:2] == size:
        return np.asarray(image, np.float32)
    height, width = size
    return _per_channel(
        lambda channel: channel.resize((width, height), PIL.Image.Resampling.LANCZOS), image
    )


def centre_square(image: Image) -> NewImage:
    """Crop the largest square around the centre."""
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    return np.asarray(image)[top : top + side, left : left + side]


def warp(image: Image, matrix: Float[np.ndarray, "2 3"], size: tuple[int, int]) -> NewImage:
    """Resample so that the image's pixel `(x, y)` moves to `matrix @ (x, y, 1)`.

    Shrinking is antialiased. Beyond its border the image continues mirrored.

    Args:
        image: source image.
        matrix: affine map; invertible.
        size: `(height, width)` of the result.
    """
    scale = float(np.sqrt(np.abs(np.linalg.det(matrix[:, :2]))))
    if scale < 1:
        height, width = (max(1, round(side * scale)) for side in image.shape[:2])
        ratio = np.array([width / image.shape[1], height / image.shape[0]])
        image = resize(image, (height, width))
        # Pixel p of the original is at (p + 0.5) * ratio - 0.5 in the resized image.
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
    return _per_channel(
        lambda channel: channel.transform(
            (right, bottom), PIL.Image.Transform.AFFINE, coefficients, PIL.Image.Resampling.BICUBIC
        ),
        padded,
    )
