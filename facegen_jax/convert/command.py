"""What `python -m facegen_jax.convert` does: convert one file, and report on it."""

import sys
from pathlib import Path

from tqdm import tqdm

from .. import platforms
from ..command import fail, note, show
from ..faces import image
from ..files import check_output, check_takes_files, resolve
from ..network import published
from ..network.named import vgg_face_path
from .conversion import NO_FOLDER, Converted, convert
from .cursor import SourceError
from .settings import PROG, Convert
from .verify import verify


def run(config: Convert) -> int:
    """Convert and report; return the exit status: 0 on success, 2 on bad input."""
    if config.list_known:
        show(published.table())
        return 0
    try:
        dest = config.dest or vgg_face_path()
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
    show(*converted.summary)
    for line in converted.warnings:
        note(PROG, f"warning: {line}")
    show(
        f"wrote {dest} ({dest.stat().st_size:,} bytes, {config.dtype}); licence {published.LICENCE}"
    )
    if config.verify:
        show(*verify(dest, config.verify))
    return 0


def _check(config: Convert, dest: Path) -> Path:
    """Refuse bad options before half a gigabyte is read; return the source."""
    if config.source is None:
        raise ValueError("give the file to convert (--list shows known files, --help all options)")
    if dest.suffix != ".safetensors":
        raise ValueError(f"{dest} should end in .safetensors")
    if resolve(config.source) == resolve(dest):
        raise ValueError(f"{dest}: source and destination are the same file")
    if config.dest:
        check_output(dest, [path for path in (config.names, config.verify) if path])
    else:
        _check_default(dest.absolute().parent)
    if config.names and not config.names.is_file():
        raise ValueError(f"{config.names}: no such file")
    if config.verify:
        platforms.check()
        image.read_photo(config.verify)
        if not config.fc:
            raise ValueError("--verify needs fc6 to fc8, which --no-fc leaves out")
    return config.source


def _check_default(folder: Path) -> None:
    """Refuse a folder that cannot be made or takes no files."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not there.is_dir():
        raise ValueError(f"{folder}: {NO_FOLDER} ({there} is a file)")
    if there == folder:
        check_takes_files(folder)


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
            network=config.network,
            progress=progress,
        )
