"""Masks from image files, however the program that drew them encodes what is selected.

Values of 0 and 1, of 0 and 255, class numbers, soft grey, colours on black, and shapes on
transparency are understood; see docs/photos.md.
"""

import os
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer, UInt8

from ..types import Mask
from . import classes, depth, image
from .decoder import Decoded, ImageError, decode, is_deep

COLOURS = 256
"""Colours that a drawing of classes has at most."""
TINGE = 0.2
"""Most by which channels of one colour in different brightness differ, relative to the largest."""
DIM = 192
"""Grey masks that are nowhere brighter are worth a remark."""
LEAST = 0.02
"""A mask without larger values selects nothing."""
FAINT = 32
"""Opacity, in levels of 255, from which on the colour of a pixel counts."""
MASK_LIKE = 0.5
"""Share of black and white from which on a grey picture is a mask rather than a photo."""


class MaskRead(NamedTuple):
    """A mask, and how its file was read."""

    mask: Mask
    how: str
    """What its values were taken for."""
    note: str | None = None
    """The same as one line that names the file, unless it is an everyday mask: grey, or black and
    white."""


class MaskError(ImageError):
    """A mask of another size, one that selects nothing, or one that is not clear; one line."""


class _Part(NamedTuple):
    """Values from 0 to 1, and what they were taken for."""

    values: Float[np.ndarray, "height width"]
    how: str
    usual: bool = False


def load_mask(path: str | os.PathLike[str], shape: tuple[int, int] | None = None) -> MaskRead:
    """Read a mask: 1 where it selects, 0 where it does not.

    Args:
        path: image file.
        shape: height and width of the picture that it belongs to, which it must have.

    Raises:
        ImageError: the image cannot be read.
        MaskError: another size, a mask that selects nothing, or an encoding that is not clear.
    """
    decoded = decode(path)
    width, height = decoded.picture.size
    if shape and (height, width) != shape:
        raise MaskError(
            f"{path}: the mask has {width}x{height} pixels, the reference {shape[1]}x{shape[0]}; "
            "they must be equal"
        )
    try:
        part = _deep(decoded) if is_deep(decoded.picture) else _shallow(decoded)
        if part.values.max(initial=0) < LEAST:
            raise MaskError(f"the mask selects nothing: {part.how}")
    except (MaskError, depth.DepthError) as error:
        raise MaskError(
            f"{path}: {error}; expected white where it selects and black elsewhere"
        ) from None
    note = None if part.usual else f"{path}: mask read as {part.how}"
    return MaskRead(part.values.astype(np.float32), part.how, note)


def _deep(decoded: Decoded) -> _Part:
    """Read grey of 16 bits or more, or floats."""
    values = decoded.numbers
    numbers = classes.class_numbers(values) if np.isfinite(values).all() else None
    if numbers is not None:
        return _classes(numbers, void=values.max() in classes.VOIDS)
    grey, note = depth.unit(values, decoded.top, decoded.full)
    grey = 1 - grey if decoded.white_is_zero else grey
    clear = depth.transparent(decoded.picture)
    if clear is not None:
        levels = np.repeat(np.round(grey * 255).astype(np.uint8)[..., None], 3, -1)
        return _transparent(levels, np.where(clear, np.uint8(0), np.uint8(255)))
    how = note.removeprefix("read as ") if note else "soft grey"
    return _told(_Part(grey, how, usual=note is None), decoded)


def _shallow(decoded: Decoded) -> _Part:
    """Read a picture of 8 bits, with or without transparency."""
    picture, lossy = decoded.picture, "" if classes.is_lossless(decoded) else decoded.format
    numbers = classes.palette_numbers(picture)
    if numbers is not None:
        void = numbers == classes.VOIDS[0]
        return _classes(np.where(void, 0, numbers), void=bool(void.any()))
    colours, opacity = image.split(picture)
    if colours.mode == "LAB":  # its lightness
        colours = colours.getchannel(0)
    rgb = np.asarray(colours.convert("RGB"))
    if opacity is None or opacity.min() == opacity.max() > 0:
        _check_depth(rgb, decoded)
        return _told(_opaque(rgb, lossy), decoded)
    alpha = np.round(opacity * 255).astype(np.uint8)
    _check_depth(alpha, decoded)
    return _transparent(rgb, alpha)


