"""Options that cannot work, refused before anything is loaded or computed."""

import dataclasses
import operator
import os
from pathlib import Path

from ..faces import colour, regions
from ..faces.saving import check_ending
from ..files import check_output, is_same, resolve
from ..gallery.labels import Gallery, load_gallery
from ..numbers import LARGEST as LARGEST_NUMBER
from ..numbers import in_range
from .parsing import Amounts, EditError
from .settings import Edit, Jitter, Weights

SMALLEST, LARGEST = 16, 4096
"""Sides of the working image, in pixels."""
WHOLE = {
    "face": (1, None),
    "k": (1, None),
    "candidates": (1, None),
    "steps": (1, 1_000_000),
    "jitter.samples": (1, 256),
    "size": (SMALLEST, LARGEST),
    "seed": (0, 2**32 - 1),
}
"""Least and most of whole numbers."""
MOST_WEIGHT = 1e15
"""Adam squares the gradient, which must stay finite: with an infinite square it takes no step."""
MOST_SHIFT = 512
"""Pixels; the image is padded by as much."""
FROM_GALLERY = ("k", "match", "identity", "similar_by")
"""Options that choose among the faces of a gallery."""


def check_options(options: Edit, attributes: Amounts, *, own: bool) -> None:
    """Refuse options that contradict each other or are out of range; files are not looked at.

    Args:
        options: the edit.
        attributes: its attributes, parsed.
        own: it has an objective of the user's own, which needs no attribute.

    Raises:
        EditError, RegionError, ColourError: say what was expected, what came, and what to do.
    """
    _check_attribute(options, attributes, own=own)
    _check_objective(options, own=own)
    _check_numbers(options)
    _check_regions(options)
    _check_alignment(options)
    colour.require_extra(options.colour)


def _check_attribute(options: Edit, attributes: Amounts, *, own: bool) -> None:
    sources = (options.guides, options.attribute, options.channels, options.source)
    if options.source and options.attribute:  # the name may be the source's own business
        sources = (options.guides, options.channels, options.source)
    given = sum(map(bool, sources))
    if given > 1 or (given == 0 and not own):
        raise EditError(
            "give either --guides IMAGE [...], --attribute NAME (tuned or, with --gallery FOLDER, "
            "looked up there), --channels, or --source"
        )
    if options.gallery and not options.attribute:
        raise EditError("--gallery needs --attribute NAME; guides of your own need no gallery")
    if not options.gallery and any(getattr(options, name) for name in FROM_GALLERY):
        raise EditError(
            "--k, --match, --identity and --similar-by choose among the faces of --gallery FOLDER, "
            "which is missing"
        )
    if options.target == "difference" and not options.gallery:
        raise EditError("--target difference compares faces of --gallery FOLDER, which is missing")
    if options.directions and (options.gallery or not options.attribute):
        raise EditError(
            "--directions is where --attribute NAME is looked up; "
            "it cannot be combined with --gallery, --guides or --channels"
        )
    weighted = any(amount != 1 for _, amount in attributes)
    if weighted and options.gallery and options.target not in (None, "difference"):
        raise EditError(
            f"--attribute {options.attribute}: guides either have an attribute or not, "
            "only directions and differences have amounts"
        )


def _check_objective(options: Edit, *, own: bool) -> None:
    if options.term_weights and not own:
        raise EditError(
            "--term-weights weighs the terms of --objective, which is missing; "
            "the default objective has --weights.identity and its neighbours"
        )
    if own and options.weights != Weights():
        raise EditError(
            "--weights.* weighs the default objective; "
            "give --term-weights NAME=WEIGHT with --objective"
        )


