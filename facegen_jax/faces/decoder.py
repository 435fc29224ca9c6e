"""Open an image file as a Pillow image, within limits; image files are untrusted.

No other module opens image files.
"""

import logging
import os
import struct
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL.Image
import PIL.ImageOps
import PIL.PngImagePlugin
import PIL.TiffImagePlugin
from jaxtyping import Shaped

from ..files import refuse_special

MAX_PIXELS = 100_000_000
"""Size limit (a 100-megapixel camera's); larger images are refused before they are decoded."""
OTHER_PROGRAMS = ("EPS", "WMF")
"""Formats that Pillow hands to other programs, such as Ghostscript."""
HEADER = 1 << 16
"""Bytes at the start of a file that are searched for what Pillow does not tell."""
BITS, MAXIMUM, FORMAT, PHOTOMETRIC, PLANES = 258, 281, 339, 262, 284
"""TIFF tags."""
EXIF, INTEROPERABILITY, INDEX, COLOUR_SPACE = 0x8769, 0xA005, 1, 0xA001
"""EXIF directories, and the tags in them that name a colour space."""
UNSIGNED, SIGNED, WHITE_IS_ZERO, SEPARATE = 1, 2, 0, 2
"""Values of TIFF tags."""

logging.getLogger("PIL").addHandler(logging.NullHandler())  # or damage is told on stderr as well


class ImageError(ValueError):
    """An image file that cannot be read or written; the message names the file and the reason."""


class Decoded(NamedTuple):
    """What an image file holds: its first picture, and what Pillow's mode does not tell."""

    picture: PIL.Image.Image
    """Upright, in the mode that Pillow opens it in."""
    format: str = ""
    """Pillow's name of the file's format."""
    top: int | None = None
    """Value of white in deep grey pictures, where the file states it."""
    full: int = 65535
    """Largest value that integers of 16 bits can have: less if they are signed."""
    unsigned: bool = False
    """Integers of 32 bits have no sign, though Pillow takes the first bit for one."""
    white_is_zero: bool = False
    """The TIFF says so; Pillow leaves it so in deep pictures, and inverts others."""
    cut: bool = False
    """The file has 16 bits in each channel of colour, of which Pillow keeps the upper 8."""
    adobe_rgb: bool = False
    """The camera names Adobe RGB in EXIF, as cameras do in place of a profile."""
    start: bytes = b""
    """The file's first bytes."""
    cicp: bytes = b""
    """Content of PNG's cICP chunk: codes of primaries, transfer function, matrix, range."""

    @property
    def numbers(self) -> Shaped[np.ndarray, "height width"]:
        """The pixels of a deep picture as the file has them."""
        pixels = np.asarray(self.picture)
        return pixels.view(np.uint32) if self.unsigned else pixels


def decode(path: str | os.PathLike[str]) -> Decoded:
    """Open and decode an image file.

    Raises:
        ImageError: missing, empty, truncated, not an image, a pipe, or larger than `MAX_PIXELS`.
    """
    path, start = Path(path), b""
    try:
        refuse_special(path)
        with warnings.catch_warnings():
            # MAX_PIXELS takes the place of Pillow's lower warning limit; damaged metadata is no
            # concern of ours.
            warnings.simplefilter("ignore")
            # Of a file that it opens by name, Pillow maps TIFFs into memory, and reads those that
            # lie on their side in rows of the wrong length.
            with path.open("rb") as stream:
                start = stream.read(HEADER)
                stream.seek(0)
                with PIL.Image.open(stream) as file:
                    return _decode(file, start)
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ImageError(f"{path}: is a folder, expected an image file") from None
    except PIL.Image.DecompressionBombError:
        raise ImageError(f"{path}: more than {MAX_PIXELS:,} pixels, make it smaller") from None
    except PIL.UnidentifiedImageError:
        raise ImageError(f"{path}: {_unidentified(start)}") from None
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None
    except Exception as error:  # decoders raise anything on damaged files
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ImageError(f"{path}: cannot be read, {reason or type(error).__name__}") from None