def _check_depth(levels: UInt8[np.ndarray, "..."], decoded: Decoded) -> None:
    """Refuse channels of 16 bits that only have values in the lower 8."""
    if decoded.cut and levels.max(initial=0) <= classes.CLASSES:
        raise MaskError(
            "16 bits in each channel, of which the upper 8 are all but black and the lower 8 are "
            "lost; save it with 8 bits"
        )


def _told(part: _Part, decoded: Decoded) -> _Part:
    """Remark on zero being white: programs write masks of booleans so without meaning it."""
    if not decoded.white_is_zero:
        return part
    return part._replace(how=f"{part.how}, zero being white as the TIFF says", usual=False)


def _transparent(
    rgb: UInt8[np.ndarray, "height width 3"], alpha: UInt8[np.ndarray, "height width"]
) -> _Part:
    """Read a shape on transparency, or a picture with transparent parts."""
    shape = _levels(alpha)
    if not alpha.any():
        return shape._replace(how="all of it is transparent")
    # The colours of faint pixels are rounded beyond recognition.
    visible = rgb[alpha >= min(FAINT, int(alpha.max()))].astype(int)
    if np.ptp(visible, axis=0).max() <= classes.GREY:
        return _Part(shape.values, f"a shape in {_colour_name(visible)} on transparency")
    ends = (visible.max(-1) <= classes.BLACK) | (visible.min(-1) >= 255 - classes.BLACK)
    if classes.is_grey(visible) and ends.mean() >= MASK_LIKE:
        grey = _levels(np.where(alpha > 0, rgb.max(-1), 0).astype(np.uint8))
        return _Part(grey.values * shape.values, f"{grey.how}, nothing where transparent")
    if _few_colours(visible, classes.CLASSES):
        return _Part(shape.values, "classes in colour on transparency, all selected")
    if classes.is_grey(visible):
        raise MaskError(
            "soft grey with transparent parts: it may be a mask, or a photo with a hole"
        )
    return _Part(1 - shape.values, "a picture with a transparent hole, which is selected")


def _opaque(rgb: UInt8[np.ndarray, "height width 3"], lossy: str) -> _Part:
    """Read grey levels, class numbers, or colours on black; `lossy` names the format if it is."""
    brightest = rgb.max(-1)
    if classes.is_grey(rgb):
        return _levels(brightest, lossy)
    selected = brightest > classes.BLACK
    if selected.all():
        raise MaskError("a picture in colour without any black")
    hues = rgb[selected].astype(np.float32) / brightest[selected][:, None]
    if np.ptp(hues, axis=0).max() <= TINGE:
        return _Part(brightest / np.float32(brightest.max()), "a shape in colour on black")
    if not lossy and _few_colours(rgb, COLOURS):
        return _Part(selected.astype(np.float32), "classes in colour, all but black selected")
    raise MaskError("a picture in colour")


def _few_colours(colours: Integer[np.ndarray, "... 3"], most: int) -> bool:
    return len(np.unique(colours @ np.array([1 << 16, 1 << 8, 1]))) <= most


def _levels(grey: UInt8[np.ndarray, "height width"], lossy: str = "") -> _Part:
    """Read grey levels, or class numbers."""
    brightest, numbers = int(grey.max(initial=0)), classes.class_numbers(grey)
    if numbers is not None and lossy and brightest <= classes.CLASSES:
        raise MaskError(f"nearly black: no value is above {brightest}, and {lossy} changes them")
    if numbers is not None and not lossy:
        return _classes(numbers, void=brightest in classes.VOIDS)
    how = "grey" if brightest >= DIM else f"grey no brighter than {brightest} of 255"
    how = how if brightest else "all of it is black"
    return _Part(grey / np.float32(255), how, usual=brightest >= DIM)


def _classes(numbers: Integer[np.ndarray, "height width"], *, void: bool) -> _Part:
    """Select all classes; `void` says that some pixels were marked as having none."""
    selected, how = classes.select(numbers)
    return _Part(selected.astype(np.float32), how, usual=how == "0 and 1" and not void)


def _colour_name(visible: Integer[np.ndarray, "pixels 3"]) -> str:
    mean = visible.mean(0)
    if mean.min() > 255 - classes.GREY:
        return "white"
    return "black" if mean.max() < classes.GREY else "one colour"
