"""`python -m facegen_jax.convert`: convert a published VGG-Face file to this package's layout."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tqdm import tqdm

from ..command import fail, parse
from ..faces import image
from ..network import published
from ..network.checkpoint import vgg_face_path
from .conversion import Converted, Precision, convert
from .cursor import SourceError
from .verify import verify

PROG = "python -m facegen_jax.convert"


@dataclass(frozen=True)
class Convert:
    """Convert a published VGG-Face file to .safetensors.

    Reads MatConvNet, Torch7, Caffe, Keras and PyTorch files, and Oxford's tarballs."""

    source: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="SOURCE")] = None
    """The file as downloaded."""
    dest: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="DEST")] = None
    """The .safetensors file to write (default: where --params vgg-face looks)."""
    dtype: Precision = "float32"
    """Precision of the written numbers; float16 and bfloat16 halve the file."""
    fc: bool = True
    """Keep fc6 to fc8; --no-fc keeps only the convolutions (59 MB): no descriptor, no classes."""
    colour: Literal["auto", "RGB", "BGR"] = "auto"
    """Order of conv1_1's input channels in the file."""
    names: Path | None = None
    """The release's names.txt: names of the 2,622 people, stored in the converted file."""
    verify: Path | None = None
    """Image of a face to try the converted network on."""
    list_known: Annotated[bool, tyro.conf.arg(name="list"), tyro.conf.FlagCreatePairsOff] = False
    """Print the table of known files and exit."""


def main() -> int:
    """Parse, convert and report; return the exit status: 0 on success, 2 on bad input."""
    config = parse(Convert, PROG)
    if config.list_known:
        print(published.table())
        return 0
    dest = config.dest or vgg_face_path()
    try:
        source = _check(config, dest)
        converted = _convert(config, source, dest)
    except KeyboardInterrupt:
        print(f"{PROG}: stopped; nothing was written", file=sys.stderr)
        return 1
    except SourceError as error:
        return fail(PROG, ValueError(f"{config.source}: {error}"))
    except (ValueError, OSError) as error:
        return fail(PROG, error)
    except (MemoryError, RecursionError) as error:  # from a file crafted to exhaust either
        return fail(PROG, ValueError(f"{config.source}: cannot be read ({type(error).__name__})"))
    print("\n".join(converted.summary))
    for line in converted.warnings:
        print(f"{PROG}: warning: {line}", file=sys.stderr)
    print(
        f"wrote {dest} ({dest.stat().st_size:,} bytes, {config.dtype}); licence {published.LICENCE}"
    )
    if config.verify:
        print("\n".join(verify(dest, config.verify)))
    return 0


def _check(config: Convert, dest: Path) -> Path:
    """Refuse bad options before half a gigabyte is read; return the source."""
    if config.source is None:
        raise ValueError("give the file to convert (--list shows known files, --help all options)")
    if dest.suffix != ".safetensors":
        raise ValueError(f"{dest} should end in .safetensors")
    if config.source.resolve() == dest.resolve():
        raise ValueError(f"{dest}: source and destination are the same file")
    if config.dest and not dest.absolute().parent.is_dir():
        raise ValueError(f"{dest.parent}: no such folder to write to")
    if config.names and not config.names.is_file():
        raise ValueError(f"{config.names}: no such file")
    if config.verify:
        image.load(config.verify)
        if not config.fc:
            raise ValueError("--verify needs fc6 to fc8, which --no-fc leaves out")
    return config.source


def _convert(config: Convert, source: Path, dest: Path) -> Converted:
    """Convert with a bar of bytes, on terminals only."""
    with tqdm(disable=None, leave=False, unit="B", unit_scale=True) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return convert(
            source,
            dest,
            dtype=config.dtype,
            dense=config.fc,
            colour=None if config.colour == "auto" else config.colour,
            names=config.names,
            progress=progress,
        )


if __name__ == "__main__":
    sys.exit(main())
