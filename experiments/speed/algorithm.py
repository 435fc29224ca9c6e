"""Time algorithms until the objective is within 5 % of the best that any of them found.

    python experiments/speed/algorithm.py

The 16 problems move one portrait by four attributes at four strengths, by maps of two layers and
total variation, as Deep Feature Interpolation does. SciPy's L-BFGS-B and Adam take gradients from
PyTorch, one problem after the other; both are timed to the evaluation that first is near enough.
Ours run as one batch: a problem takes its steps until it is near enough, each at the batch's time
for one step of one problem. `warm` solves strength 1 first, and starts the other strengths from
their share of its change. Times are medians over the problems, and the whole of them.
"""

import os
import time
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
import tyro
from PIL import Image
from pytorch import RGB, Descent, channels_first
from scipy.optimize import minimize
from skimage.data import astronaut

import facegen_jax as fg

LAYERS, SMOOTHNESS = ("conv3_3", "conv4_3"), 1.0
ATTRIBUTES = ("Eyeglasses", "Smiling", "Mustache", "Bangs")
STRENGTHS = (0.5, 1.0, 1.5, 2.0)
RATES = (0.02, 0.05, 0.1)
"""Learning rates of Adam in PyTorch; the best counts."""
NEAR = 1.05
OBJECTIVE = 1.0 * fg.Attribute(LAYERS) + SMOOTHNESS * fg.TotalVariation()
CONSTANT = optax.constant_schedule(1.0)
QUICK = fg.Optimizer(optax.chain(optax.scale_by_adam(0.7, 0.99), optax.scale(-1.0)), 0.05)
"""Adam with a short memory: few steps are taken."""
NEWTON = fg.Optimizer(optax.chain(optax.scale_by_lbfgs(10), optax.scale(-1.0)), 1.0)
"""L-BFGS without a line search, which would cost two evaluations a step."""


@dataclass
class Config:
    """Time algorithms on 16 problems."""

    evaluations: int = 500
    """Evaluations of SciPy."""
    steps: int = 100
    """Steps of Adam in PyTorch."""


class Curve:
    """Objective and time after each evaluation of one problem."""

    def __init__(self, totals, seconds):
        self.totals = np.minimum.accumulate(totals)
        self.seconds = np.asarray(seconds)

    def until(self, near):
        """Return the seconds and evaluations until the objective is below a value."""
        below = np.flatnonzero(self.totals <= near)
        return (self.seconds[below[0]], below[0] + 1) if len(below) else (np.inf, np.inf)


def timed(theirs):
    """Return a function that evaluates the loss and its gradient, and its growing record."""
    totals, seconds = list[float](), list[float]()
    began = time.perf_counter()

    def evaluate(images):
        images.grad = None
        total = theirs.loss(images)
        total.backward()
        totals.append(total.item())
        seconds.append(time.perf_counter() - began)
        return totals[-1]

    return evaluate, lambda: Curve(totals, seconds)


def scipy(theirs, evaluations):
    start = theirs.references.contiguous().numpy().ravel()
    evaluate, curve = timed(theirs)

    def both(flat):
        images = torch.from_numpy(flat.astype(np.float32)).reshape(theirs.references.shape)
        images.requires_grad_()
        total = evaluate(images)
        assert images.grad is not None
        return total, images.grad.numpy().ravel().astype(np.float64)

    limits = {"maxfun": evaluations, "maxiter": evaluations}
    minimize(both, start, jac=True, method="L-BFGS-B", bounds=[(0, 1)] * start.size, options=limits)
    return curve()


def adam(theirs, rate, steps):
    images = theirs.references.clone().requires_grad_()
    optimizer = torch.optim.Adam([images], lr=rate)
    evaluate, curve = timed(theirs)
    for _ in range(steps):
        evaluate(images)
        optimizer.step()
        with torch.no_grad():
            images.clamp_(0, 1)
    return curve()


