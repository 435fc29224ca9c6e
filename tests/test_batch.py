"""One problem's picture does not depend on who shares its batch, how large that is, or where in it the problem is."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from facegen_jax.descent import batch, problem, solver, terms
from facegen_jax.descent.batch import run_batch
from facegen_jax.descent.optimizer import OPTIMIZERS

OBJECTIVE = (
    0.5 * terms.Identity(("conv3_1",))
    + 1.0 * terms.Attribute(("conv1_2", "conv2_1"))
    + 1.0 * terms.TotalVariation()
)


@pytest.fixture(scope="module")
def problems(params):
    """Four times eight different ones, the sixth of which is not finite."""
    rng = np.random.default_rng(1)
    waves = [
        np.sin(np.linspace(0, 6, 32)[:, None, None] + rng.uniform(0, 6, 3))
        * np.cos(np.linspace(0, 4, 32)[None, :, None] + n)
        for n in range(33)
    ]
    pictures = [(0.5 + 0.3 * wave).astype(np.float32) for wave in waves]
    made = [
        problem.from_guides(params, OBJECTIVE, one, [other])
        for one, other in itertools.pairwise(pictures)
    ]
    broken = made[5].targets.attribute
    broken["conv1_2"] = jnp.asarray(broken["conv1_2"]).at[0, 0, 0].set(jnp.nan)
    return 4 * made


@pytest.fixture(scope="module", params=OPTIMIZERS)
def alone(request, params, problems):
    """A solver, and what it makes of some problems by themselves."""
    one = solver.Solver(OBJECTIVE, 40, request.param, 1e-3 if request.param == "sgd" else None)
    return one, {number: one.run(params, problems[number]) for number in (0, 5, 6, 17, 31)}


@pytest.mark.parametrize("way", ["in a batch of 32", "in reverse", "padded", "in small batches"])
def test_the_picture_of_a_problem_is_its_own(params, problems, alone, way):
    one, expected = alone
    numbers = {"in reverse": list(range(32))[::-1], "padded": [0, 5, 6, 17, 31]}.get(
        way, list(range(32))
    )
    size = {"padded": 32, "in small batches": 3}.get(way, 32)
    found = dict(
        zip(
            numbers,
            run_batch(
                one,
                params,
                problem.stack([problems[number] for number in numbers]),
                batch_size=size,
            ),
            strict=True,
        )
    )
    if way == "padded":
        padded, count = batch.padded(problem.stack([problems[number] for number in numbers]), size)
        found = dict(zip(numbers, one.run_stacked(params, padded, count), strict=True))
    for number, solution in expected.items():
        assert found[number].status == ("non_finite" if number % 8 == 5 else "ok")
        np.testing.assert_allclose(found[number].image, solution.image, atol=1e-5)
        np.testing.assert_allclose(found[number].trace["total"], solution.trace["total"], rtol=1e-4)


def test_padding_takes_no_steps(params, problems):
    """Problems that only fill the batch stay as they are."""
    one = solver.Solver(OBJECTIVE, 10)
    padded, count = batch.padded(one.with_defaults(problem.stack(problems[:2])), 4)
    assert count == 2
    descent = one.advance(params, padded, one.start(params, padded, count))
    np.testing.assert_array_equal(np.asarray(descent.state.best_image)[2:], padded.start[2:])
    assert np.isnan(descent.trace[2:]).all()
    assert np.isfinite(descent.trace[:2]).all()


def test_memory_grows_with_the_batch_and_the_largest_fits(params, problems, monkeypatch):
    one, first = (
        solver.Solver(OBJECTIVE, 10),
        solver.Solver(OBJECTIVE).with_defaults(problem.stack(problems[:1])),
    )
    first = jax.tree.map(lambda leaf: leaf[0], first)
    sizes = {size: batch.memory(one, params, first, size) for size in (1, 4, 16)}
    assert sizes[1] < sizes[4] < sizes[16]
    monkeypatch.setattr(batch, "available", lambda: int(sizes[4] / batch.SHARE) + 1000)
    largest = batch.largest(one, params, first, 100)
    assert 3 <= largest <= 5
    assert (
        batch.memory(one, params, first, largest)
        <= batch.SHARE * batch.available() + sizes[4] - sizes[1]
    )
    assert batch.largest(one, params, first, 2) == 2


def test_there_is_memory():
    assert 1 << 26 < batch.resident() < 1 << 40
    assert 1 << 26 < batch.available() < 1 << 45
