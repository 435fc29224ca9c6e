"""Read and write image files, and crop, resize and warp arrays."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL.Image
from jaxtyping import Float, UInt8

from ..files import write_atomically
from ..types import Image, NewImage
from . import depth, profile
from .decoder import Decoded, ImageError, decode, is_deep

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
"""File name endings of the formats that are written."""
SMALLEST = 8
"""Sides of a photo in pixels, below which there is no face in it."""
TOO_DARK, DARK = 15, 63
"""16-bit colours whose upper 8 bits are no brighter than the first have 12 bits or fewer, and are
lost; with the second they may have 14."""


class Read(NamedTuple):
    """An image file's content, and how it was read."""

    image: Image
    note: str | None = None
    """What was unusual, in part of a line; the file's name belongs before it."""


def load(path: str | os.PathLike[str]) -> Image:
    """Read an image file as RGB float32 in [0, 1], `height width 3`.

    EXIF rotation is applied, colour profiles are converted to sRGB, transparency is composited over
    white, and grey, palette, CMYK and deep images are converted to RGB; see docs/photos.md.

    Raises:
        ImageError: missing, empty, truncated, not an image, larger than `decoder.MAX_PIXELS`, or of
            a range that no rule can tell.
    """
    return read(path).image


def read(path: str | os.PathLike[str]) -> Read:
    """Read an image file as `load` does, and say how."""
    try:
        decoded = decode(path)
        image, note = _deep(decoded) if is_deep(decoded.picture) else _shallow(decoded)
    except (depth.DepthError, profile.ProfileError) as error:
        raise ImageError(f"{path}: {error}") from None
    return Read(image, note)


def read_photo(path: str | os.PathLike[str]) -> Read:
    """Read an image file as `read` does; refuse one that is too small to show a face.

    Raises:
        ImageError: as `load` does, or a side below `SMALLEST`.
    """
    photo = read(path)
    height, width = photo.image.shape[:2]
    if min(height, width) < SMALLEST:
        raise ImageError(
            f"{path}: {width}x{height} pixels; a photo of a face needs at least {SMALLEST} on each "
            "side"
        )
    return photo


def _deep(decoded: Decoded) -> Read:
    """Read grey of 16 bits or more."""
    grey, note = depth.unit(decoded.numbers, decoded.top, decoded.full)
    image, remark = profile.grey_as_srgb(1 - grey if decoded.white_is_zero else grey, decoded)
    clear = depth.transparent(decoded.picture)
    image = image if clear is None else np.where(clear[..., None], np.float32(1), image)
    return Read(image, _joined(note, remark))


def _shallow(decoded: Decoded) -> Read:
    """Read colours of 8 bits over white."""
    colours, alpha = split(decoded.picture)
    image, note = profile.as_srgb(colours, decoded)
    if decoded.cut:
        note = _joined(_too_dark(image), note)
    if alpha is not None:
        image = image * alpha[..., None] + (1 - alpha[..., None])
    return Read(image, note)


def _too_dark(image: Image) -> str | None:
    """Remark on dark colours of 16 bits, or raise a DepthError if they are all but black."""
    brightest = round(float(image.max(initial=0)) * 255)
    if brightest <= TOO_DARK:
        raise depth.DepthError(
            "colours of 16 bits that are all but black: 12 bits or fewer, probably; scale them to "
            "16, or save the picture with 8"
        )
    return "read as 16 bits, though it is dark as if it had 14" if brightest <= DARK else None


def _joined(*notes: str | None) -> str | None:
    return "; ".join(each for each in notes if each) or None


def split(
    picture: PIL.Image.Image,
) -> tuple[PIL.Image.Image, Float[np.ndarray, "height width"] | None]:
    """Return a picture of 8 bits without its transparency, and its opacity, None if it has none."""
    if picture.mode in ("La", "RGBa"):
        picture = picture.convert(picture.mode.upper())
    mode = {"1": "L", "LA": "L", "LAB": "LAB", "L": "L", "CMYK": "CMYK"}.get(picture.mode, "RGB")
    if not picture.has_transparency_data:
        return picture.convert(mode), None
    clear = picture.convert("RGBA")
    opacity = np.asarray(clear.getchannel("A"), np.float32) / 255
    # Pillow warns of palettes that lose their transparency on the way to RGB.
    return (clear if mode == "RGB" else picture).convert(mode), opacity


def save(path: str | os.PathLike[str], image: Image, *, durable: bool = False) -> None:
    """Write an image atomically, as the format of the file name's ending, or else PNG.

    The file says that its colours are sRGB.

    Args:
        path: of the file.
        image: RGB, `height width 3`, clipped to [0, 1].
        durable: flush it to disk, see `write_atomically`.
    """
    path, buffer = Path(path), io.BytesIO()
    file_format = PIL.Image.registered_extensions().get(path.suffix.lower(), "PNG")
    # Level 3 of PNG takes half the time of the default, for 4 % larger files.
    options = {"compress_level": 3} | profile.tag(file_format)
    PIL.Image.fromarray(pixels(image)).save(buffer, format=file_format, **options)
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
