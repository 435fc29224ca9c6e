"""Colours of image files as sRGB: ICC profiles, and the spaces that cameras and PNG files name."""

import functools
import io
import struct
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.PngImagePlugin
from jaxtyping import Float

from ..types import Image, NewImage
from .decoder import Decoded
from .primaries import ADOBE_RGB, CODED, SRGB_CODES, Space, is_possible, is_srgb, to_srgb

NEAR = 2
"""Levels of 255 by which a profile may differ from sRGB and still be it: rounding."""
USUAL_GAMMA = (0.44, 0.46)
"""A gAMA chunk in this range means sRGB, whose transfer function it approximates."""
POSSIBLE_GAMMA = (0.2, 2.0)
"""Other gAMA chunks are mistakes: they would make every photo black or white."""
STEPS = np.arange(0, 256, 51, dtype=np.uint8)
GREYS = PIL.Image.fromarray(np.arange(256, dtype=np.uint8)[None])
COLOURS = PIL.Image.fromarray(np.stack(np.meshgrid(STEPS, STEPS, STEPS), -1).reshape(1, -1, 3))
"""What a profile is tried on."""
TAGGED = ("JPEG", "WEBP", "TIFF")
"""Formats that take a profile; PNG has a shorter way."""
DATE = slice(24, 36)
"""Bytes of a profile that hold when it was made."""


class ProfileError(ValueError):
    """Colours that cannot be converted; one line, without the file's name."""


class Colours(NamedTuple):
    """An image in sRGB, and what was done to its colours."""

    image: NewImage
    note: str | None = None


def tag(file_format: str) -> dict[str, Any]:
    """Return what Pillow's `save` needs to write that colours are sRGB."""
    if file_format == "PNG":
        chunks = PIL.PngImagePlugin.PngInfo()
        chunks.add(b"sRGB", bytes(1))
        return {"pnginfo": chunks}
    return {"icc_profile": _srgb_profile()} if file_format in TAGGED else {}


@functools.cache
def _srgb_profile() -> bytes | None:
    """Return an sRGB profile, None without LittleCMS; its date is fixed, to write equal files."""
    try:
        content = _made("sRGB").tobytes()
    except ImportError:
        return None
    return content[: DATE.start] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + content[DATE.stop :]


def _made(space: Literal["sRGB", "LAB"]) -> PIL.ImageCms.ImageCmsProfile:
    return PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile(space))


def grey_as_srgb(grey: Float[np.ndarray, "height width"], decoded: Decoded) -> Colours:
    """Return deep grey pixels from 0 to 1 as an sRGB image."""
    curve, note = _by_profile(GREYS, decoded.picture.info)
    if curve is None:
        return _by_name(np.repeat(grey[..., None], 3, -1), decoded, note)
    levels = np.asarray(curve, np.float32)[0] / 255
    steps = np.linspace(0, 1, 256)
    channels = [np.interp(grey, steps, levels[:, channel]) for channel in range(3)]
    return Colours(np.stack(channels, -1).astype(np.float32), note)


def as_srgb(colours: PIL.Image.Image, decoded: Decoded) -> Colours:
    """Return a picture of 8 bits as an sRGB image.

    Args:
        colours: its pixels without transparency: grey, RGB, CMYK or Lab.
        decoded: what its file says about them.

    Raises:
        ProfileError: Lab pixels without LittleCMS.
    """
    converted, note = _by_profile(colours, decoded.picture.info)
    if converted is None and colours.mode == "LAB":  # Pillow alone cannot convert it
        raise ProfileError(f"{note}; save it as RGB")
    image = np.asarray((converted or colours).convert("RGB"), np.float32) / 255
    if converted is not None:
        return Colours(image, note)
    if colours.mode == "CMYK" and note is None:
        note = "CMYK without a profile, its colours are approximate"
    return _by_name(image, decoded, note)


def _by_profile(
    colours: PIL.Image.Image, info: Mapping[Any, Any]
) -> tuple[PIL.Image.Image | None, str | None]:
    """Convert by the embedded profile; return None without one that is usable."""
    content, lab = info.get("icc_profile") or b"", colours.mode == "LAB"
    if not content and not lab:
        return None, None
    try:
        profile = _made("LAB") if lab else PIL.ImageCms.ImageCmsProfile(io.BytesIO(content))
        space = str(getattr(profile.profile, "xcolor_space", "")).strip()
        if space == "RGB" and colours.mode == "L":
            colours = colours.convert("RGB")
        transform = PIL.ImageCms.ImageCmsTransform(
            profile,
            _made("sRGB"),
            colours.mode,
            "RGB",
            PIL.ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=PIL.ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if _is_srgb(transform, colours.mode):
            return colours.convert("RGB"), None
        return transform.apply(colours), f"converted from {_name(profile)} to sRGB"
    except ImportError:
        return None, "its colour profile was ignored, because this Pillow lacks LittleCMS"
    except (PIL.ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None, f"its colour profile was ignored: damaged, or not one of {colours.mode} pixels"


def _is_srgb(transform: PIL.ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Return whether a transform leaves colours as they are."""
    probe = {"L": GREYS, "RGB": COLOURS}.get(mode)
    if probe is None:
        return False
    before = np.asarray(probe.convert("RGB"), int)
    return int(np.abs(np.asarray(transform.apply(probe), int) - before).max()) <= NEAR


def _name(profile: PIL.ImageCms.ImageCmsProfile) -> str:
    """Return a profile's own name as one short line."""
    words = PIL.ImageCms.getProfileDescription(profile).split()
    name = "".join(each for each in " ".join(words) if each.isprintable())
    return name[:60] or "a profile without a name"


def _by_name(image: Image, decoded: Decoded, note: str | None) -> Colours:
    """Convert an image whose file names its colour space without a profile."""
    space, remark = _named_space(decoded)
    if space and not is_srgb(space):
        image, remark = to_srgb(image, space), f"converted from {space.name} to sRGB"
    notes = [each for each in (note, remark) if each]
    return Colours(np.asarray(image, np.float32), "; ".join(notes) or None)


def _named_space(decoded: Decoded) -> tuple[Space | None, str | None]:
    """Return the colour space that a file names, or what it names that is not known."""
    info = decoded.picture.info
    if len(decoded.cicp) == 4:
        primaries, transfer = decoded.cicp[:2]
        if primaries in CODED and transfer in SRGB_CODES:
            return CODED[primaries], None
        return None, f"its colour space (cICP {primaries}, {transfer}) is not known and was ignored"
    if decoded.adobe_rgb:
        return ADOBE_RGB, None
    gamma, points = info.get("gamma"), info.get("chromaticity", ())
    if "srgb" in info or not (gamma or len(points) == 8):
        return None, None
    space = Space("the primaries and gamma of its PNG chunks")
    if len(points) == 8:
        space = space._replace(white=points[:2], primaries=points[2:])
    low, high = POSSIBLE_GAMMA
    if not is_possible(space) or not low <= (gamma or 1) <= high:
        return None, "the primaries and gamma of its PNG chunks are impossible and were ignored"
    if gamma and not USUAL_GAMMA[0] <= gamma <= USUAL_GAMMA[1]:
        space = space._replace(gamma=1 / gamma)
    return space, None
