"""Batches: results do not depend on who shares a batch; padding and memory estimates."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import EACH_OPTIMIZER, smooth_image

from facegen_jax.descent import batch, problem, solver, terms
from facegen_jax.descent.batch import run_batch

OBJECTIVE = (
    0.5 * terms.Identity(("conv3_1",))
    + 1.0 * terms.Attribute(("conv1_2", "conv2_1"))
    + 1.0 * terms.TotalVariation()
)
BROKEN, SOLVED_ALONE = 5, (0, 5, 6, 17, 31)
"""Index of the problem with a NaN target, and of those that are also solved by themselves."""


@pytest.fixture(scope="module")
def problems(params):
    """32 different problems, one of which is not finite."""
    rng = np.random.default_rng(1)
    images = [smooth_image(rng, phase) for phase in range(33)]
    problems = [
        problem.from_guides(params, OBJECTIVE, reference, [guide])
        for reference, guide in itertools.pairwise(images)
    ]
    broken = dict(problems[BROKEN].targets.attribute)
    broken["conv1_2"] = jnp.asarray(broken["conv1_2"]).at[0, 0, 0].set(jnp.nan)
    problems[BROKEN] = problem.from_maps(params, OBJECTIVE, problems[BROKEN].start, broken)
    return problems


@pytest.fixture(scope="module", params=EACH_OPTIMIZER)
def alone(request, params, problems):
    """A solver, and its solutions of problems solved by themselves."""
    rate = 1e-3 if request.param == "sgd" else None
    own = solver.Solver(OBJECTIVE, 40, request.param, rate)
    return own, {index: own.run(params, problems[index]) for index in SOLVED_ALONE}


@pytest.mark.parametrize(
    ("indices", "size"),
    [(range(32), 32), (range(31, -1, -1), 32), (SOLVED_ALONE, 32), (range(32), 3)],
    ids=["in one batch", "in reverse", "padded", "in small batches"],
)
def test_solution_does_not_depend_on_the_batch(params, problems, alone, indices, size):
    own, expected = alone
    stacked = problem.stack([problems[index] for index in indices])
    if len(indices) < size:  # run_batch would take a batch of their number
        padded, count = batch.padded(stacked, size)
        solutions = own.run_stacked(params, padded, count)
    else:
        solutions = run_batch(own, params, stacked, batch_size=size)
    by_index = dict(zip(indices, solutions, strict=True))
    for index, single in expected.items():
        batched = by_index[index]
        assert batched.status == ("non_finite" if index == BROKEN else "ok")
        np.testing.assert_allclose(batched.image, single.image, atol=1e-5)
        np.testing.assert_allclose(batched.trace["total"], single.trace["total"], rtol=1e-4)


def test_padding_takes_no_steps(params, problems):
    own = solver.Solver(OBJECTIVE, 10)
    padded, count = batch.padded(own.with_defaults(problem.stack(problems[:2])), 4)
    assert count == 2
    descent = own.advance(params, padded, own.start(params, padded, count))
    np.testing.assert_array_equal(np.asarray(descent.state.best_image)[2:], padded.start[2:])
    assert np.isnan(descent.trace[2:]).all()
    assert np.isfinite(descent.trace[:2]).all()


def test_memory_grows_with_the_batch_and_limits_the_largest(params, problems, monkeypatch):
    own = solver.Solver(OBJECTIVE, 10)
    first = own.with_defaults(problem.stack(problems[:1]))
    first = jax.tree.map(lambda leaf: leaf[0], first)
    sizes = {size: batch.memory(own, params, first, size) for size in (1, 4, 16)}
    assert sizes[1] < sizes[4] < sizes[16]
    free = int(sizes[4] / batch.SHARE) + 1000
    monkeypatch.setattr(batch, "available", lambda: free)
    largest = batch.largest(own, params, first, 100)
    assert 3 <= largest <= 5
    allowed = batch.SHARE * free + sizes[4] - sizes[1]
    assert batch.memory(own, params, first, largest) <= allowed
    assert batch.largest(own, params, first, 2) == 2
    monkeypatch.setattr(batch, "available", lambda: None)
    with pytest.raises(ValueError, match="how much memory is free; give a --batch-size"):
        batch.largest(own, params, first, 2)


def test_memory_of_this_machine_is_plausible():
    assert 1 << 26 < batch.resident() < 1 << 40
    available = batch.available()
    assert available
    assert 1 << 26 < available < 1 << 45
