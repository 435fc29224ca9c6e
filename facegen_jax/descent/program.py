"""The compiled descent: one program for many problems, specialised on structure and shapes alone.

Every number (loss weights, learning rate, schedule, step count, seed, images) is an argument.
"""

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from .. import compilation
from ..network.precision import FULL, Precision
from ..network.protocol import Backbone, extract, in_precision
from ..types import Features, Image, Scalar
from .canvas import Canvas, clip
from .objective import Objective
from .optimizer import Optimizer, updated
from .problem import Problem
from .transforms import Transform, transformed

CHUNK = 10
"""Steps between two visits of the host, for progress and interruption."""
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


@functools.partial(jax.jit, static_argnums=0)
def initial_state(program: Program, problems: Problem) -> State:
    """Return the state of stacked problems before their first step."""

    def begin(image: Image) -> State:
        parameters = program.canvas.parameters(image)
        optimizer = program.optimizer.transformation.init(parameters)
        return State(parameters, optimizer, image, jnp.float32(jnp.inf), jnp.bool_(True))

    with jax.default_matmul_precision(FULL):
        return jax.vmap(begin)(problems.start)


@functools.partial(jax.jit, static_argnums=(0, 2, 3))
def prepared(program: Program, params: Any, height: int, width: int) -> Any:
    """Return parameters as `run_chunk` reads them fastest for images of one size.

    A backbone may have a method `prepared(params, height, width)` that computes once what every
    step would compute again; its `features` takes what that returns, too. It is asked on CPUs only.
    """
    if program.precision == "bfloat16":  # too coarse for Winograd's algorithm
        return in_precision(params, program.precision)
    method = getattr(program.backbone, "prepared", None)
    return method(params, height, width) if method and program.sequential else params


def _run_chunk(
    program: Program,
    mesh: jax.sharding.Mesh | None,
    params: Any,
    problems: Problem,
    state: State,
    first: Int[Array, ""],
    last: Int[Array, ""],
    factors: Float[Array, " chunk"],
) -> tuple[State, Float[Array, "batch chunk values"]]:
    """Take steps `first` to `last`, at most `CHUNK`, of all problems; return the losses at each.

    Losses of steps that were not taken are `UNTRACED`.

    Args:
        program: what is compiled.
        mesh: devices that the problems are spread over; None for one device.
        params: the network's parameters, as they are or `prepared`.
        problems: stacked, with weights, learning rates and seeds.
        state: as from `initial_state`; its buffers are reused.
        first: index of the first step.
        last: index after the last step.
        factors: the schedule's factors on the learning rate, from step `first` on.
    """
    descend = functools.partial(_descend, program)
    if mesh is not None:  # a loop for each device: no line search waits for another device's
        split, whole = jax.P(mesh.axis_names[0]), jax.P()
        specs = (whole, split, split, whole, whole, whole)
        descend = jax.shard_map(
            descend, mesh=mesh, in_specs=specs, out_specs=(split, split), check_vma=False
        )
    with jax.default_matmul_precision(FULL):  # of everything but the network
        return descend(params, problems, state, first, last, factors)


_compiled = functools.partial(jax.jit, _run_chunk, static_argnums=(0, 1), donate_argnums=4)
run_chunk = _compiled(compiler_options=compilation.OPTIONS)
run_chunk_on_cores = _compiled(compiler_options=compilation.ONE_THREAD)
"""The same, bit for bit, where every device is one core of a CPU: it shares its work with none."""


def _descend(
    program: Program,
    params: Any,
    problems: Problem,
    state: State,
    first: Int[Array, ""],
    last: Int[Array, ""],
    factors: Float[Array, " chunk"],
) -> tuple[State, Float[Array, "batch chunk values"]]:
    """Run one device's share of `run_chunk`."""
    untraced = jnp.full((CHUNK, 1 + len(program.objective.terms)), UNTRACED, jnp.float32)

    def descend(each: tuple[Problem, State]) -> tuple[State, Float[Array, "chunk values"]]:
        problem, state = each

        def body(index, carry):
            state, trace = carry
            state, values = _step(program, params, problem, index, factors[index - first], state)
            return state, trace.at[index - first].set(values)

        return jax.lax.fori_loop(first, last, body, (state, untraced))

    def descend_if_live(each: tuple[Problem, State]) -> tuple[State, Float[Array, "chunk values"]]:
        return jax.lax.cond(each[1].finite, descend, lambda each: (each[1], untraced), each)

    if not program.sequential:
        return jax.vmap(descend)((problems, state))
    count = len(problems.start)
    if count == 1:  # XLA unrolls a loop of one, and rounds otherwise than in a longer one
        problems, state = jax.tree.map(
            lambda leaf: jnp.concatenate([leaf, leaf]), (problems, state)
        )
        state = state._replace(finite=state.finite & jnp.array([True, False]))
    solved = jax.lax.map(descend_if_live, (problems, state))
    return jax.tree.map(lambda leaf: leaf[:count], solved)


def _step(
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
