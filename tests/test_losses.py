"""Properties every loss must have, and values worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from facegen_jax.descent import losses

PAIRS = {
    "squared_distance": losses.squared_distance,
    "gram_distance": losses.gram_distance,
    "cosine_distance": lambda a, b: losses.cosine_distance(a.reshape(-1), b.reshape(-1)),
}


@pytest.fixture
def maps(rng):
    return rng.random((6, 5, 4), np.float32) + 0.1, rng.random((6, 5, 4), np.float32) + 0.1


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("jit", [False, True])
def test_zero_at_the_target_and_positive_elsewhere(name, jit, maps):
    distance = jax.jit(PAIRS[name]) if jit else PAIRS[name]
    assert abs(float(distance(maps[0], maps[0]))) < 1e-6
    assert float(distance(*maps)) > 1e-3


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e3])
def test_scale_of_the_features_does_not_matter(name, scale, maps):
    base, scaled = (
        PAIRS[name](*maps),
        PAIRS[name](maps[0] * np.float32(scale), maps[1] * np.float32(scale)),
    )
    np.testing.assert_allclose(scaled, base, rtol=1e-4)


def test_size_and_width_do_not_matter(maps):
    """Repeating maps in space or channels leaves the distance: a weight means the same at every layer."""
    base = losses.squared_distance(*maps)
    for repeats in ((2, 1, 1), (1, 3, 1), (1, 1, 4)):
        np.testing.assert_allclose(
            losses.squared_distance(np.tile(maps[0], repeats), np.tile(maps[1], repeats)),
            base,
            rtol=1e-5,
        )
    np.testing.assert_allclose(
        losses.gram_distance(np.tile(maps[0], (2, 3, 1)), np.tile(maps[1], (2, 3, 1))),
        losses.gram_distance(*maps),
        rtol=1e-4,
    )


def test_feature_distance_by_hand():
    features, target = jnp.array([[[1.0], [3.0]]]), jnp.array([[[2.0], [1.0]]])
    np.testing.assert_allclose(losses.squared_distance(features, target), (1 + 4) / (4 + 1))
    np.testing.assert_allclose(
        losses.squared_distance(features, target, jnp.array([[1.0, 0.0]])), 1 / 4
    )
    np.testing.assert_allclose(losses.squared_distance(0 * target, target), 1)


def test_mask_makes_the_outside_free(maps):
    mask = np.zeros((6, 5), np.float32)
    mask[2:4, 1:3] = 1
    gradient = jax.grad(losses.squared_distance)(maps[0], maps[1], mask)
    assert np.all(np.asarray(gradient)[mask == 0] == 0)
    assert np.all(np.asarray(gradient)[mask == 1] != 0)


def test_gram_by_hand():
    np.testing.assert_allclose(
        losses.gram(jnp.array([[[1.0, 2.0]], [[3.0, 4.0]]])), [[5.0, 7.0], [7.0, 10.0]]
    )


def test_cosine_distance_by_hand():
    x, y = jnp.array([1.0, 0.0]), jnp.array([0.0, 2.0])
    np.testing.assert_allclose(
        [losses.cosine_distance(x, a) for a in (3 * x, y, -x)], [0, 1, 2], atol=1e-6
    )


def test_total_variation_by_hand():
    image = jnp.zeros((3, 3, 3)).at[1, 1].set(2.0)
    # At the four positions with both neighbours: 0, 4 (right) at (1, 0), 4 (down) at (0, 1), 8 at (1, 1).
    np.testing.assert_allclose(losses.total_variation(image), (0 + 4 + 4 + 8) / 4)
    np.testing.assert_allclose(
        losses.total_variation(image, exponent=1.0), (0 + 2 + 2 + 8**0.5) / 4, rtol=2e-3
    )


@pytest.mark.parametrize("exponent", [1.0, 1.5, 2.0])
def test_total_variation_ignores_a_shift_and_is_finite_on_a_flat_image(exponent, picture):
    flat = jnp.full((8, 8, 3), 0.3)
    assert float(losses.total_variation(flat, exponent=exponent)) == pytest.approx(0, abs=1e-7)
    assert np.all(
        np.isfinite(jax.grad(lambda image: losses.total_variation(image, exponent=exponent))(flat))
    )
    shifted = losses.total_variation(picture + np.float32(0.1), exponent=exponent)
    np.testing.assert_allclose(
        shifted, losses.total_variation(picture, exponent=exponent), rtol=1e-4
    )


@pytest.mark.parametrize("name", PAIRS)
def test_finite_gradient_on_zeros(name):
    zeros = jnp.zeros((4, 4, 3))
    for target in (zeros, zeros + 1):
        assert np.all(np.isfinite(jax.grad(PAIRS[name])(zeros, target)))


def test_grey_has_no_chroma():
    np.testing.assert_allclose(losses.chroma(jnp.full((2, 2, 3), 0.7)), 0, atol=1e-6)
    assert np.abs(losses.chroma(jnp.zeros((2, 2, 3)).at[..., 0].set(1.0))).max() > 0.4
