"""Edit people of a gallery in one way, over its strengths."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from people import Half, belongs
from tqdm import tqdm
from ways import Way

from facegen_jax.descent.batch import run_batch
from facegen_jax.descent.problem import Problem, stack
from facegen_jax.descent.solution import Solution
from facegen_jax.descent.solver import Solver
from facegen_jax.edit import calibration
from facegen_jax.edit.material import Material, gather, program
from facegen_jax.edit.pool import Pool
from facegen_jax.edit.request import Request, resolve
from facegen_jax.edit.settings import Edit, Weights
from facegen_jax.edit.stacking import assemble
from facegen_jax.gallery.labels import Choice, Gallery, having, knows, lacking
from facegen_jax.network.protocol import Network
from facegen_jax.types import Image

OPPOSITES = {
    "Eyeglasses": "No Eyewear",
    "Smiling": "Frowning",
    "Mouth Slightly Open": "Mouth Closed",
    "Senior": "Youth",
    "Male": "Female",
}
"""Labels of classifiers are clean only as pairs of opposites."""
BATCH = 6


class Case(NamedTuple):
    """One person without an attribute that is to come."""

    attribute: str
    row: int
    """Row in the gallery."""


def label(gallery: Gallery, attribute: str) -> str:
    """Return an attribute's name in the gallery, with its opposite if that is labelled too."""
    opposite = OPPOSITES.get(attribute)
    return f"{attribute}/{opposite}" if opposite and knows(gallery, opposite) else attribute


def of_half(gallery: Gallery, half: Half) -> Choice:
    """Choose the faces of the people of one half."""
    pairs = zip(gallery.identities, gallery.filenames, strict=True)
    identities = np.array([identity or filename for identity, filename in pairs])
    return belongs(gallery.folder.resolve().name, identities, half)


def one_photo_each(gallery: Gallery, chosen: Choice, count: int) -> list[int]:
    """Return the rows of one photo each of `count` people, or of all, spread over the table."""
    first: dict[str, int] = {}
    for row in np.flatnonzero(chosen).tolist():
        first.setdefault(gallery.identities[row] or gallery.filenames[row], row)
    rows = list(first.values())
    return [rows[i] for i in np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]


def choose_cases(
    gallery: Gallery, attributes: tuple[str, ...], half: Half, count: int
) -> list[Case]:
    """Return `count` people of a half who lack each attribute, one photo each, spread evenly.

    Nobody is looked at: labels and order of the table decide.
    """
    mine, cases = of_half(gallery, half), []
    for attribute in attributes:
        able = mine & lacking(gallery, label(gallery, attribute))
        if attribute == "Mustache" and knows(gallery, "Male"):
            able &= having(gallery, "Male")
        cases += [Case(attribute, row) for row in one_photo_each(gallery, able, count)]
    return cases


def request_of(way: Way, pool: Pool, case: Case, **options: Any) -> Request:
    """Return the edit of one case, at a strength of 1, with further options."""
    gallery, options = pool.gallery, {**way.options, **options}
    options["weights"] = Weights(**options.get("weights", {}))
    attribute = case.attribute
    if way.gallery:
        options["gallery"] = gallery.folder
        if options.get("target", "difference") == "difference":
            attribute = label(gallery, attribute)
        if knows(gallery, "Male") and case.attribute != "Mustache":
            options.setdefault("match", ("Male",))
    edit = Edit(gallery.path(case.row), Path("out.png"), attribute=attribute)
    return resolve(replace(edit, **options))


def edit_over_strengths(
    way: Way, network: Network, pool: Pool, cases: list[Case], steps: int
) -> Iterator[tuple[float, list[Image], list[Image]]]:
    """Yield each strength with the references and the results of all cases.

    As with several strengths on the command line, each descent starts from the result before.
    """
    requests = [request_of(way, pool, case, steps=steps) for case in cases]
    materials = [
        gather(request, network, pool if way.gallery else None)
        for request in tqdm(requests, "faces and attributes", leave=False)
    ]
    references = [material.reference.image for material in materials]
    results = references
    calibrated = [1.0] * len(cases) if way.baseline else _factors(network, requests, materials)
    for strength in way.strengths:
        if way.baseline:
            results = [way.baseline(material, strength) for material in materials]
        else:
            strengths = [strength * factor for factor in calibrated]
            solutions = _descend(network, requests, materials, results, strengths)
            results = images(solutions)
        yield strength, references, results


def images(solutions: list[Solution]) -> list[Image]:
    """Return the images of solutions."""
    return [solution.image for solution in solutions]


def solve(
    network: Network, pool: Pool, requests: list[Request]
) -> tuple[list[Image], list[Solution]]:
    """Solve edits at a strength of 1; return their references and solutions."""
    materials = [
        gather(request, network, pool if request.options.gallery else None)
        for request in tqdm(requests, "faces and attributes", leave=False)
    ]
    references = [material.reference.image for material in materials]
    strengths = _factors(network, requests, materials)
    return references, _descend(network, requests, materials, references, strengths)


def _factors(network: Network, requests: list[Request], materials: list[Material]) -> list[float]:
    """Return the calibrated factor on the strength of each case; 1 without calibration."""
    found = list[float]()
    for case in map(calibration.Case, requests, materials):
        problems = stack([assemble(case.request, network, case.material)])
        applied = calibration.applies(case.request, network, case.material)
        found += calibration.factors([case], network, problems) if applied else [1.0]
    return found


def _descend(
    network: Network,
    requests: list[Request],
    materials: list[Material],
    starts: list[Image],
    strengths: list[float],
) -> list[Solution]:
    """Solve all cases, each at its strength; those of one program in one batch."""
    problems, solvers = list[Problem](), dict[Solver, list[int]]()
    rows = zip(requests, materials, starts, strengths, strict=True)
    for index, (request, material, start, strength) in enumerate(rows):
        single = resolve(replace(request.options, strength=(strength,)))
        problems.append(assemble(single, network, material)._replace(start=start))
        solvers.setdefault(program(single, network), []).append(index)
    solved = dict[int, Solution]()
    for solver, indices in solvers.items():
        mine = [problems[index] for index in indices]
        found = run_batch(solver, network, mine, batch_size=min(BATCH, len(mine)))
        solved.update(zip(indices, found, strict=True))
    return [solved[index] for index in range(len(problems))]
