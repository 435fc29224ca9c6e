"""How much of an attribute is natural on this very face: short trials tell how it responds.

The same direction does too much to one face and too little to another, and somebody who half smiles
needs half a smile. So each face is edited twice in a few steps, with the default weights; the
network scores the trials, and the strength is rescaled to take the score to what is usual for faces
with the attribute. A strength of 1 then means the same for everybody.

The factor depends on the face and the attribute alone, not on loss weights or learning rate.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..descent.problem import Problem, amplified
from ..names import by_spelling, normalise
from ..network import metrics
from ..network.devices import home, place
from ..network.protocol import Network
from ..types import Images
from .material import Material, program, weights
from .request import Request, resolve
from .settings import Jitter, Weights

TRIALS = (40, 20)
"""Steps of each trial: enough for its score to tell how the whole descent will end. A later trial
starts from the change of the one before, scaled to the new strength."""
STEPS = sum(TRIALS)
LEAST, MOST = 0.2, 1.3
"""Bounds of the factor: a direction is not trusted far beyond the faces that it was fitted on."""
SHARE = 0.75
"""A face reaches an attribute at this share of the way from the usual score without it to the usual
score with it: the median of those who have it shows it strongly."""
SMALLEST = 1e-3
"""A change of the score below this counts as none."""
NEUTRAL = {
    "weights": Weights(),
    "learning_rate": None,
    "strength": (1.0,),
    "noise": 0.0,
    "seed": 0,
    "steps": TRIALS[0],
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


def factors(cases: Sequence[Case], network: Network, problems: Problem) -> list[float]:
    """Return the factor on the strength of each edit, by a trial descent.

    Args:
        cases: edits that `applies` accepts.
        network: the network that solves and scores them.
        problems: their problems, stacked; those beyond the cases only fill the batch.
    """
    neutral = [resolve(replace(case.request.options, **NEUTRAL, jitter=Jitter())) for case in cases]
    pairs, count, size = zip(neutral, cases, strict=True), len(cases), len(problems.start)
    numbers = [weights(request, network, case.material) for request, case in pairs]
    strengths = np.array([abs(case.request.options.strength[0]) for case in cases])
    trials = problems._replace(
        weights=_filled(np.array(numbers, np.float32), size),
        learning_rate=np.full(size, neutral[0].learning_rate, np.float32),
        seed=np.zeros(size, np.uint32),
    )
    images = references = np.asarray(problems.targets.reference["image"])[:count]
    tried, scores = [np.zeros(count)], [_scores(network, images, size)]
    found, solver = np.ones(count), program(neutral[0], network)
    for steps in TRIALS:
        factor = _filled((found / strengths).astype(np.float32), size)
        trial = amplified(trials._replace(start=_filled(images, size)), factor)
        trial = place(trial, home(network.params))
        solutions = replace(solver, steps=steps).run_stacked(network, trial, count)
        images = np.stack([solution.image for solution in solutions])
        tried.append(found)
        scores.append(_scores(network, images, size))
        rows = zip(cases, np.stack(tried, 1), np.stack(scores, 1), strict=True)
        found = np.array([_factor(case, network, *points) for case, *points in rows])
        ratio = np.reshape((found / tried[-1]).astype(np.float32), (-1, 1, 1, 1))
        images = np.clip(references + ratio * (images - references), 0, 1)
    return found.tolist()


def _filled(rows: np.ndarray, size: int) -> np.ndarray:
    """Repeat the last row up to `size` rows."""
    return rows[np.minimum(np.arange(size), len(rows) - 1)]


def _scores(network: Network, images: Images, size: int) -> Float[np.ndarray, "batch attributes"]:
    logits = [judged.logits for judged in metrics.judge(network, images, size)]
    return np.array(logits)


def _factor(
    case: Case,
    network: Network,
    tried: Float[np.ndarray, " trials"],
    scores: Float[np.ndarray, "trials attributes"],
) -> float:
    """Return the factor that takes the scores where they belong.

    Several attributes share the mean of their factors.
    """
    source, found = case.material.source, list[float]()
    known, sign = (
        by_spelling(network.attributes),
        math.copysign(1, case.request.options.strength[0]),
    )
    for (name, amount), (without, having) in zip(source.heads, source.levels, strict=True):
        column = scores[:, network.attributes.index(known[normalise(name)])]
        amount *= sign
        usual, wanted = (without, having) if amount > 0 else (-having, -without)
        level = usual + SHARE * (wanted - usual)
        values = column if amount > 0 else -column
        reached = float(values[0] + abs(amount) * (level - values[0]))
        found.append(float(np.clip(_crossing(tried, values, reached), LEAST, MOST)))
    return sum(found) / len(found)


def _crossing(
    tried: Float[np.ndarray, " trials"], scores: Float[np.ndarray, " trials"], level: float
) -> float:
    """Return where scores reach a level, linear between the trials and beyond the last."""
    order = np.argsort(tried)
    tried, scores = tried[order], scores[order]
    last = len(tried) - 1
    end = next((index for index in range(1, last) if scores[index] >= level), last)
    rise = (scores[end] - scores[end - 1]) / max(tried[end] - tried[end - 1], SMALLEST)
    return float(tried[end - 1] + (level - scores[end - 1]) / max(rise, SMALLEST))
