"""One step of one problem: losses, gradient, update, and what is kept of them."""

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from ..network.precision import FULL, Precision
from ..network.protocol import Backbone, extract
from ..types import Features, Image, Scalar
from .canvas import Canvas, clip
from .objective import Objective
from .optimizer import Optimizer, updated
from .problem import Problem
from .transforms import Transform, transformed

UNTRACED = float("inf")
"""Loss of a step that was not taken; not NaN, where `JAX_DEBUG_NANS` would stop."""


@dataclass(frozen=True)
class Program:
    """Everything beside shapes that a compiled descent is specialised on; hashes by value."""

    objective: Objective
    backbone: Backbone
    optimizer: Optimizer
    canvas: Canvas
    transforms: tuple[Transform, ...] = ()
    samples: int = 1
    """Draws of the transformations that each step averages."""
    sequential: bool = False
    """Solve the problems of a batch one after the other: on CPUs nearly as fast, with the memory of
    one problem, and rounded as a problem alone is (a convolution's last digit depends on the batch
    size, and a hundred steps magnify it to hundredths)."""
    precision: Precision = FULL
    """Of the network alone: pixels, losses and the optimizer are float32."""


class State(NamedTuple):
    """What one problem carries from step to step."""

    parameters: Array
    """The canvas's parameters."""
    optimizer: optax.OptState
    best_image: Image
    best_total: Scalar
    finite: Bool[Array, ""]
    """False once a loss or gradient was not finite; the problem is frozen from then on."""


def step(
    program: Program,
    params: Any,
    problem: Problem,
    index: Int[Array, ""] | int,
    factor: Scalar,
    state: State,
) -> tuple[State, Float[Array, " values"]]:
    """Take one step of one problem; return the losses before it."""
    assert problem.learning_rate is not None
    loss = functools.partial(_loss, program, params, problem, index)
    (total, values), gradient = jax.value_and_grad(loss, has_aux=True)(state.parameters)
    updates, optimizer = updated(
        program.optimizer.transformation,
        gradient,
        state.optimizer,
        state.parameters,
        total,
        lambda parameters: loss(parameters)[0],
    )
    parameters = state.parameters + problem.learning_rate * factor * updates
    if program.optimizer.boxed:
        parameters = clip(program.canvas, parameters)
    image = jnp.clip(program.canvas.image(state.parameters), 0, 1)
    stepped = State(parameters, optimizer, image, total, state.finite)
    return _guarded(state, stepped, gradient), jnp.where(
        state.finite & jnp.isfinite(total), values, UNTRACED
    )


def _loss(
    program: Program, params: Any, problem: Problem, index: Int[Array, ""] | int, parameters: Array
) -> tuple[Scalar, Float[Array, " values"]]:
    """Return the total, and the total with every term's unweighted value."""
    weights, image = problem.weights, program.canvas.image(parameters)
    assert weights is not None

    def evaluated(view: Image) -> Float[Array, " values"]:
        maps = extract(program.backbone, params, view, program.objective.layers, program.precision)
        features: Features = {**maps, "image": image}
        total, parts = program.objective(features, problem.targets, weights)
        # Terms of the user's own may return 64 bits where JAX allows them.
        return jnp.stack([total, *parts.values()]).astype(jnp.float32)

    if not program.transforms:
        values = evaluated(image)
    else:
        assert problem.seed is not None
        key = jax.random.fold_in(jax.random.key(problem.seed), index)
        keys = jax.random.split(key, program.samples)
        views = jax.vmap(lambda key: transformed(program.transforms, key, image))(keys)
        values = jnp.mean(jax.vmap(evaluated)(views), 0)
    return values[0], values


def _guarded(state: State, stepped: State, gradient: Array) -> State:
    """Keep the best image, and the old state where something is not finite.

    `stepped` carries the image and the total that belong to the parameters of `state`.
    """
    measured = state.finite & jnp.isfinite(stepped.best_total)
    finite = measured & jnp.all(jnp.isfinite(gradient)) & jnp.all(jnp.isfinite(stepped.parameters))
    better = measured & (stepped.best_total < state.best_total)
    kept = jax.tree.map(lambda new, old: jnp.where(finite, new, old), stepped, state)
    return kept._replace(
        best_image=jnp.where(better, stepped.best_image, state.best_image),
        best_total=jnp.where(better, stepped.best_total, state.best_total),
        finite=finite,
    )
