"""Options of `python -m facegen_jax.gallery`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ..command import program
from ..network.named import DEFAULT

PROG = program("gallery")
"""Name of the command, in its messages."""
LAYERS = ("image", "conv1_2", "conv2_2", "conv3_3", "conv4_3")
"""Where directions act by default; `image` gives them their colours."""


@dataclass(frozen=True)
class Show:
    """Show the attributes of galleries and cache the features of their faces; or fit directions."""

    folders: Annotated[
        tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="FOLDER [FOLDER ...]")
    ]
    """Folders with labels.csv and images/, CelebA or LFW as published, or paths of tables."""
    params: str = DEFAULT
    """Network that describes the faces."""
    align: Literal["auto", "none"] = "auto"
    """Alignment of the edits that will use the gallery."""
    directions: Path | None = None
    """Write the directions of --attributes to this .safetensors file, for python -m facegen_jax
    --directions."""
    attributes: tuple[str, ...] = ()
    """Names of labels, or opposites as in Senior/Youth: the second becomes the first one's
    negative."""
    controls: tuple[str, ...] = ()
    """Further labels that are held constant, so that the directions do not take them along."""
    scales: tuple[float, ...] = (3.0,)
    """Factor that makes a strength of 1 the natural amount: one, or one for each attribute."""
    baselines: Path | None = None
    """Write the network's median identity similarity, of one person and of two people, to this
    .json file, for python -m facegen_jax.report --baselines."""
    layers: tuple[str, ...] = LAYERS
    """Layers of the directions; image gives them their colours."""