def _unidentified(start: bytes) -> str:
    """Say what a file is that Pillow cannot read."""
    if not start:
        return "is empty"
    if start[4:8] == b"ftyp":
        if start[8:12] in (b"avif", b"avis"):
            return "an AVIF that is damaged, or of a kind that this Pillow cannot read"
        return "a HEIC photo or a video; save it as JPEG or PNG"
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return (
            "a TIFF of a kind that Pillow cannot read, such as floats in colour; save it with 8 or "
            "16 bits"
        )
    return "not an image that Pillow can read"


def _decode(file: PIL.Image.Image, start: bytes) -> Decoded:
    if file.format in OTHER_PROGRAMS:
        raise ImageError(f"{file.format} is not read; save it as PNG")
    if file.width * file.height > MAX_PIXELS:
        raise ImageError(
            f"{file.width}x{file.height} pixels; expected at most {MAX_PIXELS:,}, make it smaller"
        )
    raw = " ".join(str(getattr(tile, "args", "")) for tile in getattr(file, "tile", ()))
    cut = ";16" in raw and not is_deep(file)
    about = Decoded(file, file.format or "", cut=cut, start=start)
    if isinstance(file, PIL.TiffImagePlugin.TiffImageFile):
        about = _tiff(about, file)
    elif isinstance(file, PIL.PngImagePlugin.PngImageFile):
        about = _png(about)
    elif file.format == "PPM" and file.mode == "I":
        about = about._replace(top=65535)  # Pillow has scaled it, whatever its own maximum is
    file.load()
    return about._replace(picture=_upright(file), adobe_rgb=_is_adobe_rgb(file))


def _upright(file: PIL.Image.Image) -> PIL.Image.Image:
    """Apply EXIF rotation; with damaged EXIF the picture stays as it is."""
    try:
        return PIL.ImageOps.exif_transpose(file)
    except Exception:
        return file.copy()


def _is_adobe_rgb(file: PIL.Image.Image) -> bool:
    try:
        exif = file.getexif()
        index = exif.get_ifd(INTEROPERABILITY).get(INDEX)
        return index == "R03" or exif.get_ifd(EXIF).get(COLOUR_SPACE) == 2
    except Exception:  # damaged EXIF
        return False


def is_deep(picture: PIL.Image.Image) -> bool:
    """Return whether a picture is grey with more than 8 bits."""
    return picture.mode.startswith("I") or picture.mode == "F"


def _tiff(about: Decoded, file: PIL.TiffImagePlugin.TiffImageFile) -> Decoded:
    """Read the range that a TIFF states; refuse what Pillow would take for something else."""
    tags = file.tag_v2
    bits = max(tags.get(BITS, (1,)))
    if bits > 8 and tags.get(PLANES) == SEPARATE and not is_deep(file):
        raise ImageError(
            f"a TIFF with {bits} bits in separate planes; save it with 8 bits, or interleaved"
        )
    if bits <= 8 and SIGNED in tags.get(FORMAT, ()):
        raise ImageError("a TIFF with signed numbers of 8 bits; save it with unsigned ones")
    stated = 2**bits - 1 if 8 < bits < 16 else max(tags.get(MAXIMUM, (0,)))
    # Others are statistics: the largest value that occurs.
    whole = stated >= 255 and (stated & (stated + 1)) == 0
    return about._replace(
        top=stated if whole else None,
        full=32767 if bits == 16 and SIGNED in tags.get(FORMAT, ()) else 65535,
        unsigned=bits == 32 and file.mode == "I" and UNSIGNED in tags.get(FORMAT, (UNSIGNED,)),
        white_is_zero=tags.get(PHOTOMETRIC) == WHITE_IS_ZERO,
    )


def _png(about: Decoded) -> Decoded:
    """Read what the chunks before a PNG's pixels state: significant bits, coded colour space."""
    chunks, start, offset = dict[bytes, bytes](), about.start, 8
    while offset + 8 <= len(start):
        length, name = struct.unpack_from(">I4s", start, offset)
        chunks.setdefault(name, start[offset + 8 : offset + 8 + length])
        if name == b"IDAT":
            break
        offset += 12 + length
    bits = max(chunks.get(b"sBIT", b"\0"))
    return about._replace(
        top=2**bits - 1 if 8 <= bits < 16 else None, cicp=chunks.get(b"cICP", b"")
    )
