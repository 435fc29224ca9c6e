"""Options of `python -m facegen_jax.convert`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ..command import program

PROG = program("convert")
"""Name of the command, in its messages."""
Precision = Literal["float32", "float16", "bfloat16"]
"""Precision of written numbers."""


@dataclass(frozen=True)
class Convert:
    """Convert a published VGG-Face file to .safetensors.

    Reads MatConvNet, Torch7, Caffe, Keras, PyTorch and Flax files, safetensors, and Oxford's
    tarballs."""

    source: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="SOURCE")] = None
    """The file as downloaded, or the folder of an Orbax checkpoint."""
    dest: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="DEST")] = None
    """The .safetensors file to write (default: where --params vgg-face looks)."""
    dtype: Precision = "float32"
    """Precision of the written numbers; float16 and bfloat16 halve the file."""
    fc: bool = True
    """Keep fc6 to fc8; --no-fc keeps only the convolutions (59 MB): no descriptor, no classes."""
    network: str | None = None
    """Which network of a file that holds several (a model and its average), as the file calls it;
    without it, the choices are listed."""
    colour: Literal["auto", "RGB", "BGR"] = "auto"
    """Order of conv1_1's input channels in the file."""
    names: Path | None = None
    """The release's names.txt: names of the 2,622 people, stored in the converted file."""
    verify: Path | None = None
    """Image of a face to try the converted network on."""
    list_known: Annotated[bool, tyro.conf.arg(name="list"), tyro.conf.FlagCreatePairsOff] = False
    """Print the table of known files and exit."""
