"""The descent on pixels: a frozen `Solver`, a small state, one compiled loop over many problems.

Every number (loss weights, learning rate, steps, pictures) is an argument of the compiled program; only terms, optimizer, canvas
and shapes make a new one.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from .canvas import Canvas, Pixels, clip
from .objective import Objective
from .problem import Problem, stack
from .types import Image, Images, Params, Scalar
from .vgg_face import extract

LEARNING_RATES = {"adam": 0.02, "sgd": 0.003, "lbfgs": 1.0}
"""Defaults. Adam: pixel value a step. SGD: on the loss of one pixel (the gradient times the number of pixels), so that picture
size does not matter. L-BFGS: multiplies the step that the line search found."""
CHUNK = 10
"""Steps between two looks of the host (progress, interruption)."""


class State(NamedTuple):
    """What one problem carries from step to step."""

    parameters: Array
    """Of the canvas."""
    optimizer: optax.OptState
    best_image: Image
    best_total: Scalar
    finite: Bool[Array, ""]
    """False once a loss or gradient was not finite; the problem is frozen from then on."""


@dataclass(frozen=True)
class Solution:
    """The outcome of one problem."""

    image: Float[np.ndarray, "height width 3"]
    """The picture with the smallest total loss that was met, clipped to [0, 1]."""
    trace: dict[str, Float[np.ndarray, " steps"]]
    """Loss at the start of every step, `"total"` and each unweighted term; not a number after a problem was frozen."""
    status: Literal["ok", "non_finite", "interrupted"]

    @property
    def parts(self) -> dict[str, tuple[float, float]]:
        """First and last finite value of the total and of every unweighted term."""
        finite = np.isfinite(self.trace["total"])
        return {
            name: (float(values[finite][0]), float(values[finite][-1])) if finite.any() else (math.nan, math.nan)
            for name, values in self.trace.items()
        }


Progress = Callable[[int, Float[np.ndarray, " batch"]], bool | None]
"""Called between chunks with steps done and each problem's total; returning True stops there."""


@dataclass(frozen=True)
class Solver:
    """How to descend. Solvers that differ in numbers only are equal and share one compiled program."""

    objective: Objective
    steps: int = field(default=200, compare=False)
    optimizer: Literal["adam", "sgd", "lbfgs"] = "adam"
    learning_rate: float | None = field(default=None, compare=False)
    """None is the optimizer's default in `LEARNING_RATES`."""
    canvas: Canvas = field(default_factory=Pixels)

    def __post_init__(self):
        if self.optimizer not in LEARNING_RATES:
            raise ValueError(f"optimizer {self.optimizer!r}; expected one of {', '.join(LEARNING_RATES)}")
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, not {self.steps}")

    def compile(self, params: Params, problem: Problem) -> None:
        """Compile for one problem of this shape, by running no step of it."""
        problems, zero = self._with_numbers(stack([problem])), jnp.int32(0)
        jax.block_until_ready(_advance(self, params, problems, _start(self, problems), zero, zero, jnp.int32(self.steps)))

    def run(self, params: Params, problem: Problem, progress: Progress | None = None) -> Solution:
        """Solve one problem."""
        return self.run_stacked(params, stack([problem]), progress)[0]

    def run_stacked(self, params: Params, problems: Problem, progress: Progress | None = None) -> list[Solution]:
        """Solve stacked problems together (see `problem.stack`); one problem's outcome does not depend on the others."""
        problems = self._with_numbers(problems)
        state, steps, done, stopped = _start(self, problems), jnp.int32(self.steps), 0, False
        traces: list[np.ndarray] = []
        while done < self.steps and not stopped:
            count = min(CHUNK, self.steps - done)
            state, trace = _advance(self, params, problems, state, jnp.int32(done), jnp.int32(done + count), steps)
            traces.append(np.asarray(trace)[:, :count])
            done += count
            stopped = bool(progress and progress(done, traces[-1][:, -1, 0]))
        return _solutions(self, state, np.concatenate(traces, 1), stopped and done < self.steps)

    def _with_numbers(self, problems: Problem) -> Problem:
        batch = len(problems.start)
        weights, rate = problems.weights, problems.learning_rate
        if weights is None:
            weights = jnp.tile(jnp.array(self.objective.weights, jnp.float32)[None], (batch, 1))
        if rate is None:
            rate = jnp.full(batch, LEARNING_RATES[self.optimizer] if self.learning_rate is None else self.learning_rate, jnp.float32)
        return problems._replace(weights=weights, learning_rate=rate)