def _check_numbers(options: Edit) -> None:
    for name, (least, most) in WHOLE.items():
        number = operator.attrgetter(name)(options)
        if number is not None and not least <= number <= (number if most is None else most):
            bounds = f"at least {least}" if most is None else f"from {least} to {most}"
            raise EditError(f"--{name} must be {bounds}, not {number}")
    if len(set(options.strength)) < max(1, len(options.strength)):
        raise EditError("--strength takes one number, or several different ones as in 0.5,1,1.5")
    numbers = {"noise": options.noise, "learning-rate": options.learning_rate or 0.0}
    for group, values in (("weights", options.weights), ("jitter", options.jitter)):
        numbers |= {f"{group}.{name}": value for name, value in dataclasses.asdict(values).items()}
    for name, value in [*numbers.items(), *(("strength", each) for each in options.strength)]:
        option = f"--{name.replace('_', '-')}"
        most = MOST_WEIGHT if name.startswith("weights.") else LARGEST_NUMBER
        if not abs(value) <= most:  # true for NaN
            raise EditError(f"{option} must be a finite number, at most {most:.3g}, not {value}")
        if value < 0 and name != "strength":
            raise EditError(f"{option} must not be negative, not {value}")
    if options.jitter.scale >= 1:
        raise EditError(f"--jitter.scale must be below 1, not {options.jitter.scale}")
    if options.jitter.shift > MOST_SHIFT:
        raise EditError(
            f"--jitter.shift must be at most {MOST_SHIFT} pixels, not {options.jitter.shift}"
        )
    if options.jitter.samples > 1 and options.jitter == Jitter(samples=options.jitter.samples):
        raise EditError(
            "--jitter.samples averages --jitter.shift or --jitter.scale; give one of them"
        )


def _check_regions(options: Edit) -> None:
    for one, other in (("mask", "region"), ("identity_mask", "identity_region")):
        if getattr(options, one) and getattr(options, other):
            names = [f"--{name.replace('_', '-')}" for name in (one, other)]
            raise EditError(f"give either {names[0]} or {names[1]}, not both")
    for name in (options.region, options.identity_region):
        if name and name.lower() != "none":
            regions.parse_names(name)


def _check_alignment(options: Edit) -> None:
    hand = (("landmarks", options.landmarks, 10), ("box", options.box, 4))
    for name, numbers, count in hand:
        if len(numbers) not in (0, count):
            raise EditError(f"--{name} takes {count} numbers, not {len(numbers)}")
        for number in numbers:
            if not in_range(number):
                raise EditError(f"--{name} takes finite numbers, not {number}")
    box = options.box
    if box and not (box[0] < box[2] and box[1] < box[3]):
        raise EditError(
            "--box takes left, top, right, bottom, with left before right and top above bottom"
        )
    if options.landmarks and box:
        raise EditError("give either --box or --landmarks, which need no box")
    if options.face != 1 and (box or options.landmarks):
        raise EditError(
            "--face chooses among the faces that are found; --box and --landmarks do too"
        )
    if options.align == "none" and (box or options.face != 1):
        raise EditError(
            "--align none looks for no face, so --face and --box have no meaning with it"
        )


def check_outputs(options: Edit) -> None:
    """Refuse files that cannot be written.

    Raises:
        ValueError: such as EditError and OutputError; they say why and what to do.
    """
    images = [*options.outputs, *([options.strip] if options.strip else [])]
    for path in images:
        check_ending(path)
    written = [*images, *(path.with_suffix(".json") for path in options.outputs)]
    read = [*options.inputs, *filter(None, (options.directions, Path(options.params)))]
    for index, path in enumerate(written):
        check_output(path, read)
        if any(is_same(path, other) for other in written[:index]):
            both = "--out and --strip name" if options.strip else "two of --strength are written to"
            raise EditError(f"{path}: {both} the same file")
    existing = [path for path in written if path.exists()]
    if options.gallery and existing:
        _check_kept(load_gallery(options.gallery), existing)


def _check_kept(gallery: Gallery, written: list[Path]) -> None:
    """Refuse to overwrite a gallery's faces and tables, by whatever name they are written.

    Files in its own folder of images are kept too, if the table does not name them.
    """
    own = resolve(gallery.folder / "images")
    files = [*gallery.tables, *map(gallery.path, range(len(gallery.filenames)))]
    known = {(status.st_dev, status.st_ino) for status in map(os.stat, files)}
    for path in written:
        status = path.stat()
        if (status.st_dev, status.st_ino) in known or own in resolve(path).parents:
            raise EditError(f"{path}: would overwrite a face of the gallery; choose another name")
