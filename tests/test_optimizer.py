"""Any optax transformation descends, freezes, resumes and shares batches as the named optimizers
do."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from facegen_jax.descent import problem as p
from facegen_jax.descent import terms as t
from facegen_jax.descent.batch import run_batch
from facegen_jax.descent.optimizer import OPTIMIZERS, Optimizer, as_optimizer
from facegen_jax.descent.solver import Solver
from facegen_jax.edit.request import resolve
from facegen_jax.edit.settings import Edit
from facegen_jax.network.features import extract
from facegen_jax.sweep import Sweep, SweepStopped, run_sweep
from facegen_jax.sweep import folder as sweep_folder

OBJECTIVE = 0.5 * t.Identity(("conv2_1",)) + t.Attribute(("conv1_2",)) + t.TotalVariation()
TRANSFORMATIONS = {
    "adamw": optax.adamw(0.02),
    "lion": optax.lion(0.02),
    "rmsprop": optax.rmsprop(0.01),
    "adagrad": optax.adagrad(0.3),
    "nadam": optax.nadam(0.02),
    "amsgrad": optax.amsgrad(0.02),
    "adabelief": optax.adabelief(0.02),
    "yogi": optax.yogi(0.02),
    "noisy_sgd": optax.noisy_sgd(0.5, eta=1e-8, seed=0),
    "polyak_sgd": optax.polyak_sgd(),
    "clipped": optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.02)),
}


@pytest.fixture(scope="module")
def problems(params):
    rng = np.random.default_rng(0)
    waves = [np.sin(np.linspace(0, 6, 32)[:, None, None] + rng.uniform(0, 6, 3)) for _ in range(3)]
    images = [np.tile(0.5 + 0.3 * wave, (1, 32, 1)).astype(np.float32) for wave in waves]
    made = [p.from_guides(params, OBJECTIVE, images[n], [images[(n + 1) % 3]]) for n in range(3)]
    broken = jax.tree.map(lambda leaf: leaf, made[1])
    broken.targets.attribute["conv1_2"] = broken.targets.attribute["conv1_2"].at[0, 0].set(jnp.nan)
    return [made[0], broken, made[2]]


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_descends_in_the_box_keeps_the_best_and_is_independent_of_its_batch(params, problems, name):
    solver = Solver(OBJECTIVE, 23, TRANSFORMATIONS[name])
    first, broken, last = run_batch(solver, params, problems)
    assert broken.status == "non_finite"
    np.testing.assert_array_equal(broken.image, problems[1].start)
    for problem, solution in ((problems[0], first), (problems[2], last)):
        assert solution.status == "ok"
        assert solution.image.min() >= 0
        assert solution.image.max() <= 1
        totals = solution.trace["total"]
        assert totals.min() < 0.95 * totals[0]
        alone = solver.run(params, problem)
        np.testing.assert_array_equal(alone.image, solution.image)
        total, _ = OBJECTIVE(
            *_evaluated(params, solution.image, problem), jnp.array(OBJECTIVE.weights)
        )
        np.testing.assert_allclose(total, totals.min(), rtol=1e-3)


def _evaluated(params, image, problem):
    return extract(params, image, OBJECTIVE.layers), problem.targets


def test_learning_rate_and_schedule_are_traced_numbers(params, problems):
    traced = []

    class Counting(t.Chroma):
        def __call__(self, features, targets):
            traced.append(1)
            return super().__call__(features, targets)

    objective = OBJECTIVE + Counting()
    lion = optax.lion(1.0)
    problem = p.from_maps(params, objective, problems[0].start, problems[0].targets.attribute)
    images = []
    for rate, schedule in (
        (0.02, None),
        (0.01, None),
        (0.02, optax.exponential_decay(1.0, 5, 0.5)),
    ):
        before = len(traced)
        solver = Solver(objective, 12, lion, rate, schedule=schedule)
        images.append(solver.run(params, problem).image)
        assert (len(traced) > before) == (len(images) == 1)
    assert not np.array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])


def test_a_rate_of_the_solver_scales_the_rate_of_the_transformation(params, problems):
    inside = Solver(OBJECTIVE, 10, optax.adam(0.02)).run(params, problems[0])
    outside = Solver(OBJECTIVE, 10, optax.adam(1.0), 0.02).run(params, problems[0])
    named = Solver(OBJECTIVE, 10).run(params, problems[0])
    np.testing.assert_allclose(inside.image, outside.image, atol=1e-5)
    np.testing.assert_array_equal(outside.image, named.image)


def test_the_box_is_a_property(params, problems):
    """Without the box the descent leaves [0, 1] on the way, and only its best image is clipped."""
    bright = problems[0]._replace(start=jnp.ones_like(problems[0].start))
    boxed, free = (
        Solver(OBJECTIVE, 10, Optimizer(optax.sgd(3.0), boxed=boxed)) for boxed in (True, False)
    )
    (inside, outside) = (
        solver.advance(
            params,
            stacked := solver.with_defaults(p.stack([bright])),
            solver.start(params, stacked),
        )
        for solver in (boxed, free)
    )
    for descent, within in ((inside, True), (outside, False)):
        image = np.asarray(boxed.canvas.image(descent.state.parameters[0]))
        assert (image.min() >= -1e-5 and image.max() <= 1 + 1e-5) == within


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"did you mean 'adam'\?"):
        as_optimizer("adm")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_names_and_paths_on_the_command_line(tmp_path, name):
    options = Edit(tmp_path / "a.png", tmp_path / "b.png", attribute="Smiling", optimizer=name)
    assert resolve(options).optimizer == OPTIMIZERS[name]
    path = dataclasses.replace(options, optimizer="optax:lion")
    assert resolve(path).optimizer is resolve(path).optimizer
    assert resolve(path).learning_rate == 0.02


PATHS = [f"optax:{name}" for name in TRANSFORMATIONS if name not in ("noisy_sgd", "clipped")]


@pytest.mark.long
def test_a_sweep_of_ten_is_killed_and_resumed_to_the_same_images(folder):
    """Every optimizer's state, random keys among them, goes through a file in the middle of its
    descent."""
    (folder / "own.py").write_text(
        "import optax\nnoisy = optax.noisy_sgd(0.001, eta=1e-4, seed=3)\n"
    )
    (folder / "pairs.csv").write_text("reference,guides\n0.png,1.png\n1.png,2.png\n")
    optimizers = [*PATHS, f"{folder / 'own.py'}:noisy"]
    assert len(optimizers) == 10
    config = Sweep(
        folder / "pairs.csv",
        folder / "whole",
        (f"optimizer={','.join(optimizers)}",),
        params=str(folder / "tiny.safetensors"),
        align="none",
        steps=23,
        learning_rate=0.005,
        report=False,
    )
    whole = {result.id: result for result in run_sweep(config)}
    assert len(whole) == 20
    assert all(result.ok for result in whole.values())
    stopped = dataclasses.replace(config, out=folder / "stopped")
    for _ in range(len(optimizers)):  # each start is stopped after the first chunk of some program
        calls = iter((False, False, False, True))
        try:
            list(run_sweep(stopped, stop=lambda: next(calls, True)))  # noqa: B023
        except SweepStopped:
            continue
    assert {each.id for each in run_sweep(stopped)} | _done(stopped) == set(whole)
    for result in whole.values():
        one, other = ((root.out / str(result.image)).read_bytes() for root in (config, stopped))
        assert one == other


def _done(config: Sweep) -> set[str]:
    return set(sweep_folder.results.outcomes(config.out))
