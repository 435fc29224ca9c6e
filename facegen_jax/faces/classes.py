"""Class numbers in masks: whole numbers that name what a pixel shows, and are no levels of grey."""

import struct
from typing import NamedTuple

import numpy as np
import PIL.Image
from jaxtyping import Bool, Integer, Real, UInt8

from .decoder import Decoded

CLASSES = 63
"""The largest class number: integers up to it count things, larger ones are grey levels."""
VOIDS = (255, 65535)
"""The largest number of 8 and 16 bits stands for what belongs to no class, such as borders."""
GREY = 24
"""Levels of 255 by which the channels of a grey picture differ at most: JPEG tints them."""
BLACK = 16
"""Levels of 255 up to which a colour is black."""
LOSSY = ("JPEG", "MPO", "JPEG2000", "WEBP", "AVIF")
"""Formats that change numbers a little, or may."""


class Classes(NamedTuple):
    """Where a mask has a class, and what it has."""

    selected: Bool[np.ndarray, "height width"]
    how: str


def class_numbers(
    values: Real[np.ndarray, "height width"],
) -> Integer[np.ndarray, "height width"] | None:
    """Return class numbers, 0 where there is no class; None if the values are levels of grey.

    Black and white with a few stray values looks like a void with small classes, but the stray
    values do not lie side by side.
    """
    void = values == values.max(initial=0)
    if values.max(initial=0) not in VOIDS:
        void = np.zeros_like(void)
    numbers = np.where(void, 0, values)
    if not 1 <= numbers.max(initial=0) <= CLASSES or numbers.min() < 0:
        return None
    if (numbers != np.round(numbers)).any():
        return None
    numbers = numbers.astype(int)
    if void.any() and void.sum() >= (numbers > 0).sum() and not _lie_side_by_side(numbers):
        return None
    return numbers


def _lie_side_by_side(numbers: Integer[np.ndarray, "height width"]) -> bool:
    """Return whether most numbers have equals to the right and below, as areas of classes have."""
    corner = numbers[:-1, :-1]
    equal = (corner == numbers[:-1, 1:]) & (corner == numbers[1:, :-1])
    return bool(2 * (equal & (corner > 0)).sum() > (numbers > 0).sum())


def palette_numbers(picture: PIL.Image.Image) -> UInt8[np.ndarray, "height width"] | None:
    """Return a palette of colours as class numbers; None if its colours are grey levels."""
    if picture.mode != "P" or picture.has_transparency_data:
        return None
    numbers = np.asarray(picture)
    used = np.unique(numbers)
    palette = np.array(picture.getpalette("RGB"), int).reshape(-1, 3)
    if used.max() >= len(palette) or is_grey(palette[used].astype(np.uint8)):
        return None
    # Without black for number 0 the colours decide.
    return None if used[0] > 0 or palette[0].max() > BLACK else numbers


def is_grey(colours: Integer[np.ndarray, "... 3"]) -> bool:
    """Return whether colours are grey, or tinted no more than JPEG does."""
    return not len(colours) or int(np.ptp(colours.astype(np.int16), axis=-1).max()) <= GREY


def select(numbers: Integer[np.ndarray, "height width"]) -> Classes:
    """Select all classes."""
    used = [int(each) for each in np.unique(numbers[numbers > 0])]
    how = f"class numbers {_listed(used)}, all selected" if used != [1] else "0 and 1"
    return Classes(numbers > 0, how)


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:8]))
    return f"{shown} and {len(numbers) - 8} more" if len(numbers) > 8 else shown


def is_lossless(decoded: Decoded) -> bool:
    """Return whether a file's format keeps every number as it was."""
    return decoded.format not in LOSSY or _is_lossless_webp(decoded.start)


def _is_lossless_webp(start: bytes) -> bool:
    """Return whether a file is a WebP whose first pixels are compressed without loss."""
    offset = 12 if start[8:12] == b"WEBP" else len(start)
    while offset + 8 <= len(start):
        name, length = struct.unpack_from("<4sI", start, offset)
        if name in (b"VP8L", b"VP8 "):
            return name == b"VP8L"
        # The chunk of a frame has 16 bytes of its own before those of its pixels.
        offset += 8 + (16 if name == b"ANMF" else length + length % 2)
    return False
