"""Means with errors, and directions without what chance explains."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from facegen_jax.descent import targets
from facegen_jax.descent.moments import moments, shrunk
from facegen_jax.network.features import extract

LAYERS = ("image", "conv1_2", "fc7")


@pytest.mark.parametrize("count", [1, 2, 5])
def test_moments_are_numpys(count, params, rng):
    faces = [rng.uniform(size=(32, 32, 3)).astype(np.float32) for _ in range(count)]
    found = moments(params, LAYERS, iter(faces))
    for layer in LAYERS:
        maps = np.stack([extract(params, face, LAYERS)[layer] for face in faces])
        np.testing.assert_allclose(found.mean[layer], maps.mean(0), rtol=1e-4, atol=1e-4)
        error = maps.var(0, ddof=1) / count if count > 1 else np.zeros(maps.shape[1:])
        limit = 1e-4 * (1 + error.max())
        np.testing.assert_allclose(found.error[layer], error, rtol=1e-3, atol=limit)


def test_moments_need_a_face(params):
    with pytest.raises(ValueError, match="at least one"):
        moments(params, LAYERS, iter([]))


def test_chance_vanishes_and_what_is_certain_stays(rng):
    """Half of the map differs by ten standard errors; the other half by chance alone."""
    certain = np.zeros((14, 14, 128), np.float32)
    certain[:7] = 10
    values = jnp.array(certain + rng.normal(size=certain.shape), jnp.float32)
    result = shrunk({"conv4_3": values}, {"conv4_3": jnp.ones_like(values)})["conv4_3"]
    np.testing.assert_allclose(result[:6], values[:6], rtol=0.02)
    assert jnp.linalg.norm(result[9:]) < 0.2 * jnp.linalg.norm(values[9:])


@pytest.mark.parametrize(("error", "corner"), [(0.5, 0.5 / (1 - 0.5 / 1.5**2)), (4.0, 1.0)])
def test_few_faces_do_not_make_a_faint_direction(error, corner):
    """The most certain position keeps its size; if none is certain, all do. Vectors stay."""
    direction = {"conv4_3": jnp.ones((6, 6, 8)).at[2:5, 2:5].set(1.5), "fc7": jnp.ones(9)}
    errors = {layer: jnp.full(maps.shape, error) for layer, maps in direction.items()}
    result = shrunk(direction, errors)
    assert float(result["conv4_3"][3, 3, 0]) == pytest.approx(1.5)
    assert float(result["conv4_3"][0, 0, 0]) == pytest.approx(corner)
    np.testing.assert_array_equal(result["fc7"], direction["fc7"])


def test_shrinking_a_difference_comes_closer_to_the_truth(params, rng):
    """Faces that differ in a corner alone: the rest of their difference is chance."""
    plain = [rng.uniform(0.2, 0.6, size=(32, 32, 3)).astype(np.float32) for _ in range(24)]
    bright = [face.copy() for face in plain[12:]]
    for face in bright:
        face[:10, :10] += 0.4
    layers = ("image", "conv1_2")
    without, having = (moments(params, layers, faces) for faces in (plain[:12], bright))
    difference = jax.tree.map(jnp.subtract, having.mean, without.mean)
    error = jax.tree.map(jnp.add, having.error, without.error)
    truth = targets.difference(params, layers, bright, plain[12:])
    for layer, values in shrunk(difference, error).items():
        before, after = (
            jnp.linalg.norm(each - truth[layer]) for each in (difference[layer], values)
        )
        assert after < 0.6 * before
