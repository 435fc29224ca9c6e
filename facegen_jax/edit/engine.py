"""One edit from files to files: material, solutions, records."""

import dataclasses
import time
from pathlib import Path
from typing import NamedTuple

from ..descent.solver import Progress, Solution
from ..faces import image
from ..faces.strip import strip
from ..gallery.features import Looking
from ..network.checkpoint import Network, load_network
from ..types import Image
from . import attribute
from .checks import check
from .material import Finished, Material, assemble, finish, gather, program
from .record import describe, write_record
from .settings import Edit


class Outcome(NamedTuple):
    """What an edit gave: the solution, what it was made from, and its record."""

    solution: Solution
    reference: Image
    scores: dict[str, object]
    record: dict[str, object]
    notes: tuple[str, ...]
    """Remarks for the person at the terminal."""
    out: Path


def edit(
    config: Edit, progress: Progress | None = None, looking: Looking = lambda done, total: None
) -> list[Outcome]:
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
    material = gather(config, network, attribute.open_pool(config, network, looking))
    finished: list[tuple[Finished, Outcome]] = []
    solver = program(config, network)
    began = time.perf_counter()
    solver.compile(network.params, assemble(config, network, material))
    compiled = time.perf_counter() - began
    for number, (strength, out) in enumerate(zip(config.strength, config.outputs, strict=True)):
        one = dataclasses.replace(config, strength=(strength,), out=out)
        problem = assemble(one, network, material)
        if finished:
            problem = problem._replace(start=finished[-1][0].image)
        began = time.perf_counter()
        solution = solver.run(
            network.params, problem, progress and _later(progress, number * config.steps)
        )
        seconds = {"compile": round(compiled, 3), "run": round(time.perf_counter() - began, 3)}
        found = finish(one, network, material, solution.image)
        finished.append(
            (
                found,
                _outcome(
                    one,
                    network,
                    material,
                    dataclasses.replace(solution, image=found.image),
                    found.scores,
                    seconds,
                ),
            )
        )
        if solution.status == "interrupted":
            break
    _write(config, material, finished)
    return [outcome for _, outcome in finished]


def _later(progress: Progress, steps: int) -> Progress:
    """Progress of a descent that follows on so many steps."""
    return lambda done, totals: progress(steps + done, totals)


def _outcome(
    config: Edit,
    network: Network,
    material: Material,
    solution: Solution,
    scores: dict[str, object],
    seconds: dict[str, float],
) -> Outcome:
    chosen = material.source.chosen
    record = describe(
        config, [*config.inputs, *(path for path, _ in chosen)], network, solution, scores, seconds
    )
    if chosen:
        record["guides"] = [
            {"path": str(path), "similarity": round(cosine, 4)} for path, cosine in chosen
        ]
    return Outcome(solution, material.reference.image, scores, record, material.notes, config.out)


def _write(config: Edit, material: Material, finished: list[tuple[Finished, Outcome]]) -> None:
    for found, outcome in finished:
        image.save(outcome.out, found.picture)
        write_record(outcome.out.with_suffix(".json"), outcome.record)
    if config.strip:
        guides = [("guide", guide.image) for guide in material.source.guides]
        results = [
            (_caption(config, strength), found.image)
            for strength, (found, _) in zip(config.strength, finished, strict=False)
        ]
        image.save(
            config.strip, strip([("reference", material.reference.image), *guides, *results])
        )


def _caption(config: Edit, strength: float) -> str:
    name = config.attribute or ("channels" if config.channels else "result")
    return (
        name
        if config.gallery and strength == 1
        else f"{name} {strength:+g}"
        if config.attribute or len(config.strength) > 1
        else name
    )
