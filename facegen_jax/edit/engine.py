"""One edit from files to files: material, solutions, records."""

import dataclasses
import math
import time
from typing import NamedTuple

from ..bars import continued
from ..descent.objective import Objective
from ..descent.problem import Problem, amplified, stack
from ..descent.solution import Solution
from ..faces import image
from ..faces.strip import strip
from ..network.checkpoint import load_network
from ..network.protocol import Network
from ..types import Image, Progress, StepProgress
from .calibration import Case, applies, factors
from .checks import check_outputs
from .material import Finished, Material, assemble, finish, gather, program
from .pool import open_pool
from .record import chosen_guides, describe, write_record
from .request import AttributeSource, Own, Request, resolve
from .settings import Edit


class Outcome(NamedTuple):
    """The outcome for one strength: solution, final image, record; notebooks show it."""

    options: Edit
    """The edit's options, with this strength and output alone."""
    solution: Solution
    finished: Finished
    reference: Image
    """The face as it was edited, `height width 3` in [0, 1]."""
    record: dict[str, object]
    notes: tuple[str, ...]
    """Remarks for the person at the terminal."""

    def _repr_html_(self) -> str:
        """Show the outcome in a notebook as its solution."""
        return self.solution._repr_html_()

    @property
    def scores(self) -> dict[str, object]:
        """Scores of the final image; see `edit_scores`."""
        return self.finished.scores


def edit(
    options: Edit,
    step_progress: StepProgress | None = None,
    progress: Progress | None = None,
    *,
    objective: Objective | None = None,
    source: AttributeSource | None = None,
    network: Network | None = None,
) -> list[Outcome]:
    """Run one edit and write its images, records and strip; errors leave nothing half-written.

    Args:
        options: what to do.
        step_progress: follows the descent, see `Solver.run`, over the steps of all strengths.
        progress: counts the faces of a gallery whose features must be computed first.
        objective: an objective of your own, in place of the default and of `options.objective`.
        source: an attribute source of your own, in place of `options.source`.
        network: a network of your own, in place of `options.params`.

    Returns:
        An outcome for each strength, in order; fewer if the descent was interrupted.

    Raises:
        EditError, ImageError, CheckpointError, GalleryError, AlignError: ValueErrors of one line.
    """
    own = Own(objective, source)
    request = resolve(options, own)
    check_outputs(options)
    network = network or load_network(options.params)
    solver = program(request, network)
    material = gather(request, network, open_pool(request, network, progress))
    began = time.perf_counter()
    solver.compile(network, assemble(request, network, material))
    compiled = round(time.perf_counter() - began, 3)
    outcomes: list[Outcome] = []
    calibrated: dict[float, float] = {}
    for index, (strength, out) in enumerate(zip(options.strength, options.outputs, strict=True)):
        single = resolve(dataclasses.replace(options, strength=(strength,), out=out), own)
        began = time.perf_counter()
        problem, factor = _problem(single, network, material, calibrated)
        if outcomes:
            problem = problem._replace(start=outcomes[-1].finished.image)
        follow = step_progress and continued(step_progress, index * options.steps)
        solution = solver.run(network, problem, follow)
        seconds = {"compile": compiled, "run": round(time.perf_counter() - began, 3)}
        outcomes.append(_outcome(single, network, material, solution, factor, seconds))
        if solution.status == "interrupted":
            break
    _write(options, material, outcomes)
    return outcomes


def _problem(
    request: Request, network: Network, material: Material, known: dict[float, float]
) -> tuple[Problem, float | None]:
    """Build the problem at its calibrated strength.

    Also return the factor on the strength, None without one; it is measured once for either sign.
    """
    problem = assemble(request, network, material)
    if not applies(request, network, material):
        return problem, None
    sign = math.copysign(1, request.options.strength[0])
    if sign not in known:
        (known[sign],) = factors([Case(request, material)], network, stack([problem]))
    return amplified(problem, known[sign]), known[sign]


def _outcome(
    request: Request,
    network: Network,
    material: Material,
    solution: Solution,
    factor: float | None,
    seconds: dict[str, float],
) -> Outcome:
    options, chosen = request.options, material.source.chosen
    finished = finish(request, network, material, solution.image, factor)
    solution = dataclasses.replace(solution, image=finished.image)
    inputs = [*options.inputs, *(path for path, _ in chosen)]
    record = describe(options, inputs, network, solution, finished.scores, seconds)
    if chosen:
        record["guides"] = chosen_guides(chosen)
    record["notes"] = list(material.notes)
    reference = material.reference.image
    return Outcome(options, solution, finished, reference, record, material.notes)


def _write(options: Edit, material: Material, outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        image.save(outcome.options.out, outcome.finished.written)
        write_record(outcome.options.out.with_suffix(".json"), outcome.record)
    if options.strip:
        guides = [("guide", guide.image) for guide in material.source.guides]
        results = [(_caption(outcome.options), outcome.finished.image) for outcome in outcomes]
        shown = [("reference", material.reference.image), *guides, *results]
        image.save(options.strip, strip(shown))


def _caption(options: Edit) -> str:
    """Caption a result with its attribute, and its strength where that says something."""
    (strength,) = options.strength
    name = options.attribute or ("channels" if options.channels else "result")
    plain = options.guides or options.source or (options.gallery and strength == 1)
    return name if plain and strength == 1 else f"{name} {strength:+g}"
