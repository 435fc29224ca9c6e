"""`python -m facegen_jax.gallery`: what a folder of labelled faces holds."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from ..checkpoint import DEFAULT, load_network
from ..command import fail, gallery_bar, parse
from .features import describe
from .labels import Gallery, load_gallery

PROG = "python -m facegen_jax.gallery"


@dataclass(frozen=True)
class Show:
    """Show the attributes of a gallery, and describe its faces so that later searches are quick."""

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FOLDER")]
    """Folder with labels.csv and images/."""
    params: str = DEFAULT
    """Network that describes the faces."""
    align: Literal["auto", "none"] = "auto"
    """As in the edits to come."""


def main() -> int:
    """Parse, describe, print; exit status 0, 1 when pictures could not be read, 2 on bad input."""
    config = parse(Show, PROG)
    try:
        gallery = load_gallery(config.folder)
        with gallery_bar() as looking:
            described = describe(gallery, load_network(config.params), mode=config.align, progress=looking)
    except (ValueError, OSError) as error:
        return fail(PROG, error)
    except KeyboardInterrupt:
        print(f"{PROG}: stopped; what was described is kept, the same command goes on", file=sys.stderr)
        return 1
    print("\n".join(_lines(gallery)))
    centred = int(np.isnan(described.landmarks).any((1, 2)).sum())
    if centred and config.align == "auto":
        print(f"{centred} faces were not found; the centre of the picture stands for them")
    unreadable = [failure for failure in described.failures if failure]
    for failure in unreadable:
        print(f"{PROG}: {failure}", file=sys.stderr)
    return 1 if unreadable else 0


def _lines(gallery: Gallery) -> list[str]:
    people = len({name for name in gallery.identities if name})
    counts = [(gallery.labels == value).sum(0) for value in (1, 0, -1)]
    width = max(map(len, gallery.attributes))
    rows = [f"{name:{width}} {has:8} {has_not:8} {unknown:8}" for name, has, has_not, unknown in zip(gallery.attributes, *counts, strict=True)]
    return [f"{len(gallery.filenames)} faces, {people or 'unknown'} people", f"{'':{width}} {'with':>8} {'without':>8} {'unknown':>8}", *rows]


if __name__ == "__main__":
    sys.exit(main())
