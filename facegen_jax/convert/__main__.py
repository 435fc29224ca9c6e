"""`python -m facegen_jax.convert`: bring a published VGG-Face file to the layout of this package."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from .. import image, published
from ..checkpoint import vgg_face_place
from ..command import fail, parse
from .conversion import Precision, convert
from .verify import verify

PROG = "python -m facegen_jax.convert"


@dataclass(frozen=True)
class Convert:
    """Convert a published VGG-Face file (MatConvNet, Torch7, Caffe, Keras, PyTorch, or a tarball of Oxford) to .safetensors."""

    source: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="SOURCE")] = None
    """The file as it was downloaded."""
    dest: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="DEST")] = None
    """The .safetensors file to write (default: where --params vgg-face looks)."""
    dtype: Precision = "float32"
    """Of the numbers written: float16 and bfloat16 halve the file."""
    fc: bool = True
    """Keep fc6 to fc8; --no-fc leaves convolutions only (59 MB), without descriptor and classes."""
    colour: Literal["auto", "RGB", "BGR"] = "auto"
    """Order of conv1_1's inputs in the file."""
    names: Path | None = None
    """names.txt of the release: the 2,622 people, kept in the converted file."""
    verify: Path | None = None
    """A picture of a face to try the converted network on."""
    list_known: Annotated[bool, tyro.conf.arg(name="list"), tyro.conf.FlagCreatePairsOff] = False
    """Print the table of known files and stop."""


def main() -> int:
    """Parse, convert, report; exit status 0 when done, 2 on bad input."""
    config = parse(Convert, PROG)
    if config.list_known:
        print(published.table())
        return 0
    if config.source is None:
        return fail(PROG, ValueError("give the file to convert (--list shows the known ones, --help all options)"))
    dest = config.dest or vgg_face_place()
    try:
        return _convert(config, config.source, dest)
    except (ValueError, OSError, MemoryError) as error:
        return fail(PROG, error if isinstance(error, OSError) and error.filename else ValueError(f"{config.source}: {str(error) or 'out of memory'}"))
    except KeyboardInterrupt:
        print(f"{PROG}: stopped, nothing was written", file=sys.stderr)
        return 1


def _convert(config: Convert, source: Path, dest: Path) -> int:
    if dest.suffix != ".safetensors":
        raise ValueError(f"{dest} should end in .safetensors")
    if source.resolve() == dest.resolve():
        raise ValueError("source and destination are the same file")
    if config.verify:  # a picture that cannot be read should not be found out after half a minute
        image.load(config.verify)
    if config.dest and not dest.absolute().parent.is_dir():
        raise ValueError(f"{dest.parent}: no such folder to write to")
    colour = None if config.colour == "auto" else config.colour
    converted = convert(source, dest, dtype=config.dtype, dense=config.fc, colour=colour, names=config.names)
    for line in converted.found:
        print(line)
    for line in converted.warnings:
        print(f"{PROG}: warning: {line}", file=sys.stderr)
    print(f"wrote {dest} ({dest.stat().st_size:,} bytes, {config.dtype}); licence {published.LICENCE}")
    for line in verify(dest, config.verify) if config.verify else ():
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
