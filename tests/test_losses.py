"""Losses: the properties they share, and values worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from facegen_jax.descent import losses

DISTANCES = losses.DISTANCES | {
    "cosine of vectors": lambda a, b: losses.cosine_distance(a.reshape(-1), b.reshape(-1))
}
LOCAL = ("squared", "l1", "cosine")
"""Distances between the same positions of two maps."""
MASKED_BY_POSITION = (*LOCAL, "gram", "contextual")
"""Distances that read nothing of the image outside the mask."""
PAIRWISE = ("contextual", "patch")


@pytest.fixture
def maps(rng):
    return rng.random((6, 5, 4), np.float32) + 0.1, rng.random((6, 5, 4), np.float32) + 0.1


@pytest.fixture
def mask():
    mask = np.zeros((6, 5), np.float32)
    mask[2:4, 1:3] = 1
    return mask


@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize("jit", [False, True])
def test_zero_at_the_target_and_positive_elsewhere(name, jit, maps):
    distance = jax.jit(DISTANCES[name]) if jit else DISTANCES[name]
    assert abs(float(distance(maps[0], maps[0]))) < 1e-6
    assert float(distance(*maps)) > 1e-3


@pytest.mark.parametrize("name", losses.DISTANCES)
def test_zero_at_the_target_under_a_mask(name, maps, mask):
    distance = losses.DISTANCES[name]
    assert float(distance(maps[0], maps[1], mask)) > 1e-3
    if name != "contextual":  # its target positions outside the mask remain without a match
        assert abs(float(distance(maps[0], maps[0], mask))) < 1e-6


@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e3])
def test_scale_of_the_features_does_not_matter(name, scale, maps):
    scaled = (each * np.float32(scale) for each in maps)
    tolerance = 1e-3 if name == "l1" else 1e-4  # l1 is smoothed below differences of about 1e-6
    np.testing.assert_allclose(DISTANCES[name](*scaled), DISTANCES[name](*maps), rtol=tolerance)


@pytest.mark.parametrize("name", LOCAL)
def test_size_of_the_map_does_not_matter(name, maps):
    """Tiling maps in space or channels keeps the distance: a weight means the same at any layer."""
    base = DISTANCES[name](*maps)
    for repeats in ((2, 1, 1), (1, 3, 1), (1, 1, 4)):
        tiled = (np.tile(each, repeats) for each in maps)
        np.testing.assert_allclose(DISTANCES[name](*tiled), base, rtol=1e-5)


def test_size_of_the_map_does_not_matter_to_the_gram_distance(maps):
    tiled = (np.tile(each, (2, 3, 1)) for each in maps)
    np.testing.assert_allclose(losses.gram_distance(*tiled), losses.gram_distance(*maps), rtol=1e-4)


@pytest.mark.parametrize("name", DISTANCES)
def test_gradient_is_finite_at_equal_and_at_zero_maps(name, maps):
    gradient = jax.grad(DISTANCES[name])
    zeros = jnp.zeros((4, 4, 3))
    for features, target in ((maps[0], maps[0]), (zeros, zeros), (zeros, zeros + 1)):
        assert np.all(np.isfinite(gradient(features, target)))


@pytest.mark.parametrize("name", MASKED_BY_POSITION)
def test_mask_frees_the_outside(name, maps, mask):
    gradient = np.asarray(jax.grad(losses.DISTANCES[name])(maps[0], maps[1], mask))
    assert np.all(gradient[mask == 0] == 0)
    assert np.all(gradient[mask == 1] != 0)


def test_mask_frees_what_no_masked_patch_reaches(maps, mask):
    """Patches are 3x3, so a masked position also reads its neighbours."""
    gradient = np.asarray(jax.grad(losses.patch_distance)(maps[0], maps[1], mask))
    read = np.zeros((6, 5), bool)
    read[1:5, 0:4] = True
    assert np.all(gradient[~read] == 0)
    assert np.all(gradient[read] != 0)


def test_squared_distance_by_hand():
    features, target = jnp.array([[[1.0], [3.0]]]), jnp.array([[[2.0], [1.0]]])
    left = jnp.array([[1.0, 0.0]])
    np.testing.assert_allclose(losses.squared_distance(features, target), (1 + 4) / (4 + 1))
    np.testing.assert_allclose(losses.squared_distance(features, target, left), 1 / 4)
    np.testing.assert_allclose(losses.squared_distance(0 * target, target), 1)


def test_absolute_distance_by_hand():
    features, target = jnp.array([[[1.0], [3.0]]]), jnp.array([[[-2.0], [1.0]]])
    left = jnp.array([[1.0, 0.0]])
    by_hand = [(3 + 2) / (2 + 1), 3 / 2, 1]
    values = [
        losses.absolute_distance(features, target),
        losses.absolute_distance(features, target, left),
        losses.absolute_distance(0 * target, target),
    ]
    np.testing.assert_allclose(values, by_hand, rtol=1e-5)


def test_cosine_distance_of_vectors_by_hand():
    x, y = jnp.array([1.0, 0.0]), jnp.array([0.0, 2.0])
    np.testing.assert_allclose(
        [losses.cosine_distance(x, each) for each in (3 * x, y, -x)], [0, 1, 2], atol=1e-6
    )


def test_cosine_distance_of_maps_by_hand():
    """The channels have cosines of 0.6 and -1 at the two positions."""
    features = jnp.array([[[3.0, 4.0], [0.0, 2.0]]])
    target = jnp.array([[[5.0, 0.0], [0.0, -1.0]]])
    np.testing.assert_allclose(losses.cosine_distance(features, target), (0.4 + 2) / 2, rtol=1e-6)
    left = jnp.array([[1.0, 0.0]])
    np.testing.assert_allclose(losses.cosine_distance(features, target, left), 0.4, rtol=1e-6)


def test_gram_by_hand():
    np.testing.assert_allclose(
        losses.gram(jnp.array([[[1.0, 2.0]], [[3.0, 4.0]]])), [[5.0, 7.0], [7.0, 10.0]]
    )


def test_contextual_distance_by_hand():
    """Each target is nearest to one image feature, with cosines of 0.6 to it and -0.6 to the other.

    Centred on their mean (2, 2), the targets are (1, 0) and (-1, 0), the image features (3, 4) and
    (-3, 4). The distances 0.4 and 1.6 over the smaller one are 1 and 4, so each row's similarities
    are 1 and exp(-3 / bandwidth) over their sum, and both column maxima are the larger of these.
    """
    target = jnp.array([[[3.0, 2.0], [1.0, 2.0]]])
    features = jnp.array([[[5.0, 6.0], [-1.0, 6.0]]])
    by_hand = {0.5: np.log(1 + np.exp(-6)), 3.0: np.log(1 + np.exp(-1))}
    for bandwidth, expected in by_hand.items():
        distance = losses.contextual_distance(features, target, bandwidth=bandwidth)
        np.testing.assert_allclose(distance, expected, rtol=1e-3)
    both_near_the_first = losses.contextual_distance(features[:, [0, 0]], target)
    np.testing.assert_allclose(both_near_the_first, np.log(2), rtol=1e-5)


def test_contextual_distance_ignores_where_features_are(maps):
    moved = np.roll(maps[0], (2, 1), (0, 1))
    assert abs(float(losses.contextual_distance(moved, maps[0]))) < 1e-6


def test_patch_distance_by_hand():
    """Every patch of a constant map is constant, so all cosines are that of (1, 0) and (3, 4)."""
    features = jnp.tile(jnp.array([1.0, 0.0]), (2, 3, 1))
    target = jnp.tile(jnp.array([3.0, 4.0]), (3, 2, 1))
    np.testing.assert_allclose(losses.patch_distance(features, target), 1 - 0.6, rtol=1e-6)


def test_patch_distance_takes_the_best_match():
    """One of the target's positions has exactly the image's patch, the others have it negated."""
    features = jnp.array([[[1.0]]])
    target = jnp.full((5, 5, 1), -1.0).at[:3, :3].set(1.0)
    assert float(losses.patch_distance(features, target)) == pytest.approx(0, abs=1e-6)
    assert float(losses.patch_distance(features, jnp.full((5, 5, 1), -1.0))) == pytest.approx(2)


@pytest.mark.parametrize("name", PAIRWISE)
def test_pairwise_distances_refuse_large_maps(name):
    side = int(losses.MOST_POSITIONS**0.5)
    largest, larger = jnp.ones((side, side, 1)), jnp.ones((side, side + 1, 1))
    distance, small = losses.DISTANCES[name], jnp.ones((2, 2, 1))
    assert jax.eval_shape(distance, largest, small).shape == ()
    message = f"a map of {side}x{side + 1} has more than {losses.MOST_POSITIONS} of them"
    for features, target in ((larger, small), (small, larger)):
        with pytest.raises(ValueError, match=message):
            distance(features, target)


def test_total_variation_by_hand():
    image = jnp.zeros((3, 3, 3)).at[1, 1].set(2.0)
    # Squares at the four positions with both neighbours: 0 at (0, 0), 4 (down) at (0, 1),
    # 4 (right) at (1, 0), 4 + 4 at (1, 1).
    np.testing.assert_allclose(losses.total_variation(image), (0 + 4 + 4 + 8) / 4)
    np.testing.assert_allclose(
        losses.total_variation(image, exponent=1.0), (0 + 2 + 2 + 8**0.5) / 4, rtol=2e-3
    )


@pytest.mark.parametrize("exponent", [1.0, 1.5, 2.0])
def test_total_variation_ignores_a_shift_and_has_a_finite_gradient(exponent, picture):
    def variation(image):
        return losses.total_variation(image, exponent=exponent)

    flat = jnp.full((8, 8, 3), 0.3)
    assert float(variation(flat)) == pytest.approx(0, abs=1e-7)
    assert np.all(np.isfinite(jax.grad(variation)(flat)))
    shifted = variation(picture + np.float32(0.1))
    np.testing.assert_allclose(shifted, variation(picture), rtol=1e-4)


def test_grey_has_no_chroma():
    np.testing.assert_allclose(losses.chroma(jnp.full((2, 2, 3), 0.7)), 0, atol=1e-6)
    assert np.abs(losses.chroma(jnp.zeros((2, 2, 3)).at[..., 0].set(1.0))).max() > 0.4
