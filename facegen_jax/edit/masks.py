"""Where an edit acts and where it holds the reference: regions by attribute, and the masks
themselves."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..faces import align, geometry, regions
from ..faces.mask_file import LEAST, load_mask
from ..names import normalise
from ..types import Mask
from .parsing import EditError
from .recipe import HELD, INSIDE
from .settings import Edit

EVERYWHERE, OUTSIDE = "everywhere", "outside"
"""Where the reference's maps are held if no mask or region is named; outside: not where the
attribute acts."""
REGIONS = {
    "mouth": ("Mustache", "Teeth Not Visible", "Wearing Lipstick", "Big Lips"),
    "mouth+cheeks": ("Smiling", "Frowning"),
    "mouth+jaw": (
        "Mouth Slightly Open",
        "Mouth Wide Open",
        "Mouth Closed",
        "Goatee",
        "No Beard",
        "5 o' Clock Shadow",
        "Sideburns",
        "Double Chin",
        "Round Jaw",
    ),
    "eyes+brows": ("Eyeglasses", "No Eyewear", "Sunglasses"),
    "eyes": ("Eyes Open", "Narrow Eyes", "Bags Under Eyes", "Brown Eyes"),
    "brows": ("Bushy Eyebrows", "Arched Eyebrows"),
    "nose": ("Big Nose", "Pointy Nose"),
    "cheeks": ("Rosy Cheeks", "High Cheekbones"),
    "hair+brows": (
        "Bangs",
        "Fully Visible Forehead",
        "Obstructed Forehead",
        "Receding Hairline",
        "Wearing Hat",
    ),
    "hair": (
        "Bald",
        "Black Hair",
        "Blond Hair",
        "Brown Hair",
        "Gray Hair",
        "Curly Hair",
        "Straight Hair",
        "Wavy Hair",
    ),
}
"""The region of each attribute. With others, guides act on the face and directions everywhere."""
_REGION_OF = {normalise(name): region for region, names in REGIONS.items() for name in names}


def acting(
    options: Edit, attributes: Iterable[tuple[str, float]], *, guided: bool
) -> Path | str | None:
    """Return where the attribute acts: a mask's file, regions by name, or None for everywhere."""
    chosen: Path | str | None = options.mask or options.region
    if chosen is None:
        unaligned = align.unaligned(options.align, by_hand=bool(options.landmarks))
        # The regions of an unaligned face are unknown.
        chosen = None if unaligned else _region_of([name for name, _ in attributes])
        if guided:  # guides are other people everywhere
            chosen = chosen or "face"
    return None if str(chosen).lower() == "none" else chosen


def held(options: Edit, inside: Path | str | None, *, guided: bool) -> Path | str | None:
    """Return where the reference's maps are held: as `acting`, or `EVERYWHERE`, or `OUTSIDE`."""
    chosen: Path | str | None = options.identity_mask or options.identity_region
    if chosen is None:  # guides are other people everywhere
        chosen = OUTSIDE if inside else EVERYWHERE if guided else None
    return None if str(chosen).lower() == "none" else chosen


def _region_of(names: list[str]) -> str | None:
    """Return the regions that attributes belong to, joined; None if one is not known."""
    found = [_REGION_OF.get(normalise(name.partition("/")[0])) for name in names]
    known = [region for region in found if region]
    return "+".join(known) if known and len(known) == len(found) else None


class Built(NamedTuple):
    """The masks of an edit."""

    masks: dict[str, Mask]
    """By the name that terms use."""
    notes: tuple[str, ...]
    """How files were read, where that is worth a remark."""


def build(
    inside: Path | str | None,
    identity: Path | str | None,
    names: Iterable[str],
    reference: align.Face,
) -> Built:
    """Return the masks that an edit's terms name.

    Args:
        inside: where the attribute acts, as from `acting`.
        identity: where the reference's maps are held, as from `held`.
        names: masks that the terms read: `inside`, `identity`, or regions such as `mouth`.
        reference: the face that they lie on.

    Raises:
        EditError: a mask that selects nothing of the face.
        ImageError, RegionError: a file that is no mask of the reference, or an unknown name.
    """
    size = len(reference.image)
    whole, notes = np.ones((size, size), np.float32), list[str]()
    masks: dict[str, Mask] = {INSIDE: whole if inside is None else _mask(inside, reference, notes)}
    if identity == OUTSIDE:
        masks[HELD] = 1 - masks[INSIDE]
    else:
        everywhere = identity in (None, EVERYWHERE)
        masks[HELD] = whole if everywhere or identity is None else _mask(identity, reference, notes)
    for name in names:
        if name not in masks:
            masks[name] = regions.region(name, size, reference.points)
    needed = {*names, *([INSIDE] if inside is not None else [])}
    kept = {name: mask for name, mask in masks.items() if name in needed}
    return Built(kept, tuple(dict.fromkeys(notes)))


def _mask(source: Path | str, reference: align.Face, notes: list[str]) -> Mask:
    """Return regions by name, or a mask from a file, aligned as the reference was."""
    if isinstance(source, str):
        return regions.region(source, len(reference.image), reference.points)
    height, width = reference.photo.shape[:2]
    mask, _, note = load_mask(source, (height, width))
    notes += [note] if note else []
    size = len(reference.image)
    layers = np.repeat(np.asarray(mask)[..., None], 3, -1)
    aligned = geometry.apply_placement(layers, reference.landmarks, reference.placement, size)
    if aligned.max() < LEAST:
        raise EditError(
            f"{source}: the mask selects nothing of the face, which is elsewhere in the reference"
        )
    return np.asarray(aligned)[..., 0]
