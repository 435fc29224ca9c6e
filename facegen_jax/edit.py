"""One edit from files to files: pictures, problem, solution, record."""

import time
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from . import align, image, report
from .checkpoint import Network, load_network
from .direction import Direction, load_direction
from .problem import Problem, from_direction, from_guides, with_noise
from .record import describe, edit_scores, write_record
from .settings import Edit, EditError, check, objective
from .solver import Progress, Solution, Solver
from .types import Image, Mask, NewImage


class Outcome(NamedTuple):
    """What an edit gave: the solution, what it was made from, and its record."""

    solution: Solution
    reference: Image
    scores: dict[str, float | None]
    record: dict[str, object]
    notes: tuple[str, ...]
    """Remarks for the person at the terminal."""


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
    pictures = [guide.image for guide in guides]
    mask = _mask(config.mask, reference, size) if config.mask else None
    problem, solver = build(config, network, reference.image, pictures, direction, mask)
    began = time.perf_counter()
    solver.compile(network.params, problem)
    compiled = time.perf_counter()
    solution = solver.run(network.params, problem, progress)
    seconds = {"compile": round(compiled - began, 3), "run": round(time.perf_counter() - compiled, 3)}
    scores = edit_scores(network, solution.image, reference.image, direction)
    record = describe(config, config.inputs, network, solution, scores, seconds)
    _write(config, solution, reference.image, pictures, record)
    notes = tuple(face.note for face in (reference, *guides) if face.note)
    return Outcome(solution, reference.image, scores, record, notes)


def build(
    config: Edit, network: Network, reference: Image, guides: list[Image], direction: Direction | None, mask: Mask | None
) -> tuple[Problem, Solver]:
    """The problem and the solver that the configuration asks for."""
    if mask is None and direction is None:  # guides differ in hair and background too, which nobody asked for
        mask = align.face_oval(len(reference))
    described = "fc7" in network.params and len(reference) == network.size
    terms = objective(config.weights, guided=direction is None, masked=mask is not None, described=described)
    masks = None if mask is None else {"inside": mask, "outside": 1 - mask}
    if direction is None:
        problem = from_guides(network.params, terms, reference, guides, masks=masks)
    else:
        problem = from_direction(network.params, terms, reference, direction.maps, config.strength, masks=masks)
    if config.noise:
        problem = with_noise(problem, jax.random.key(config.seed), config.noise)
    return problem, Solver(terms, config.steps, config.optimizer, config.learning_rate)


class Face(NamedTuple):
    """A picture brought to the working size, and how it got there."""

    image: Image
    shape: tuple[int, ...]
    """Of the picture as it was."""
    landmarks: align.Landmarks | None
    note: str | None
    """A remark for the user where the face could not be aligned."""


def _face(path: Path, size: int, mode: str) -> Face:
    picture, points, note = image.load(path), None, None
    if mode == "auto" and not align.can_detect():
        note = f"{path}: took the centre, for no face detector is installed (pip install 'facegen_jax[align]')"
    elif mode == "auto":
        points = next(iter(align.detect(picture)), None)
        if points is None:
            note = f"{path}: no face was found, took the centre of the picture (--align none says it is aligned already)"
    return Face(_square(picture, points, size), picture.shape, points, note)


def _square(picture: Image, points: align.Landmarks | None, size: int) -> NewImage:
    return image.resize(image.centre_square(picture), (size, size)) if points is None else align.to_template(picture, points, size)


def _mask(path: Path, reference: Face, size: int) -> Mask:
    """The mask, moved as the reference was."""
    mask, expected = image.load(path), reference.shape
    if mask.shape != expected:
        raise EditError(f"{path}: the mask has {mask.shape[1]}x{mask.shape[0]} pixels, the reference {expected[1]}x{expected[0]}; they must be equal")
    return np.asarray(_square(mask, reference.landmarks, size)).mean(-1)


def _write(config: Edit, solution: Solution, reference: Image, guides: list[Image], record: dict[str, object]) -> None:
    image.save(config.out, solution.image)
    if config.strip:
        shown = f"{config.attribute} {config.strength:+g}" if config.attribute else "result"
        image.save(config.strip, report.strip([("reference", reference), *(("guide", guide) for guide in guides), (shown, solution.image)]))
    write_record(config.out.with_suffix(".json"), record)
