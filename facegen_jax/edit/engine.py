"""One edit from files to files: material, solutions, records."""

import dataclasses
import math
import time
from typing import NamedTuple

from ..bars import continued
from ..descent.objective import Objective
from ..descent.problem import Problem, amplified
from ..descent.solution import Solution
from ..descent.solver import Solver
from ..faces import image
from ..faces.strip import strip
from ..network.checkpoint import load_network
from ..network.metrics import Judged
from ..network.protocol import Network
from ..types import Image, Progress, StepProgress
from .calibration import Case, applies, factors
from .checks import check_outputs
from .finished import Finished, Solved, finish, written
from .material import Material, gather, program
from .pool import open_pool
from .record import chosen_guides, describe, write_record
from .request import AttributeSource, Own, Request, resolve
from .settings import Edit
from .stacking import Prepared, prepare, stack


class Outcome(NamedTuple):
    """The outcome for one strength: solution, final image, record; notebooks show it."""

    options: Edit
    """The edit's options, with this strength and output alone."""
    solution: Solution
    finished: Finished
    written: Image
    """The final image, or the whole photo with it pasted back, `height width 3` in [0, 1]."""
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
    compiled = _compile(solver, network, prepare(request, network, material))
    outcomes, calibrated, memory = list[Outcome](), dict[float, float](), dict[str, Judged]()
    for index, (strength, out) in enumerate(zip(options.strength, options.outputs, strict=True)):
        single = resolve(dataclasses.replace(options, strength=(strength,), out=out), own)
        began = time.perf_counter()
        problem, factor = _problem(single, network, material, calibrated)
        if outcomes:
            problem = problem._replace(start=outcomes[-1].finished.image[None])
        follow = step_progress and continued(step_progress, index * options.steps)
        (solution,) = solver.run_stacked(network, problem, progress=follow)
        seconds = {"compile": compiled, "run": round(time.perf_counter() - began, 3)}
        solved = Solved(single, material, solution.image, factor)
        (finished,) = finish(network, [solved], memory, size=1)
        outcomes.append(_outcome(single, network, material, solution, finished, seconds))
        if solution.status == "interrupted":
            break
    _write(options, material, outcomes)
    return outcomes


def _compile(solver: Solver, network: Network, prepared: Prepared) -> float:
    """Compile by taking no step; return the seconds that it took."""
    began = time.perf_counter()
    problems = stack(network, [prepared])
    solver.advance(network, problems, solver.start(network, problems), 0)
    return round(time.perf_counter() - began, 3)


def _problem(
    request: Request, network: Network, material: Material, known: dict[float, float]
) -> tuple[Problem, float | None]:
    """Build the problem at its calibrated strength, as a batch of one.

    Also return the factor on the strength, None without one; it is measured once for either sign.
    """
    problem = stack(network, [prepare(request, network, material)])
    if not applies(request, network, material):
        return problem, None
    sign = math.copysign(1, request.options.strength[0])
    if sign not in known:
        (known[sign],) = factors([Case(request, material)], network, problem)
    return amplified(problem, known[sign]), known[sign]


def _outcome(
    request: Request,
    network: Network,
    material: Material,
    solution: Solution,
    finished: Finished,
    seconds: dict[str, float],
) -> Outcome:
    options, chosen = request.options, material.source.chosen
    solution = dataclasses.replace(solution, image=finished.image)
    inputs = [*options.inputs, *(path for path, _ in chosen)]
    record = describe(options, inputs, network, solution, finished.scores, seconds)
    if chosen:
        record["guides"] = chosen_guides(chosen)
    record["notes"] = list(material.notes)
    reference, whole = material.reference.image, written(request, material, finished)
    return Outcome(options, solution, finished, whole, reference, record, material.notes)


def _write(options: Edit, material: Material, outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        image.save(outcome.options.out, outcome.written)
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
