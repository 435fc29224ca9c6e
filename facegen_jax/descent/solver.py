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

from ..network.vgg_face import extract
from ..types import Image, Params, Scalar
from .canvas import Canvas, Pixels, clip
from .objective import Objective
from .problem import Problem, stack

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


class Descent(NamedTuple):
    """A descent of stacked problems under way; all that is needed to go on with it."""

    state: State
    trace: Float[np.ndarray, "batch done values"]
    """Losses so far, the total first."""

    @property
    def done(self) -> int:
        """Steps taken."""
        return self.trace.shape[1]


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
            name: (float(values[finite][0]), float(values[finite][-1]))
            if finite.any()
            else (math.nan, math.nan)
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
            raise ValueError(
                f"optimizer {self.optimizer!r}; expected one of {', '.join(LEARNING_RATES)}"
            )
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, not {self.steps}")

    def compile(self, params: Params, problem: Problem) -> None:
        """Compile for one problem of this shape, by running no step of it."""
        problems = self.numbered(stack([problem]))
        self._advance(params, problems, self.start(problems), 0)

    def run(self, params: Params, problem: Problem, progress: Progress | None = None) -> Solution:
        """Solve one problem."""
        return self.run_stacked(params, stack([problem]), progress=progress)[0]

    def run_stacked(
        self,
        params: Params,
        problems: Problem,
        count: int | None = None,
        progress: Progress | None = None,
    ) -> list[Solution]:
        """Solve stacked problems together (see `problem.stack`), all or the first `count`; one problem's outcome does not depend on the others."""
        problems = self.numbered(problems)
        descent = self.start(problems, count)
        while descent.done < self.steps:
            descent = self.advance(params, problems, descent)
            if progress and progress(descent.done, descent.trace[:, -1, 0]):
                break
        return self.solutions(descent)[:count]

    def start(self, problems: Problem, count: int | None = None) -> Descent:
        """No step taken yet, of problems that have their numbers; those from `count` on only fill the batch, and none will be taken."""
        state, size = fresh(self, problems), len(problems.start)
        live = jax.device_put(
            np.arange(size) < (size if count is None else count), state.finite.sharding
        )
        return Descent(
            state._replace(finite=live),
            np.empty((size, 0, 1 + len(self.objective.terms)), np.float32),
        )

    def advance(
        self, params: Params, problems: Problem, descent: Descent, most: int = CHUNK
    ) -> Descent:
        """The next `CHUNK` steps, or what is left of them, or `most`; the state given is used up. Problems that are spread over devices stay there."""
        return self._advance(params, problems, descent, min(CHUNK, most, self.steps - descent.done))

    def solutions(self, descent: Descent) -> list[Solution]:
        """What was found so far, for each problem."""
        names, stopped = ("total", *self.objective.names), descent.done < self.steps
        images, finite = np.asarray(descent.state.best_image), np.asarray(descent.state.finite)
        return [
            Solution(
                image,
                dict(zip(names, values.T, strict=True)),
                "non_finite" if not ok else "interrupted" if stopped else "ok",
            )
            for image, values, ok in zip(images, descent.trace, finite, strict=True)
        ]

    def numbered(self, problems: Problem) -> Problem:
        """Stacked problems with this solver's weights and learning rate where they have none of their own."""
        batch = len(problems.start)
        weights, rate = problems.weights, problems.learning_rate
        if weights is None:
            weights = jnp.tile(jnp.array(self.objective.weights, jnp.float32)[None], (batch, 1))
        if rate is None:
            rate = jnp.full(
                batch,
                LEARNING_RATES[self.optimizer]
                if self.learning_rate is None
                else self.learning_rate,
                jnp.float32,
            )
        return problems._replace(weights=weights, learning_rate=rate)

    def _advance(self, params: Params, problems: Problem, descent: Descent, count: int) -> Descent:
        sharding = jnp.asarray(problems.start).sharding
        mesh = (
            sharding.mesh
            if isinstance(sharding, jax.sharding.NamedSharding) and sharding.mesh.size > 1
            else None
        )
        assert not isinstance(mesh, jax.sharding.AbstractMesh)
        first, last, steps = (
            jnp.int32(number) for number in (descent.done, descent.done + count, self.steps)
        )
        state, trace = advance(self, mesh, params, problems, descent.state, first, last, steps)
        return Descent(state, np.concatenate([descent.trace, np.asarray(trace)[:, :count]], 1))


