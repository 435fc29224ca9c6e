"""The descent: it lowers the loss, never recompiles, and contains failures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from conftest import EACH_OPTIMIZER

from facegen_jax.descent import problem as p
from facegen_jax.descent import solver as s
from facegen_jax.descent import terms as t
from facegen_jax.descent.batch import run_batch
from facegen_jax.descent.canvas import Fourier, Pixels
from facegen_jax.network.features import extract

OBJECTIVE = (
    0.5 * t.Identity(("conv3_1",))
    + 1.0 * t.Attribute(("conv1_2", "conv2_1"))
    + 1.0 * t.TotalVariation()
)


@pytest.fixture
def problem(params, picture, guide):
    return p.from_guides(params, OBJECTIVE, picture, [guide])


@pytest.mark.parametrize("optimizer", EACH_OPTIMIZER)
@pytest.mark.parametrize("canvas", [Pixels(), Fourier()], ids=["pixels", "fourier"])
def test_descends_within_the_box_and_returns_the_best(params, problem, optimizer, canvas):
    rate = None
    if optimizer == "sgd":  # small: random networks are rough, Fourier coefficients move all pixels
        rate = 1e-4 if canvas == Fourier() else 1e-3
    solution = s.Solver(OBJECTIVE, 23, optimizer, rate, canvas).run(params, problem)
    assert solution.status == "ok"
    assert solution.image.min() >= 0
    assert solution.image.max() <= 1
    assert solution.image.dtype == np.float32
    assert solution.trace["total"].min() < 0.9 * solution.trace["total"][0]
    features = extract(params, solution.image, OBJECTIVE.layers)
    total, _ = OBJECTIVE(features, problem.targets, jnp.array(OBJECTIVE.weights))
    if optimizer != "lbfgs":  # its iterates may leave the box; only the image is clipped
        np.testing.assert_allclose(total, solution.trace["total"].min(), rtol=1e-3)


def test_traces_every_term_at_every_step(params, problem):
    solution = s.Solver(OBJECTIVE, 23).run(params, problem)
    assert set(solution.trace) == {"total", "identity", "attribute", "total_variation"}
    assert all(
        values.shape == (23,) and np.all(np.isfinite(values)) for values in solution.trace.values()
    )
    weighted = sum(
        weight * solution.trace[name]
        for name, weight in zip(OBJECTIVE.names, OBJECTIVE.weights, strict=True)
    )
    np.testing.assert_allclose(weighted, solution.trace["total"], rtol=1e-5)
    assert solution.trace["identity"][0] == pytest.approx(0, abs=1e-6)
    assert solution.parts["total"] == (solution.trace["total"][0], solution.trace["total"][-1])


@pytest.fixture
def counting():
    """Return a term that is traced with a list that grows at every trace."""
    traced = []

    class Counting(t.Chroma):
        def __call__(self, features, targets):
            traced.append(1)
            return super().__call__(features, targets)

    return Counting(), traced


def test_changing_numbers_does_not_recompile(params, picture, guide, counting):
    """One trace serves all weights, rates, steps, seeds and images."""
    term, traced = counting

    def solve(weight, steps, rate, images):
        objective = weight * t.Attribute(("conv1_2",)) + 1.0 * term
        problem = p.from_guides(params, objective, images[0], images[1:])
        problem = p.with_noise(problem, jax.random.key(steps), 0.01)
        before = len(traced)  # building a problem also traces its objective
        s.Solver(objective, steps, learning_rate=rate).run(params, problem)
        return len(traced) - before

    assert solve(1.0, 10, 0.02, [picture, guide]) > 0
    for weight, steps, rate in [(2.0, 10, 0.02), (1.0, 37, 0.02), (1.0, 10, 0.5), (0.0, 5, None)]:
        assert solve(weight, steps, rate, [guide, picture]) == 0


def test_problem_overrides_the_solver_numbers(params, problem):
    numbers = [((0.5, 1.0, 1.0), 0.02), ((0.5, 0.0, 1.0), 0.02), ((0.5, 1.0, 1.0), 0.0)]
    problems = [
        problem._replace(weights=jnp.array(weights), learning_rate=jnp.float32(rate))
        for weights, rate in numbers
    ]
    solutions = s.Solver(OBJECTIVE, 10).run_stacked(params, p.stack(problems))
    plain, no_attribute, no_rate = solutions
    np.testing.assert_allclose(
        plain.image, s.Solver(OBJECTIVE, 10).run(params, problem).image, atol=1e-5
    )
    np.testing.assert_allclose(no_attribute.image, problem.start, atol=1e-5)
    np.testing.assert_allclose(no_rate.image, problem.start, atol=1e-5)
    assert np.abs(plain.image - np.asarray(problem.start)).max() > 0.05


@pytest.mark.parametrize("optimizer", EACH_OPTIMIZER)
def test_non_finite_problem_does_not_affect_its_batch(params, problem, optimizer):
    broken = jax.tree.map(lambda leaf: leaf, problem)
    broken.targets.attribute["conv1_2"] = (
        broken.targets.attribute["conv1_2"].at[0, 0, 0].set(jnp.nan)
    )
    solver = s.Solver(OBJECTIVE, 12, optimizer)
    bad, good = solver.run_stacked(params, p.stack([broken, problem]))
    assert (bad.status, good.status) == ("non_finite", "ok")
    np.testing.assert_array_equal(bad.image, problem.start)
    assert np.all(np.isnan(bad.trace["total"]))
    np.testing.assert_allclose(good.image, solver.run(params, problem).image, atol=1e-5)


def test_problem_that_turns_non_finite_keeps_its_best_image(params, problem):
    class InfiniteFarFromTheReference(t.Chroma):
        def __call__(self, features, targets):
            change = jnp.max(jnp.abs(features["image"] - targets.reference["image"]))
            return jnp.where(change > 0.1, jnp.inf, -change)

    objective = 1.0 * InfiniteFarFromTheReference() + 1.0 * t.Attribute(("conv1_2",))
    problem = p.from_maps(params, objective, problem.start, problem.targets.attribute)
    solution = s.Solver(objective, 30).run(params, problem)
    assert solution.status == "non_finite"
    assert np.isfinite(solution.trace["total"][0])
    assert np.isnan(solution.trace["total"][-1])
    assert 0 < np.abs(solution.image - np.asarray(problem.start)).max() < 0.11
    assert all(np.isfinite(solution.parts["total"]))


@pytest.mark.parametrize("batch_size", [1, 2, 3, 8])
def test_batches_agree_with_single_runs(params, problem, picture, guide, batch_size):
    other = p.from_guides(params, OBJECTIVE, guide, [picture])
    problems = [problem, other, problem, other, problem]
    solver = s.Solver(OBJECTIVE, 10)
    together = run_batch(solver, params, p.stack(problems), batch_size=batch_size)
    assert len(together) == 5
    for problem, batched in zip(problems, together, strict=True):
        single = solver.run(params, problem)
        np.testing.assert_allclose(batched.image, single.image, atol=1e-5)


def test_runs_are_reproducible(params, problem):
    first, again = (s.Solver(OBJECTIVE, 15).run(params, problem).image for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_progress_can_stop_the_descent(params, problem):
    calls = []

    def progress(done, totals):
        calls.append((done, float(totals[0])))
        return done >= 20

    solution = s.Solver(OBJECTIVE, 50).run(params, problem, progress)
    assert solution.status == "interrupted"
    assert [done for done, _ in calls] == [10, 20]
    assert calls[-1][1] == pytest.approx(solution.trace["total"][19])
    assert len(solution.trace["total"]) == 20
    assert np.abs(solution.image - np.asarray(problem.start)).max() > 0.02


def test_run_does_not_compile_again_after_compile(params, picture, guide, counting):
    term, traced = counting
    solver = s.Solver(1.0 * t.Identity(("conv1_1",)) + 1.0 * term, 10)
    problem = p.from_guides(params, solver.objective, picture, [guide])
    solver.compile(params, problem)
    before = len(traced)
    solver.run(params, problem)
    assert len(traced) == before


def test_lbfgs_is_as_good_as_scipy(params, problem):
    solver = s.Solver(OBJECTIVE, 60, "lbfgs", canvas=Pixels(1.0))

    @jax.jit
    def loss(flat):
        features = extract(params, flat.reshape(32, 32, 3), OBJECTIVE.layers)
        return OBJECTIVE(features, problem.targets, jnp.array(OBJECTIVE.weights))[0]

    loss_and_gradient = jax.jit(jax.value_and_grad(loss))

    def in_float64(flat):
        return [np.asarray(each, np.float64) for each in loss_and_gradient(flat.astype(np.float32))]

    start = np.asarray(problem.start).reshape(-1)
    expected = scipy.optimize.minimize(
        in_float64, start, jac=True, method="L-BFGS-B", options={"maxiter": 60}
    )
    assert solver.run(params, problem).trace["total"].min() < 1.1 * expected.fun


@pytest.mark.parametrize(
    ("arguments", "message"), [({"optimizer": "rmsprop"}, "rmsprop"), ({"steps": 0}, "at least 1")]
)
def test_solver_checks_its_settings(arguments, message):
    errors = (ValueError, TypeError)  # TypeError: from the type checker of the test run
    with pytest.raises(errors, match=message):
        s.Solver(OBJECTIVE, **arguments)


def test_run_batch_checks_the_batch_size(params, problem):
    with pytest.raises(ValueError, match="at least 1"):
        run_batch(s.Solver(OBJECTIVE), params, p.stack([problem]), batch_size=0)
