"""One edit from files to files: configuration, checks, pictures, record."""

import dataclasses
import math
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import jax

from . import align, image, report
from .checkpoint import DEFAULT, Network, load_network
from .direction import Direction, load_direction
from .objective import Attribute, Chroma, Identity, Objective, TotalVariation
from .problem import Problem, from_direction, from_guides, with_noise
from .record import describe, edit_scores, write_record
from .solver import Progress, Solution, Solver
from .types import Image
from .vgg_face import BLOCKS


class EditError(ValueError):
    """An edit that cannot be done as asked; one line that says why and what to do."""


@dataclass(frozen=True)
class Weights:
    """Loss weights."""

    identity: float = 0.5
    """Of the distance to the reference's own maps."""
    attribute: float = 1.0
    """Of the distance to the maps that have the attribute."""
    total_variation: float = 10.0
    """Of the total variation of the change: higher is smoother."""
    chroma: float = 1.0
    """Of the colour of the change: higher keeps the reference's colours."""


@dataclass(frozen=True)
class Edit:
    """Edit one face: keep the person, bring an attribute."""

    reference: Path
    """Picture of the face whose identity stays."""
    out: Path
    """Picture to write; the record goes beside it as .json."""
    guides: tuple[Path, ...] = ()
    """Pictures of faces that have the attribute."""
    attribute: str | None = None
    """Named attribute to tune (an unknown name lists the known ones)."""
    strength: float = 1.0
    """Amount of the named attribute: 1 is natural, 0 changes nothing, negative removes."""
    strip: Path | None = None
    """Also write reference, guides and result side by side."""
    params: str = DEFAULT
    """Network: a name, or the path of a converted .safetensors file."""
    size: int | None = None
    """Side of the square working picture in pixels (default: the network's own)."""
    steps: int = 200
    """Steps of the descent."""
    optimizer: Literal["adam", "sgd", "lbfgs"] = "adam"
    """sgd is gradient descent with momentum, as in the paper."""
    learning_rate: float | None = None
    """Step size (default: adam 0.02, sgd 0.02, lbfgs 1)."""
    weights: Weights = field(default_factory=Weights)
    mask: Path | None = None
    """Grey picture of the reference's size: where the attribute may act (white) and where the reference is kept (black)."""
    align: Literal["auto", "none"] = "auto"
    """auto: find the face and bring it to the network's template; none: the pictures are aligned already."""
    noise: float = 0.0
    """Standard deviation of the noise added to the start picture."""
    seed: int = 0
    """Seed of that noise."""


class Outcome(NamedTuple):
    """What an edit gave: the solution, what it was made from, and its record."""

    solution: Solution
    reference: Image
    scores: dict[str, float | None]
    record: dict[str, object]
    notes: tuple[str, ...]
    """Remarks for the person at the terminal."""


def objective(weights: Weights, *, masked: bool = False) -> Objective:
    """The objective of the command line; see `docs/settings.md` for how it was chosen."""
    inside, outside = ("inside", "outside") if masked else (None, None)
    return (
        weights.identity * Identity(mask=outside)
        + weights.attribute * Attribute(mask=inside)
        + weights.total_variation * TotalVariation()
        + weights.chroma * Chroma()
    )


def edit(config: Edit, progress: Progress | None = None) -> Outcome:
    """Do one edit and write its picture, record and strip; nothing is written when anything is wrong.

    Raises:
        EditError, ImageError, CheckpointError: all of them ValueErrors, each with a message of one line.
    """
    check(config)
    network = load_network(config.params)
    direction = load_direction(network, config.attribute) if config.attribute else None
    size = config.size or network.size
    reference, *guides = (_face(path, size, config.align) for path in (config.reference, *config.guides))
    notes = tuple(note for _, note in (reference, *guides) if note)
    mask = _mask(config.mask, config, size) if config.mask else None
    problem, solver = build(config, network, reference[0], [picture for picture, _ in guides], direction, mask)
    began = time.perf_counter()
    solver.compile(network.params, problem)
    compiled = time.perf_counter()
    solution = solver.run(network.params, problem, progress)
    seconds = {"compile": round(compiled - began, 3), "run": round(time.perf_counter() - compiled, 3)}
    scores = edit_scores(network, solution.image, reference[0], direction)
    inputs = [config.reference, *config.guides, *([config.mask] if config.mask else [])]
    record = describe(config, inputs, network, solution, scores, seconds)
    _write(config, solution, reference[0], [picture for picture, _ in guides], record)
    return Outcome(solution, reference[0], scores, record, notes)


