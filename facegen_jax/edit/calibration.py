"""How much of an attribute is natural on this very face: a short trial tells how it responds.

The same direction does too much to one face and too little to another, and somebody who half smiles
needs half a smile. So each face is edited once with the default weights in a few steps, the
network scores the trial, and the strength is rescaled to take the score to what is usual for faces
with the attribute. A strength of 1 then means the same for everybody.

The factor depends on the face and the attribute alone, not on loss weights or learning rate.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ..descent.batch import padded
from ..descent.problem import Problem, amplified
from ..names import by_spelling, normalise
from ..network import metrics
from ..network.protocol import Network
from ..types import Image
from .material import Material, program, weights
from .request import Request, resolve
from .settings import Jitter, Weights

STEPS = 40
"""Steps of the trial: enough for its score to tell how the whole descent will end."""
LEAST, MOST = 0.3, 1.8
"""Bounds of the factor: a direction is not trusted far beyond the faces that it was fitted on."""
SMALLEST = 1e-3
"""A change of the score below this counts as none."""
NEUTRAL = {
    "weights": Weights(),
    "learning_rate": None,
    "strength": (1.0,),
    "noise": 0.0,
    "seed": 0,
    "steps": STEPS,
    "optimizer": "adam",
    "paste_back": False,
    "term_weights": (),
}
"""Constants for the options that affect neither the material nor the factor, so that runs that
differ only in these share both."""


class Case(NamedTuple):
    """An edit whose strength is to be calibrated."""

    request: Request
    material: Material


def applies(request: Request, network: Network, material: Material) -> bool:
    """Return whether an edit is calibrated.

    It is if the network scores its attribute, and no objective of the user's own gives strength
    another meaning.
    """
    known, source = by_spelling(network.attributes), material.source
    return (
        request.options.scaling == "calibrated"
        and request.objective is None
        and request.options.strength[0] != 0
        and bool(source.levels)
        and all(normalise(name) in known for name, _ in source.heads)
    )


def factors(
    cases: Sequence[Case], network: Network, problems: Problem, size: int | None = None
) -> list[float]:
    """Return the factor on the strength of each edit, by a trial descent.

    Args:
        cases: edits that `applies` accepts.
        network: the network that solves and scores them.
        problems: their problems, stacked.
        size: pad the trials to this number and spread them over all devices.
    """
    neutral = [resolve(replace(case.request.options, **NEUTRAL, jitter=Jitter())) for case in cases]
    pairs = zip(neutral, cases, strict=True)
    numbers = [weights(request, network, case.material) for request, case in pairs]
    strengths = [abs(case.request.options.strength[0]) for case in cases]
    trials = amplified(problems, 1 / jnp.array(strengths, jnp.float32))._replace(
        start=problems.targets.reference["image"],
        weights=jnp.array(numbers, jnp.float32),
        learning_rate=jnp.full(len(cases), neutral[0].learning_rate, jnp.float32),
        seed=jnp.zeros(len(cases), jnp.uint32),
    )
    solver = program(neutral[0], network)
    solutions = solver.run_stacked(network, *(padded(trials, size) if size else (trials, None)))
    return [
        _factor(case, network, solution.image)
        for case, solution in zip(cases, solutions, strict=True)
    ]


def _factor(case: Case, network: Network, trial: Image) -> float:
    """Return the factor that takes the scores where they belong, by the secant through the trial.

    Several attributes share the mean of their factors.
    """
    (reference, source, _), found = case.material, list[float]()
    images = jnp.stack([jnp.asarray(reference.image), jnp.asarray(trial)])
    before, after = np.asarray(metrics.attribute_scores(network, images))
    known = by_spelling(network.attributes)
    for (name, amount), (without, having) in zip(source.heads, source.levels, strict=True):
        column = network.attributes.index(known[normalise(name)])
        amount *= math.copysign(1, case.request.options.strength[0])
        wanted = abs(amount) * ((having if amount > 0 else without) - before[column])
        change = after[column] - before[column]
        if amount < 0:
            wanted, change = -wanted, -change
        found.append(float(np.clip(wanted / max(change, SMALLEST), LEAST, MOST)))
    return sum(found) / len(found)
