"""Random transformations in front of the network: right on average, repeatable, resumable."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import EACH_OPTIMIZER

from facegen_jax.descent import problem as p
from facegen_jax.descent import terms as t
from facegen_jax.descent import transforms as r
from facegen_jax.descent.solver import Solver

OBJECTIVE = t.Identity(("conv2_1",)) + t.Attribute(("conv1_2",)) + t.TotalVariation()
ALL = [r.Shift(3.0), r.Scale(0.1), r.Noise(0.05)]


@pytest.mark.parametrize("transform", ALL, ids=lambda each: type(each).__name__)
def test_keeps_shape_depends_on_the_key_and_has_a_gradient(picture, transform):
    views = [np.asarray(transform(jax.random.key(seed), picture)) for seed in (0, 0, 1)]
    assert views[0].shape == picture.shape
    np.testing.assert_array_equal(views[0], views[1])
    assert not np.array_equal(views[0], views[2])
    assert np.abs(views[0] - picture).mean() < 0.2
    gradient = jax.grad(lambda image: jnp.sum(transform(jax.random.key(0), image)))(
        jnp.asarray(picture)
    )
    assert np.isfinite(gradient).all()
    assert np.asarray(gradient).sum() > 0.8 * picture.size


@pytest.mark.parametrize("transform", [r.Shift(0.0), r.Scale(0.0), r.Noise(0.0)])
def test_nothing_at_zero(picture, transform):
    np.testing.assert_allclose(transform(jax.random.key(0), picture), picture, atol=1e-5)


def test_a_shift_by_whole_pixels_is_a_roll(picture):
    moved = r._resampled(picture, jnp.ones(2), jnp.array([2.0, -3.0]), 4)
    np.testing.assert_allclose(moved[2:, :-3], picture[:-2, 3:], atol=1e-5)


def test_flat_images_stay_flat(picture):
    flat = np.full_like(picture, 0.7)
    for transform in ALL[:2]:
        np.testing.assert_allclose(transform(jax.random.key(2), flat), flat, atol=1e-5)


@pytest.mark.parametrize("optimizer", EACH_OPTIMIZER)
def test_descends_repeatably_by_seed(params, picture, guide, optimizer):
    problem = p.from_guides(params, OBJECTIVE, picture, [guide])
    solver = Solver(OBJECTIVE, 15, optimizer, transforms=(r.Shift(1.0), r.Scale(0.02)), samples=2)
    first, again = (solver.run(params, problem) for _ in range(2))
    other = solver.run(params, problem._replace(seed=jnp.uint32(1)))
    np.testing.assert_array_equal(first.image, again.image)
    assert not np.array_equal(first.image, other.image)
    assert first.trace["attribute"].min() < 0.8 * first.trace["attribute"][0]


def test_pixel_terms_see_the_image_itself(params, picture, guide):
    """At the start the image is the reference, so the change has no variation in spite of the
    noise."""
    problem = p.from_guides(params, OBJECTIVE, picture, [guide])
    solution = Solver(OBJECTIVE, 3, transforms=(r.Noise(0.1),)).run(params, problem)
    assert solution.trace["total_variation"][0] == pytest.approx(0, abs=1e-9)
    assert solution.trace["identity"][0] > 1e-4


def test_resuming_draws_what_an_uninterrupted_run_draws(params, picture, guide):
    problem = p.from_guides(params, OBJECTIVE, picture, [guide])
    solver = Solver(OBJECTIVE, 20, transforms=(r.Shift(1.0),))
    stacked = solver.with_defaults(p.stack([problem]))
    descent = solver.start(params, stacked)
    for most in (3, 4, 10, 10):
        descent = solver.advance(params, stacked, descent, most)
    np.testing.assert_array_equal(
        solver.solutions(descent)[0].image, solver.run(params, problem).image
    )
