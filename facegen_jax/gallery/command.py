"""What `python -m facegen_jax.gallery` does: show what labelled faces hold, or fit directions."""

import functools
import sys
from pathlib import Path

import numpy as np

from .. import platforms
from ..bars import progress_bar
from ..command import fail, note, show
from ..compilation import keep_programs
from ..files import check_output
from ..network.baselines import save_baselines
from ..network.checkpoint import load_network
from ..network.protocol import Network
from ..numbers import in_range
from . import directions
from .baselines import measure
from .features import Described, describe
from .labels import Gallery, GalleryError, load_gallery
from .settings import PROG, Show

Galleries = list[tuple[Gallery, Described]]


def run(config: Show) -> int:
    """Show or fit; return 0 when done, 1 if images could not be read, 2 on bad input."""
    try:
        _check(config)
        platforms.check()
        keep_programs(functools.partial(note, PROG))
        network = load_network(config.params)
        galleries: Galleries = []
        for folder in config.folders:
            gallery = load_gallery(folder)
            with progress_bar("faces described") as progress:
                described = describe(gallery, network, mode=config.align, progress=progress)
            galleries.append((gallery, described))
        show(*_run(config, network, galleries))
    except (ValueError, OSError) as error:
        return fail(PROG, error)
    except KeyboardInterrupt:
        print(f"{PROG}: stopped; features are kept, the same command resumes", file=sys.stderr)
        return 1
    unreadable = [failure for _, each in galleries for failure in each.failures if failure]
    tables = [gallery.remark for gallery, _ in galleries if config.directions or config.baselines]
    for remark in (*tables, *(each.note for _, each in galleries), *unreadable):
        if remark:
            note(PROG, remark)
    return 1 if unreadable else 0


def _run(config: Show, network: Network, galleries: Galleries) -> list[str]:
    """Fit, measure or count; return the lines to print."""
    if config.directions:
        return _write_directions(config, config.directions, network, galleries)
    if config.baselines:
        found = measure(*galleries[0])
        save_baselines(config.baselines, network.name, network.sha256, found)
        return [
            f"{found.pairs} pairs of {found.people} people: "
            f"one person {found.genuine:.3f}, two people {found.impostor:.3f}"
        ]
    return [line for gallery, each in galleries for line in _lines(gallery, each, config.align)]


def _write_directions(
    config: Show, path: Path, network: Network, galleries: Galleries
) -> list[str]:
    attributes = config.attributes
    with progress_bar("faces fitted") as progress:
        fitted = directions.build(
            galleries, network, attributes, config.controls, config.layers, config.align, progress
        )
    scales = config.scales * (len(attributes) if len(config.scales) == 1 else 1)
    folders = ", ".join(folder.resolve().name for folder in config.folders)
    notes = {"galleries": folders, "controls": ", ".join(config.controls)}
    directions.write(path, network, fitted, attributes, scales, notes)
    return _separation(fitted)


def _check(config: Show) -> None:
    """Refuse what cannot work before thousands of features are computed."""
    if not config.folders:
        raise GalleryError("give at least one FOLDER with labels.csv and images/, or a table")
    if bool(config.directions) != bool(config.attributes):
        raise GalleryError("--directions FILE and --attributes NAME [...] belong together")
    if config.baselines and (len(config.folders) > 1 or config.directions):
        raise GalleryError("--baselines FILE takes one FOLDER, and no --directions")
    firsts = [name.partition("/")[0] for name in config.attributes]
    if len(set(firsts)) < len(firsts):
        raise GalleryError(f"--attributes names one twice: {', '.join(firsts)}")
    if len(config.scales) not in (1, len(config.attributes)):
        raise GalleryError(
            f"--scales takes one number, or one for each of the {len(config.attributes)} "
            f"attributes, not {len(config.scales)}"
        )
    if not all(map(in_range, config.scales)):
        raise GalleryError(f"--scales takes finite numbers, not {config.scales}")
    for path, ending in ((config.directions, ".safetensors"), (config.baselines, ".json")):
        if path and path.suffix != ending:
            raise GalleryError(f"{path}: expected the name of a {ending} file")
        if path:
            check_output(path, [Path(config.params)])


def _lines(gallery: Gallery, described: Described, mode: str) -> list[str]:
    """Return a table of how many faces have each attribute."""
    people = len({name for name in gallery.identities if name})
    totals = [(gallery.labels == value).sum(0) for value in (1, 0, -1)]
    width = max(map(len, gallery.attributes))
    rows = [
        f"{name:{width}} {positive:8} {negative:8} {unknown:8}"
        for name, positive, negative, unknown in zip(gallery.attributes, *totals, strict=True)
    ]
    readable = np.array([not failure for failure in described.failures])
    missed = int((np.isnan(described.landmarks).any((1, 2)) & readable).sum())
    note = f"{missed} faces were not detected; the centre of the image is used for them"
    return [
        gallery.understood,
        f"{gallery.folder}: {len(gallery.filenames)} faces, {people or 'unknown'} people",
        f"{'':{width}} {'with':>8} {'without':>8} {'unknown':>8}",
        *rows,
        *([note] if missed and mode == "auto" else []),
    ]


def _separation(fitted: directions.Directions) -> list[str]:
    """Return a table of the fit: numbers of faces, and areas under the ROC curve on held-out
    people."""
    layers = list(next(iter(fitted.maps.values())))
    width = max(map(len, fitted.maps))
    head = [f"{'':{width}}", f"{'with':>8} {'without':>8} {'held out':>17}"]
    lines = [" ".join([*head, *(f"{layer:>8}" for layer in layers)])]
    for name, areas in fitted.separation.items():
        numbers = [f"{count:8}" for count in fitted.faces[name].values()]
        scores = [f"{areas.get(layer, np.nan):8.3f}" for layer in layers]
        lines.append(" ".join([f"{name:{width}}", *numbers, *scores]))
    return lines
