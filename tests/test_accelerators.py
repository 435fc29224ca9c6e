"""The accelerators' program is lowered for CUDA and TPU, so that it cannot rot unseen on CPUs."""

import dataclasses
import re

import jax
import jax.export
import jax.numpy as jnp
import pytest

from facegen_jax.descent import problem as p
from facegen_jax.descent import terms as t
from facegen_jax.descent.optimizer import OPTIMIZERS
from facegen_jax.descent.program import CHUNK, initial_state, run_chunk
from facegen_jax.descent.solver import Solver
from facegen_jax.descent.transforms import Shift

OBJECTIVE = t.Identity(("conv3_1",)) + t.Attribute(("conv1_2",)) + t.TotalVariation()
FORWARD, BACKWARD = 5, 5
"""Convolutions up to conv3_1, and their input gradients (the first one's is that of the image)."""


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_batched_descent_is_lowered(params, picture, guide, optimizer, platform):
    solver = Solver(OBJECTIVE, 50, optimizer)
    problems = solver.with_defaults(
        p.stack(3 * [p.from_guides(params, OBJECTIVE, picture, [guide])])
    )
    lowered = _lower(solver, params, problems, platform)
    assert lowered.platforms == (platform,)
    shapes = _convolutions(lowered.mlir_module())
    once = FORWARD + BACKWARD
    assert shapes[:once] == once * [3]  # all problems at once, not one after the other
    # The line search of L-BFGS holds the loss twice more. JAX batches its branches by broadcasting
    # the parameters too, so that its convolutions are grouped by problem.
    assert shapes[once:] == (2 * once * [1] if optimizer == "lbfgs" else [])


def test_transformations_are_lowered_for_every_sample(params, picture, guide):
    solver = Solver(OBJECTIVE, 50, transforms=(Shift(1.0),), samples=2)
    problems = solver.with_defaults(
        p.stack(3 * [p.from_guides(params, OBJECTIVE, picture, [guide])])
    )
    shapes = _convolutions(_lower(solver, params, problems, "cuda").mlir_module())
    assert shapes == (FORWARD + BACKWARD) * [6]


@pytest.mark.parametrize(
    ("precision", "products", "kind"),
    [("float32", "HIGHEST", "f32"), ("tensorfloat32", "HIGH", "f32"), ("bfloat16", None, "bf16")],
)
@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_the_network_has_its_precision_and_all_else_is_float32(
    params, picture, guide, precision, products, kind, platform
):
    """Forward and backward: the default of these devices is not float32."""
    solver = Solver(OBJECTIVE, 50, precision=precision)
    problems = solver.with_defaults(
        p.stack(3 * [p.from_guides(params, OBJECTIVE, picture, [guide])])
    )
    module = _lower(solver, params, problems, platform).mlir_module()
    convolutions = re.findall(r"stablehlo\.convolution.*", module)
    assert len(convolutions) == FORWARD + BACKWARD
    for line in convolutions:
        assert re.findall(r"precision (\w+)", line) == ([products] * 2 if products else [])
        assert re.findall(r"x(b?f\d+)>", line) == [kind] * 3
    others = re.findall(r"stablehlo\.dot_general.*", module)  # colours of the canvas
    assert others
    for line in others:
        assert re.findall(r"precision = \[(\w+), (\w+)\]", line) == [("HIGHEST", "HIGHEST")]
        assert re.findall(r"x(b?f\d+)>", line) == ["f32"] * 3


def test_cpus_solve_one_problem_after_the_other(params, picture, guide):
    solver = Solver(OBJECTIVE, 50)
    problems = solver.with_defaults(
        p.stack(3 * [p.from_guides(params, OBJECTIVE, picture, [guide])])
    )
    program = solver.program(params)
    assert program.sequential
    shapes = _convolutions(_export(program, params, problems, "cpu").mlir_module())
    assert shapes == (FORWARD + BACKWARD) * [1]


def _lower(solver, params, problems, platform):
    return _export(
        dataclasses.replace(solver.program(params), sequential=False), params, problems, platform
    )


def _export(program, params, problems, platform):
    state = jax.eval_shape(lambda problems: initial_state(program, problems), problems)
    number, factors = jnp.int32(0), jnp.ones(CHUNK)
    arguments = (params, problems, state, number, number, factors)
    return jax.export.export(run_chunk, platforms=(platform,))(program, None, *arguments)


def _convolutions(module: str) -> list[int]:
    """The batch size of every convolution of a StableHLO module."""
    found = re.findall(r"stablehlo\.convolution.*?: \(tensor<(\d+)x", module)
    return [int(batch) for batch in found]