def check(config: Edit) -> None:
    """Refuse what cannot work before anything is loaded or computed."""
    if bool(config.guides) == bool(config.attribute):
        raise EditError("give either --guides PICTURE [...] or --attribute NAME")
    numbers = {"strength": config.strength, "noise": config.noise, **{f"weights.{k}": v for k, v in dataclasses.asdict(config.weights).items()}}
    if config.learning_rate is not None:
        numbers["learning-rate"] = config.learning_rate
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise EditError(f"--{name.replace('_', '-')} must be a finite number, not {value}")
        if value < 0 and name != "strength":
            raise EditError(f"--{name.replace('_', '-')} must not be negative, not {value}")
    if config.steps < 1:
        raise EditError(f"--steps must be at least 1, not {config.steps}")
    smallest = 2 ** (len(BLOCKS) - 1)
    if config.size is not None and not smallest <= config.size <= 4096:
        raise EditError(f"--size must be from {smallest} to 4096 pixels, not {config.size}")
    inputs = [path.resolve() for path in (config.reference, *config.guides, *([config.mask] if config.mask else []))]
    outputs = [config.out, *([config.strip] if config.strip else [])]
    for path in outputs:
        if path.suffix.lower() not in image.ENDINGS:
            raise EditError(f"{path}: pictures are written as {', '.join(image.ENDINGS)}")
        if path.resolve() in inputs:
            raise EditError(f"{path}: would overwrite an input picture; choose another name")
        if path.is_dir():
            raise EditError(f"{path}: is a folder; give a file name")
        if not path.absolute().parent.is_dir():
            raise EditError(f"{path.parent}: no such folder to write to")
        if not os.access(path.absolute().parent, os.W_OK):
            raise EditError(f"{path.parent}: cannot be written to")
    if config.strip and config.strip.resolve() == config.out.resolve():
        raise EditError("--strip and --out name the same file")


def build(
    config: Edit, network: Network, reference: Image, guides: list[Image], direction: Direction | None, mask: Image | None
) -> tuple[Problem, Solver]:
    """The problem and the solver that the configuration asks for."""
    terms = objective(config.weights, masked=mask is not None)
    masks = None if mask is None else {"inside": mask[..., 0], "outside": 1 - mask[..., 0]}
    if direction is None:
        problem = from_guides(network.params, terms, reference, guides, masks=masks)
    else:
        problem = from_direction(network.params, terms, reference, direction.maps, config.strength, masks=masks)
    if config.noise:
        problem = with_noise(problem, jax.random.key(config.seed), config.noise)
    return problem, Solver(terms, config.steps, config.optimizer, config.learning_rate)


def _face(path: Path, size: int, mode: str) -> tuple[Image, str | None]:
    """The face as a `size` x `size` picture, and a remark where it could not be aligned."""
    picture = image.load(path)
    if mode == "none":
        return image.resize(image.centre_square(picture), (size, size)), None
    if not align.can_detect():
        note = f"{path}: took the centre, for no face detector is installed (pip install 'facegen_jax[align]')"
    elif found := align.detect(picture):
        return align.to_template(picture, found[0], size), None
    else:
        note = f"{path}: no face was found, took the centre of the picture (--align none says it is aligned already)"
    return image.resize(image.centre_square(picture), (size, size)), note


def _mask(path: Path, config: Edit, size: int) -> Image:
    mask = image.load(path)
    expected = image.load(config.reference).shape
    if mask.shape != expected:
        raise EditError(f"{path}: the mask has {mask.shape[1]}x{mask.shape[0]} pixels, the reference {expected[1]}x{expected[0]}; they must be equal")
    if config.align == "auto" and align.can_detect() and (found := align.detect(image.load(config.reference))):
        return align.to_template(mask, found[0], size)
    return image.resize(image.centre_square(mask), (size, size))


def _write(config: Edit, solution: Solution, reference: Image, guides: list[Image], record: dict[str, object]) -> None:
    image.save(config.out, solution.image)
    if config.strip:
        shown = f"{config.attribute} {config.strength:+g}" if config.attribute else "result"
        image.save(config.strip, report.strip([("reference", reference), *(("guide", guide) for guide in guides), (shown, solution.image)]))
    write_record(config.out.with_suffix(".json"), record)
