"""A resolved attribute: what to add to the reference's maps."""

from pathlib import Path
from typing import NamedTuple

from ..faces.align import Face
from ..network.direction import Levels
from ..types import Features


class Source(NamedTuple):
    """An attribute, ready to be added to the reference's maps."""

    direction: Features
    """Change of the maps for a strength of 1, by layer."""
    guides: tuple[Face, ...] = ()
    chosen: tuple[tuple[Path, float], ...] = ()
    """Faces taken from a gallery, with their similarity."""
    heads: tuple[tuple[str, float], ...] = ()
    """Names under which the network may score the attribute, and how much of each is wanted."""
    levels: tuple[Levels, ...] = ()
    """Usual scores without and with each of these; empty if they are not known."""
    note: str = ""
    """Remark for the user."""
