"""The compiled descent: one program for many problems, specialised on structure and shapes alone.

Every number (loss weights, learning rate, schedule, step count, seed, images) is an argument.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .. import compilation
from ..network.precision import FULL
from ..network.protocol import in_precision
from ..types import Image
from .problem import Problem
from .step import UNTRACED, Program, State, step

CHUNK = 10
"""Steps between two visits of the host, for progress and interruption."""


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
            state, values = step(program, params, problem, index, factors[index - first], state)
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