def ours(network, problems, optimizer, steps=40, rate=None):
    """Solve all problems as one batch; return their curves."""
    solver = fg.Solver(OBJECTIVE, steps, optimizer, rate, canvas=RGB(), schedule=CONSTANT)
    fg.run_batch(solver, network, problems)
    began = time.perf_counter()
    solutions = fg.run_batch(solver, network, problems)
    each = (time.perf_counter() - began) / steps / len(problems)
    return [Curve(s.trace["total"], each * np.arange(1, steps + 1)) for s in solutions], solutions


def warm(network, problems, reference):
    """Solve strength 1 of each attribute, then the rest from its share of the change."""
    firsts = [index for index in range(len(problems)) if _strength(index) == 1.0]
    curves, solutions = ours(network, [problems[index] for index in firsts], QUICK)
    changes = [solution.image - reference for solution in solutions]
    others = [index for index in range(len(problems)) if index not in firsts]
    starts = [
        np.clip(reference + _strength(index) * changes[index // len(STRENGTHS)], 0, 1)
        for index in others
    ]
    moved = [
        problems[index]._replace(start=jnp.asarray(start))
        for index, start in zip(others, starts, strict=True)
    ]
    found = dict(zip(firsts, curves, strict=True))
    found |= dict(zip(others, ours(network, moved, QUICK, rate=0.02)[0], strict=True))
    return [found[index] for index in range(len(problems))]


def _strength(index):
    return STRENGTHS[index % len(STRENGTHS)]


def main(config: Config) -> None:
    torch.set_num_threads(os.cpu_count() or 1)
    jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)
    network = fg.load_network()
    face = Image.fromarray(astronaut()).crop((140, 20, 310, 190)).resize((112, 112))
    reference = np.asarray(face, np.float32) / 255
    problems = [
        fg.from_direction(
            network, OBJECTIVE, reference, fg.load_direction(network, name).maps, strength=strength
        )
        for name in ATTRIBUTES
        for strength in STRENGTHS
    ]
    curves: dict[str, list[Curve]] = {}
    for problem in problems:
        theirs = Descent(network.params, reference[None], SMOOTHNESS)
        maps = problem.targets.maps["attribute"]
        weight = 1 / len(LAYERS)
        theirs.aim([(name, channels_first(maps[name][None]), weight) for name in LAYERS])
        theirs.loss(theirs.references.clone().requires_grad_()).backward()  # warm
        curves.setdefault("SciPy L-BFGS-B, PyTorch", []).append(scipy(theirs, config.evaluations))
        for rate in RATES:
            name = f"Adam at {rate}, PyTorch"
            curves.setdefault(name, []).append(adam(theirs, rate, config.steps))
    curves["L-BFGS, ours"], _ = ours(network, problems, "lbfgs")
    curves["L-BFGS without line search, ours"], _ = ours(network, problems, NEWTON)
    curves["Adam (0.7, 0.99) at 0.05, ours"], _ = ours(network, problems, QUICK)
    curves["the same, warm, ours"] = warm(network, problems, reference)
    report(curves)


def report(curves):
    best = [min(curve.totals[-1] for curve in each) for each in zip(*curves.values(), strict=True)]
    print(f"jax {jax.__version__}, torch {torch.__version__}, {os.cpu_count()} cores")
    print("| algorithm | evaluations, median | s each, median | s, all 16 | not reached |")
    print("|---|---|---|---|---|")
    for name, each in curves.items():
        found = [curve.until(NEAR * low) for curve, low in zip(each, best, strict=True)]
        seconds, counts = np.array(found).T
        reached = np.isfinite(seconds)
        print(
            f"| {name} | {np.median(counts):.0f} | {np.median(seconds):.3f} "
            f"| {seconds.sum():.2f} | {np.count_nonzero(~reached)} |"
        )


if __name__ == "__main__":
    main(tyro.cli(Config))