def _transformation(name: str, pixels: int) -> optax.GradientTransformationExtraArgs:
    """The optimizer for a step size of 1; the learning rate is applied in `_step`."""
    if name == "adam":
        return optax.with_extra_args_support(optax.chain(optax.scale_by_adam(), optax.scale(-1.0)))
    if name == "sgd":
        return optax.with_extra_args_support(
            optax.chain(optax.scale(-float(pixels)), optax.trace(decay=0.9))
        )
    return optax.lbfgs()


@functools.partial(jax.jit, static_argnums=0)
def fresh(solver: Solver, problems: Problem) -> State:
    """The state of stacked problems before the first step."""

    def start(image: Image) -> State:
        parameters = solver.canvas.parameters(image)
        optimizer = _transformation(solver.optimizer, image.size).init(parameters)
        return State(parameters, optimizer, image, jnp.float32(jnp.inf), jnp.bool_(True))

    return jax.vmap(start)(problems.start)


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=4)
def advance(
    solver: Solver,
    mesh: jax.sharding.Mesh | None,
    params: Params,
    problems: Problem,
    state: State,
    first: Int[Array, ""],
    last: Int[Array, ""],
    steps: Int[Array, ""],
) -> tuple[State, Float[Array, "batch chunk values"]]:
    """The compiled program: steps `first` to `last` (at most `CHUNK`) of all problems, and the losses at each."""
    descend = functools.partial(_descend, solver)
    if (
        mesh is not None
    ):  # every device runs a loop of its own: no line search waits for another device's
        split, whole = jax.P(mesh.axis_names[0]), jax.P()
        specs = (whole, split, split, whole, whole, whole)
        descend = jax.shard_map(
            descend, mesh=mesh, in_specs=specs, out_specs=(split, split), check_vma=False
        )
    return descend(params, problems, state, first, last, steps)


def _descend(
    solver: Solver,
    params: Params,
    problems: Problem,
    state: State,
    first: Int[Array, ""],
    last: Int[Array, ""],
    steps: Int[Array, ""],
) -> tuple[State, Float[Array, "batch chunk values"]]:
    untraced = jnp.full((CHUNK, 1 + len(solver.objective.terms)), jnp.nan)

    def descend(each: tuple[Problem, State]) -> tuple[State, Float[Array, "chunk values"]]:
        problem, state = each

        def body(index, carry):
            state, trace = carry
            progress = index.astype(jnp.float32) / steps.astype(jnp.float32)
            state, values = _step(solver, params, problem, progress, state)
            return state, trace.at[index - first].set(values)

        return jax.lax.fori_loop(first, last, body, (state, untraced))

    def descend_if_live(each: tuple[Problem, State]) -> tuple[State, Float[Array, "chunk values"]]:
        return jax.lax.cond(each[1].finite, descend, lambda each: (each[1], untraced), each)

    # On CPUs one after the other is nearly as fast, needs the memory of one, and rounds as a problem alone does: the descent magnifies a last digit that
    # depends on the size of the batch to some hundredths within a hundred steps.
    return (
        jax.lax.map(descend_if_live, (problems, state))
        if jax.default_backend() == "cpu"
        else jax.vmap(descend)((problems, state))
    )


def _step(
    solver: Solver, params: Params, problem: Problem, progress: Scalar, state: State
) -> tuple[State, Float[Array, " values"]]:
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
            gradient,
            state.optimizer,
            state.parameters,
            value=total,
            grad=gradient,
            value_fn=lambda parameters: loss(parameters)[0],
        )
    if (
        solver.optimizer == "lbfgs"
    ):  # its line search chose the step and its memory must not be bent by the box
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
    best_image, best_total = (
        jnp.where(better, new, old)
        for new, old in ((image, state.best_image), (total, state.best_total))
    )
    return kept._replace(best_image=best_image, best_total=best_total, finite=finite), jnp.where(
        measured, values, jnp.nan
    )
