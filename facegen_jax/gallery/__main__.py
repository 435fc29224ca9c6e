"""`python -m facegen_jax.gallery`: what folders of labelled faces hold, and attribute directions made of them."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from ..command import counting_bar, fail, parse
from ..network.baselines import save_baselines
from ..network.checkpoint import DEFAULT, load_network
from . import directions
from .baselines import measure
from .features import Described, describe
from .labels import Gallery, GalleryError, load_gallery

PROG = "python -m facegen_jax.gallery"


@dataclass(frozen=True)
class Show:
    """Show the attributes of galleries, and describe their faces so that later searches are quick; or make attribute directions of them."""

    folders: Annotated[
        tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="FOLDER [FOLDER ...]")
    ]
    """Folders with labels.csv and images/."""
    params: str = DEFAULT
    """Network that describes the faces."""
    align: Literal["auto", "none"] = "auto"
    """As in the edits to come."""
    directions: Path | None = None
    """Write the directions of --attributes to this .safetensors file, for python -m facegen_jax --directions."""
    attributes: tuple[str, ...] = ()
    """Names of labels, or opposites as in Senior/Youth, which also makes the second one known as the first one's negative."""
    controls: tuple[str, ...] = ()
    """Further labels that are held constant, so that the directions do not take them along."""
    scales: tuple[float, ...] = (3.0,)
    """What makes a strength of 1 the natural amount: one factor, or one for each attribute."""
    baselines: Path | None = None
    """Write the network's identity similarity on the gallery's people, of one and of two, to this .json file, for python -m facegen_jax.report --baselines."""
    layers: tuple[str, ...] = ("image", "conv1_2", "conv2_2", "conv3_3", "conv4_3")
    """Where the directions act; image gives them their colours."""


def main() -> int:
    """Parse, describe, print or fit; exit status 0, 1 when pictures could not be read, 2 on bad input."""
    config = parse(Show, PROG)
    try:
        _check(config)
        network = load_network(config.params)
        described: list[tuple[Gallery, Described]] = []
        for folder in config.folders:
            gallery = load_gallery(folder)
            with counting_bar("faces described") as looking:
                described.append(
                    (gallery, describe(gallery, network, mode=config.align, progress=looking))
                )
        if config.directions:
            with counting_bar("faces fitted") as looking:
                made = directions.build(
                    described,
                    network,
                    config.attributes,
                    config.controls,
                    config.layers,
                    config.align,
                    looking,
                )
            scales = config.scales * (len(config.attributes) if len(config.scales) == 1 else 1)
            notes = {
                "galleries": ", ".join(folder.resolve().name for folder in config.folders),
                "controls": ", ".join(config.controls),
            }
            directions.write(config.directions, network, made, config.attributes, scales, notes)
            print("\n".join(_separation(made)))
        elif config.baselines:
            found = measure(*described[0])
            save_baselines(config.baselines, network.name, network.sha256, found)
            print(
                f"{found.pairs} pairs of {found.people} people: one person {found.genuine:.3f}, two people {found.impostor:.3f}"
            )
        else:
            print(
                "\n".join(
                    line
                    for gallery, found in described
                    for line in _lines(gallery, found, config.align)
                )
            )
    except (ValueError, OSError) as error:
        return fail(PROG, error)
    except KeyboardInterrupt:
        print(
            f"{PROG}: stopped; what was described is kept, the same command goes on",
            file=sys.stderr,
        )
        return 1
    unreadable = [failure for _, found in described for failure in found.failures if failure]
    for failure in unreadable:
        print(f"{PROG}: {failure}", file=sys.stderr)
    return 1 if unreadable else 0


def _check(config: Show) -> None:
    """Refuse what cannot work before thousands of faces are described."""
    if not config.folders:
        raise GalleryError("give at least one FOLDER with labels.csv and images/")
    if bool(config.directions) != bool(config.attributes):
        raise GalleryError("--directions FILE and --attributes NAME [...] belong together")
    if config.baselines and (len(config.folders) > 1 or config.directions):
        raise GalleryError("--baselines FILE takes one FOLDER, and no --directions")
    firsts = [name.partition("/")[0] for name in config.attributes]
    if len(set(firsts)) < len(firsts):
        raise GalleryError(f"--attributes names one twice: {', '.join(firsts)}")
    if len(config.scales) not in (1, len(config.attributes)):
        raise GalleryError(
            f"--scales takes one number, or one for each of the {len(config.attributes)} attributes, not {len(config.scales)}"
        )
    for path, ending in ((config.directions, ".safetensors"), (config.baselines, ".json")):
        if path and (path.suffix != ending or not path.absolute().parent.is_dir()):
            raise GalleryError(
                f"{path}: expected the name of a {ending} file in a folder that exists"
            )


def _lines(gallery: Gallery, described: Described, mode: str) -> list[str]:
    people = len({name for name in gallery.identities if name})
    counts = [(gallery.labels == value).sum(0) for value in (1, 0, -1)]
    width = max(map(len, gallery.attributes))
    rows = [
        f"{name:{width}} {has:8} {has_not:8} {unknown:8}"
        for name, has, has_not, unknown in zip(gallery.attributes, *counts, strict=True)
    ]
    centred = int(
        (
            np.isnan(described.landmarks).any((1, 2))
            & np.array([not failure for failure in described.failures])
        ).sum()
    )
    found = (
        [f"{centred} faces were not found; the centre of the picture stands for them"]
        if centred and mode == "auto"
        else []
    )
    title = f"{gallery.folder}: {len(gallery.filenames)} faces, {people or 'unknown'} people"
    return [title, f"{'':{width}} {'with':>8} {'without':>8} {'unknown':>8}", *rows, *found]


def _separation(made: directions.Directions) -> list[str]:
    """A table of what was fitted and how well it separates people who were held out (area under the ROC curve)."""
    layers = list(next(iter(made.maps.values())))
    width = max(map(len, made.maps))
    rows = [
        " ".join(
            [
                f"{name:{width}}",
                *(f"{count:8}" for count in made.faces[name].values()),
                *(f"{areas.get(layer, np.nan):8.3f}" for layer in layers),
            ]
        )
        for name, areas in made.separation.items()
    ]
    return [
        " ".join(
            [
                f"{'':{width}}",
                f"{'with':>8} {'without':>8} {'held out':>17}",
                *(f"{layer:>8}" for layer in layers),
            ]
        ),
        *rows,
    ]


if __name__ == "__main__":
    sys.exit(main())
