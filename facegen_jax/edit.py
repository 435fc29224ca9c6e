"""One edit from files to files: pictures, problem, solutions, records."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from . import align, attribute, colour, image, regions, report
from .checkpoint import Network, load_network
from .checks import EditError, check
from .gallery.features import Looking
from .problem import Problem, from_direction, with_noise
from .recipe import objective
from .record import describe, edit_scores, write_record
from .settings import Edit
from .solver import Progress, Solution, Solver
from .types import Image, Mask


class Outcome(NamedTuple):
    """What an edit gave: the solution, what it was made from, and its record."""

    solution: Solution
    reference: Image
    scores: dict[str, object]
    record: dict[str, object]
    notes: tuple[str, ...]
    """Remarks for the person at the terminal."""
    out: Path


def edit(config: Edit, progress: Progress | None = None, looking: Looking = lambda done, total: None) -> list[Outcome]:
    """Do one edit and write its pictures, records and strip; nothing is written when anything is wrong.

    Args:
        config: what to do.
        progress: told of the descent, see `Solver.run`; its steps are those of all strengths.
        looking: told how many faces of a gallery are described, where that has not been done before.

    Returns:
        One outcome for each strength, in their order; fewer where the descent was interrupted.

    Raises:
        EditError, ImageError, CheckpointError, GalleryError, AlignError: all of them ValueErrors, each with a message of one line.
    """
    check(config)
    network = load_network(config.params)
    size = config.size or network.size
    reference = align.load_face(config.reference, size, config.align, _pick(config))
    source = attribute.find(config, network, reference, attribute.open_pool(config, network, looking))
    masks = masks_of(config, reference, guided=source.guided)
    if config.colour_at != "everywhere" and "inside" not in masks:
        raise EditError(f"--colour-at {config.colour_at} needs a place where the attribute acts; give --region or --mask")
    solver, problem = build(config, network, reference.image, source, masks)
    began = time.perf_counter()
    solver.compile(network.params, problem(config.strength[0]))
    compiled = time.perf_counter() - began
    outcomes: list[Outcome] = []
    for number, (strength, out) in enumerate(zip(config.strength, config.outputs, strict=True)):
        made = problem(strength)
        if outcomes:
            made = made._replace(start=outcomes[-1].solution.image)
        began = time.perf_counter()
        solution = solver.run(network.params, made, progress and _later(progress, number * config.steps))
        seconds = {"compile": round(compiled, 3), "run": round(time.perf_counter() - began, 3)}
        one = dataclasses.replace(config, strength=(strength,), out=out)
        outcomes.append(_outcome(one, network, reference, source, masks.get("inside"), solution, seconds))
        if solution.status == "interrupted":
            break
    for outcome in outcomes:
        _write(config, outcome, reference)
    if config.strip:
        guides = [("guide", guide.image) for guide in source.guides]
        results = [(_caption(config, strength), outcome.solution.image) for strength, outcome in zip(config.strength, outcomes, strict=False)]
        image.save(config.strip, report.strip([("reference", reference.image), *guides, *results]))
    return outcomes


def build(
    config: Edit, network: Network, reference: Image, source: attribute.Source, masks: dict[str, Mask]
) -> tuple[Solver, Callable[[float], Problem]]:
    """The solver that the configuration asks for, and its problem for any strength."""
    area = float(np.mean(masks["inside"])) if "inside" in masks else None
    described = "fc7" in network.params and len(reference) == network.size
    terms = objective(config.weights, guided=source.guided, layers=source.layers, area=area, held="identity" in masks, described=described)

    def problem(strength: float) -> Problem:
        made = from_direction(network.params, terms, reference, source.direction, strength, masks=masks)
        return with_noise(made, jax.random.key(config.seed), config.noise) if config.noise else made

    return Solver(terms, config.steps, config.optimizer, config.learning_rate), problem


def masks_of(config: Edit, reference: align.Face, *, guided: bool) -> dict[str, Mask]:
    """`inside`, where the attribute acts, and `identity`, where the reference's maps are held; absent where there is no such limit."""
    size, masks = len(reference.image), dict[str, Mask]()
    inside, held = config.region or attribute.default_region(config, guided=guided) or "none", config.identity_region
    if not config.region and reference.note:  # nobody knows where the parts of this face are
        inside = "face" if guided else "none"
    if config.mask:
        masks["inside"] = _mask(config.mask, reference)
    elif inside.lower() != "none":
        masks["inside"] = regions.region(inside, size, reference.points)
    if config.identity_mask:
        masks["identity"] = _mask(config.identity_mask, reference)
    elif held and held.lower() != "none":
        masks["identity"] = regions.region(held, size, reference.points)
    elif not held and "inside" in masks:
        masks["identity"] = 1 - masks["inside"]
    elif not held and guided:  # guides are other people everywhere
        masks["identity"] = np.ones((size, size), np.float32)
    return masks


def _mask(path: Path, reference: align.Face) -> Mask:
    """A mask from a file, moved as the reference was."""
    mask, expected = image.load(path), reference.photo.shape
    if mask.shape != expected:
        raise EditError(f"{path}: the mask has {mask.shape[1]}x{mask.shape[0]} pixels, the reference {expected[1]}x{expected[0]}; they must be equal")
    return np.asarray(align.place_on(mask, reference.landmarks, reference.placement, len(reference.image))).mean(-1)


def _pick(config: Edit) -> align.Pick:
    """Which face of the reference is meant."""
    landmarks = np.array(config.landmarks).reshape(5, 2) if config.landmarks else None
    return align.Pick(config.face, landmarks, (config.box[0], config.box[1], config.box[2], config.box[3]) if config.box else None)


def _later(progress: Progress, steps: int) -> Progress:
    """Progress of a descent that follows on so many steps."""
    return lambda done, totals: progress(steps + done, totals)


def _outcome(
    config: Edit,
    network: Network,
    reference: align.Face,
    source: attribute.Source,
    inside: Mask | None,
    solution: Solution,
    seconds: dict[str, float],
) -> Outcome:
    """Colours, scores and record of one solution."""
    place = None if config.colour_at == "everywhere" or inside is None else inside if config.colour_at == "inside" else 1 - inside
    result = np.asarray(colour.matched(config.colour, solution.image, reference.image, place))
    solution = dataclasses.replace(solution, image=result)
    guides = [guide.image for guide in source.guides]
    scores = edit_scores(network, result, reference.image, source.heads, guides)
    record = describe(config, [*config.inputs, *(path for path, _ in source.chosen)], network, solution, scores, seconds)
    if source.chosen:
        record["guides"] = [{"path": str(path), "similarity": round(cosine, 4)} for path, cosine in source.chosen]
    notes = tuple(face.note for face in (reference, *source.guides) if face.note)
    return Outcome(solution, reference.image, scores, record, notes, config.out)


def _caption(config: Edit, strength: float) -> str:
    name = config.attribute or ("channels" if config.channels else "result")
    return name if config.gallery and strength == 1 else f"{name} {strength:+g}" if config.attribute or len(config.strength) > 1 else name


def _write(config: Edit, outcome: Outcome, reference: align.Face) -> None:
    result = outcome.solution.image
    if config.paste_back:
        result = align.paste_back(reference.photo, reference.placement, reference.image, result)
    image.save(outcome.out, result)
    write_record(outcome.out.with_suffix(".json"), outcome.record)
