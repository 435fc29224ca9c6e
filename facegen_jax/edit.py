"""One edit from files to files: pictures, problem, solution, record."""

import time
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from . import align, image, regions, report
from .checkpoint import Network, load_network
from .direction import Direction, load_direction
from .gallery.features import Looking
from .gallery.features import describe as describe_gallery
from .gallery.labels import having, load_gallery
from .gallery.search import matching, nearest, query
from .problem import Problem, from_direction, from_guides, with_noise
from .record import describe, edit_scores, write_record
from .settings import Edit, EditError, check, objective
from .solver import Progress, Solution, Solver
from .types import Image, Mask


class Outcome(NamedTuple):
    """What an edit gave: the solution, what it was made from, and its record."""

    solution: Solution
    reference: Image
    scores: dict[str, float | None]
    record: dict[str, object]
    notes: tuple[str, ...]
    """Remarks for the person at the terminal."""


def edit(config: Edit, progress: Progress | None = None, looking: Looking | None = None) -> Outcome:
    """Do one edit and write its picture, record and strip; nothing is written when anything is wrong.

    Args:
        config: what to do.
        progress: told of the descent, see `Solver.run`.
        looking: told how many faces of a gallery are described, where that has not been done before.

    Raises:
        EditError, ImageError, CheckpointError, GalleryError: all of them ValueErrors, each with a message of one line.
    """
    check(config)
    network = load_network(config.params)
    direction = load_direction(network, config.attribute) if config.attribute and not config.gallery else None
    size = config.size or network.size
    reference = align.load_face(config.reference, size, config.align, _pick(config))
    chosen = choose_guides(config, network, reference.image, looking)
    guides = [align.load_face(path, size, config.align) for path in (*config.guides, *chosen)]
    pictures = [guide.image for guide in guides]
    mask = _mask(config.mask, reference, size) if config.mask else None
    problem, solver = build(config, network, reference.image, pictures, direction, mask)
    began = time.perf_counter()
    solver.compile(network.params, problem)
    compiled = time.perf_counter()
    solution = solver.run(network.params, problem, progress)
    seconds = {"compile": round(compiled - began, 3), "run": round(time.perf_counter() - compiled, 3)}
    scored = (direction.attribute, direction.sign) if direction else (config.attribute.partition("/")[0], 1) if config.attribute else None
    scores = edit_scores(network, solution.image, reference.image, scored)
    record = describe(config, [*config.inputs, *chosen], network, solution, scores, seconds)
    if chosen:
        record["guides"] = [{"path": str(path), "similarity": round(similarity, 4)} for path, similarity in chosen.items()]
    _write(config, solution, reference, pictures, record)
    notes = tuple(face.note for face in (reference, *guides) if face.note)
    return Outcome(solution, reference.image, scores, record, notes)


def choose_guides(config: Edit, network: Network, reference: Image, looking: Looking | None = None) -> dict[Path, float]:
    """The most similar faces of the gallery that have the attribute, by file, with their similarity; none without a gallery."""
    if not config.gallery:
        return {}
    gallery = load_gallery(config.gallery)
    choice = having(gallery, config.attribute or "")
    described = describe_gallery(gallery, network, config.similar_by, config.align, looking or (lambda done, total: None))
    size = (network.size, network.size)
    face = query(described, network, image.resize(reference, size), config.reference, config.similar_by)
    for attribute in config.match:
        choice &= matching(gallery, network, face, image.resize(reference, size), attribute)
    places, cosines = nearest(gallery, described, face, choice, config.k)
    return {gallery.path(place): cosine for place, cosine in zip(places, cosines, strict=True)}


def build(
    config: Edit, network: Network, reference: Image, guides: list[Image], direction: Direction | None, mask: Mask | None
) -> tuple[Problem, Solver]:
    """The problem and the solver that the configuration asks for."""
    if mask is None and direction is None:  # guides differ in hair and background too, which nobody asked for
        mask = regions.region("face", len(reference))
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


def _mask(path: Path, reference: align.Face, size: int) -> Mask:
    """The mask, moved as the reference was."""
    mask, expected = image.load(path), reference.photo.shape
    if mask.shape != expected:
        raise EditError(f"{path}: the mask has {mask.shape[1]}x{mask.shape[0]} pixels, the reference {expected[1]}x{expected[0]}; they must be equal")
    return np.asarray(align.place_on(mask, reference.landmarks, reference.placement, size)).mean(-1)


def _pick(config: Edit) -> align.Pick:
    """Which face of the reference is meant."""
    landmarks = np.array(config.landmarks).reshape(5, 2) if config.landmarks else None
    return align.Pick(config.face, landmarks, (config.box[0], config.box[1], config.box[2], config.box[3]) if config.box else None)


def _write(config: Edit, solution: Solution, reference: align.Face, guides: list[Image], record: dict[str, object]) -> None:
    result = solution.image
    if config.paste_back:
        result = align.paste_back(reference.photo, reference.placement, reference.image, result)
    image.save(config.out, result)
    if config.strip:
        shown = f"{config.attribute} {config.strength:+g}" if config.attribute and not config.gallery else config.attribute or "result"
        pictures = [("reference", reference.image), *(("guide", guide) for guide in guides), (shown, solution.image)]
        image.save(config.strip, report.strip(pictures))
    write_record(config.out.with_suffix(".json"), record)