def _transformation(name: str, pixels: int) -> optax.GradientTransformationExtraArgs:
    """The optimizer for a step size of 1; the learning rate is applied in `_step`."""
    if name == "adam":
        return optax.with_extra_args_support(optax.chain(optax.scale_by_adam(), optax.scale(-1.0)))
    if name == "sgd":
        return optax.with_extra_args_support(optax.chain(optax.scale(-float(pixels)), optax.trace(decay=0.9)))
    return optax.lbfgs()


@functools.partial(jax.jit, static_argnums=0)
def _start(solver: Solver, problems: Problem) -> State:
    def start(image: Image) -> State:
        parameters = solver.canvas.parameters(image)
        optimizer = _transformation(solver.optimizer, image.size).init(parameters)
        return State(parameters, optimizer, image, jnp.float32(jnp.inf), jnp.bool_(True))

    return jax.vmap(start)(problems.start)


@functools.partial(jax.jit, static_argnums=0, donate_argnums=3)
def _advance(
    solver: Solver, params: Params, problems: Problem, state: State, first: Int[Array, ""], last: Int[Array, ""], steps: Int[Array, ""]
) -> tuple[State, Float[Array, "batch chunk values"]]:
    """Steps `first` to `last` (at most `CHUNK`) of all problems, and the losses at each."""

    def body(index, carry):
        state, trace = carry
        progress = index.astype(jnp.float32) / steps.astype(jnp.float32)
        state, values = jax.vmap(lambda problem, state: _step(solver, params, problem, progress, state))(problems, state)
        return state, trace.at[:, index - first].set(values)

    trace = jnp.full((len(problems.start), CHUNK, 1 + len(solver.objective.terms)), jnp.nan)
    return jax.lax.fori_loop(first, last, body, (state, trace))


def _step(solver: Solver, params: Params, problem: Problem, progress: Scalar, state: State) -> tuple[State, Float[Array, " values"]]:
    """One step of one problem: returns the losses before it. `progress` in [0, 1) drives the cosine decay of the step size."""
    weights, rate = problem.weights, problem.learning_rate
    assert weights is not None
    assert rate is not None

    def loss(parameters: Array) -> tuple[Scalar, Float[Array, " values"]]:
        features = extract(params, solver.canvas.image(parameters), solver.objective.layers)
        total, parts = solver.objective(features, problem.targets, weights)
        return total, jnp.stack([total, *parts.values()])

    (total, values), gradient = jax.value_and_grad(loss, has_aux=True)(state.parameters)
    with jax.numpy_dtype_promotion("standard"):  # optax raises floats to integer step counts
        updates, optimizer = _transformation(solver.optimizer, problem.start.size).update(
            gradient, state.optimizer, state.parameters, value=total, grad=gradient, value_fn=lambda parameters: loss(parameters)[0]
        )
    if solver.optimizer == "lbfgs":  # its line search chose the step and its memory must not be bent by the box
        parameters = state.parameters + rate * jnp.asarray(updates)
    else:
        decay = 0.5 * (1 + jnp.cos(jnp.pi * progress))
        parameters = clip(solver.canvas, state.parameters + rate * decay * jnp.asarray(updates))

    measured = state.finite & jnp.isfinite(total)
    finite = measured & jnp.all(jnp.isfinite(gradient)) & jnp.all(jnp.isfinite(parameters))
    better = measured & (total < state.best_total)
    image = jnp.clip(solver.canvas.image(state.parameters), 0, 1)
    moved = State(parameters, optimizer, image, total, finite)
    kept = jax.tree.map(lambda new, old: jnp.where(finite, new, old), moved, state)
    best_image, best_total = (jnp.where(better, new, old) for new, old in ((image, state.best_image), (total, state.best_total)))
    return kept._replace(best_image=best_image, best_total=best_total, finite=finite), jnp.where(measured, values, jnp.nan)


def _solutions(solver: Solver, state: State, trace: Float[np.ndarray, "batch steps values"], stopped: bool) -> list[Solution]:
    names = ("total", *solver.objective.names)
    images: Images = np.asarray(state.best_image)
    finite = np.asarray(state.finite)
    return [
        Solution(image, dict(zip(names, values.T, strict=True)), "non_finite" if not ok else "interrupted" if stopped else "ok")
        for image, values, ok in zip(images, trace, finite, strict=True)
    ]
