"""Colours of a reference: only what was asked changes, only where it was asked."""

import importlib.util

import jax.numpy as jnp
import numpy as np
import pytest

from facegen_jax.faces import colour

CAST = np.array([0.12, -0.08, (0.08 * 0.587 - 0.12 * 0.299) / 0.114], np.float32)
"""A change of colour without one of luma."""


@pytest.fixture(params=["luma", "statistics", "histogram"])
def way(request):
    if request.param == "histogram":
        pytest.importorskip("skimage")
    return request.param


@pytest.fixture
def reference(picture):
    return picture[:24]


@pytest.fixture
def other(guide):
    """Another picture of softer contrast, so that nothing is clipped."""
    return 0.6 * guide[4:28] + np.array([0.1, 0.25, 0.15], np.float32)


@pytest.fixture
def soft(rng):
    """A mask that is something everywhere, and more to the right."""
    return (np.linspace(0.1, 0.9, 32) + rng.uniform(-0.1, 0.1, (24, 32))).astype(np.float32)


@pytest.fixture
def left():
    mask = np.zeros((24, 32), np.float32)
    mask[:, :16] = 1
    return mask


def luma(image):
    return np.asarray(image) @ np.array([0.299, 0.587, 0.114])


def colour_differences(image):
    """Blue and red less luma, as BT.601 scales them."""
    return np.stack([(image[..., 2] - luma(image)) / 1.772, (image[..., 0] - luma(image)) / 1.402])


def statistics(image, weights):
    """Mean and standard deviation of each channel."""
    mean = np.average(image.reshape(-1, 3), 0, weights.ravel())
    return np.array(
        [mean, np.sqrt(np.average((image.reshape(-1, 3) - mean) ** 2, 0, weights.ravel()))]
    )


def test_a_picture_keeps_its_luma_and_takes_the_colour_differences(reference, other):
    found = colour.keep_colour(other, reference)
    assert 0 < found.min() < found.max() < 1, "clipping would change both"
    np.testing.assert_allclose(luma(found), luma(other), atol=1e-5)
    np.testing.assert_allclose(colour_differences(found), colour_differences(reference), atol=1e-5)
    assert np.abs(luma(other) - luma(reference)).max() > 0.1
    assert np.abs(colour_differences(other) - colour_differences(reference)).max() > 0.1


def test_a_picture_that_is_the_reference_keeps_its_colours(way, reference, soft):
    np.testing.assert_allclose(colour.matched(way, reference, reference), reference, atol=1e-5)
    np.testing.assert_allclose(
        colour.matched(way, reference, reference, soft), reference, atol=1e-5
    )
    np.testing.assert_allclose(colour.keep_colour(reference, reference), reference, atol=1e-5)


def test_statistics_become_those_of_the_reference(reference, other):
    everywhere = np.ones((24, 32))
    found = colour.match_statistics(other, reference)
    np.testing.assert_allclose(
        statistics(found, everywhere), statistics(reference, everywhere), atol=1e-4
    )
    assert np.abs(statistics(other, everywhere) - statistics(reference, everywhere)).max() > 0.05


@pytest.mark.parametrize("name", ["soft", "left"])
def test_statistics_are_those_within_the_mask(request, reference, other, name):
    mask = request.getfixturevalue(name)
    reference = 0.25 + 0.5 * reference  # room for the part outside the mask, which changes too
    found = colour.match_statistics(other, reference, mask)
    assert 0 < found.min() < found.max() < 1
    np.testing.assert_allclose(statistics(found, mask), statistics(reference, mask), atol=1e-4)
    assert np.abs(found - colour.match_statistics(other, reference)).max() > 0.01


def test_one_change_is_made_everywhere_whatever_the_mask(reference, other, left):
    """A straight line from old to new values, the same inside and outside."""
    found = colour.match_statistics(other, reference, left)
    for channel in range(3):
        slope, start = np.polyfit(other[:, :16, channel].ravel(), found[:, :16, channel].ravel(), 1)
        np.testing.assert_allclose(
            found[:, 16:, channel], np.clip(slope * other[:, 16:, channel] + start, 0, 1), atol=1e-3
        )


@pytest.mark.parametrize(
    ("contrast", "at_most", "factor"),
    [(5.0, 2.0, 2.0), (5.0, 3.0, 3.0), (0.1, 2.0, 0.5), (0.1, 4.0, 0.25), (1.5, 2.0, 1.5)],
)
def test_contrast_changes_by_at_most_a_factor(picture, contrast, at_most, factor):
    dull = 0.5 + 0.2 * (picture - picture.mean((0, 1)))
    wanted = 0.5 + contrast * (dull - dull.mean((0, 1)))
    found = colour.match_statistics(dull, wanted, at_most=at_most)
    np.testing.assert_allclose(found.std((0, 1)), factor * dull.std((0, 1)), rtol=1e-3)
    np.testing.assert_allclose(found.mean((0, 1)), wanted.mean((0, 1)), atol=1e-4)


def test_the_noise_of_a_flat_picture_is_not_blown_up(reference, rng):
    flat = (0.4 + 1e-3 * rng.normal(size=reference.shape)).astype(np.float32)
    np.testing.assert_allclose(
        colour.match_statistics(flat, reference).std((0, 1)), 2 * flat.std((0, 1)), rtol=1e-3
    )
    even = np.full_like(reference, 0.4)
    np.testing.assert_allclose(
        colour.match_statistics(even, reference),
        np.broadcast_to(reference.mean((0, 1)), even.shape),
        atol=1e-4,
    )


def test_histograms_become_those_of_the_reference(rng):
    pytest.importorskip("skimage")
    image, reference = (
        rng.uniform(size=(24, 32, 3)).astype(np.float32) ** power for power in (1, 3)
    )
    found = colour.match_histogram(image, reference)
    np.testing.assert_allclose(
        np.sort(found.reshape(-1, 3), 0), np.sort(reference.reshape(-1, 3), 0), atol=1e-6
    )
    np.testing.assert_array_equal(
        np.argsort(found.reshape(-1, 3), 0), np.argsort(image.reshape(-1, 3), 0)
    )


def test_histograms_are_those_within_the_mask_and_the_rest_stays(rng):
    pytest.importorskip("skimage")
    image, reference = (
        rng.uniform(size=(24, 32, 3)).astype(np.float32) ** power for power in (1, 3)
    )
    mask = rng.choice(np.array([0, 0.4, 0.6, 1], np.float32), (24, 32))
    found, inside = colour.match_histogram(image, reference, mask), mask > 0.5
    np.testing.assert_allclose(np.sort(found[inside], 0), np.sort(reference[inside], 0), atol=1e-6)
    np.testing.assert_array_equal(found[~inside], image[~inside])
    np.testing.assert_array_equal(
        colour.match_histogram(image, reference, np.zeros_like(mask)), image
    )


@pytest.mark.parametrize(
    "refused",
    [
        colour.match_histogram,
        lambda *pictures: colour.matched("histogram", *pictures),
        lambda *_: colour.check("histogram"),
    ],
)
def test_histograms_without_scikit_image_name_the_extra(monkeypatch, reference, other, refused):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *package: None if name == "skimage" else find(name, *package),
    )
    with pytest.raises(colour.ColourError, match=r"pip install 'facegen_jax\[colour\]'"):
        refused(other, reference)
    for way in ("luma", "statistics", "free"):
        colour.check(way)
        colour.matched(way, other, reference)


def test_each_way_is_the_function_of_its_name(way, reference, other):
    function = {
        "luma": colour.keep_colour,
        "statistics": colour.match_statistics,
        "histogram": colour.match_histogram,
    }[way]
    np.testing.assert_array_equal(colour.matched(way, other, reference), function(other, reference))


def test_each_way_takes_a_colour_cast_away(way, reference):
    found = colour.matched(way, reference + CAST, reference)
    np.testing.assert_allclose(found, reference, atol=2e-3)


def test_colours_change_only_where_the_mask_is(way, reference, left):
    found = colour.matched(way, reference + CAST, reference, left)
    np.testing.assert_allclose(found[:, :16], reference[:, :16], atol=2e-3)
    np.testing.assert_array_equal(found[:, 16:], (reference + CAST)[:, 16:])


def test_a_soft_mask_blends(way, reference, soft):
    """A share of the cast stays; histograms are matched above a half only."""
    found = colour.matched(way, reference + CAST, reference, soft)
    share = np.where(soft > 0.5, soft, 0) if way == "histogram" else soft
    np.testing.assert_allclose(found, reference + (1 - share[..., None]) * CAST, atol=2e-3)


def test_what_is_outside_the_mask_does_not_matter_inside(way, reference, other, left, rng):
    noise = rng.uniform(size=reference.shape).astype(np.float32)
    noisy_other, noisy_reference = (
        np.where(left[..., None] > 0, image, noise) for image in (other, reference)
    )
    found, noisy = (
        colour.matched(way, other, reference, left),
        colour.matched(way, noisy_other, noisy_reference, left),
    )
    np.testing.assert_allclose(noisy[:, :16], found[:, :16], atol=1e-6)


def test_a_mask_of_nothing_changes_nothing(way, reference, other):
    np.testing.assert_array_equal(
        colour.matched(way, other, reference, np.zeros((24, 32), np.float32)), other
    )


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray], ids=["numpy", "jax"])
def test_pictures_are_float32_from_0_to_1(way, rng, soft, masked, kind):
    """Also where black, white and pure colours have to be clipped."""
    image, reference = (rng.integers(0, 2, (24, 32, 3)).astype(np.float32) for _ in range(2))
    image[:12], reference[12:] = 1, 0
    found = colour.matched(way, kind(image), kind(reference), kind(soft) if masked else None)
    assert isinstance(found, np.ndarray)
    assert found.shape == image.shape
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1


def test_the_pictures_given_stay_as_they_were(way, reference, other, left):
    before = [each.copy() for each in (other, reference, left)]
    colour.matched(way, other, reference, left)
    for now, then in zip((other, reference, left), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("masked", [False, True])
def test_any_other_way_leaves_the_picture_as_it_is(reference, other, left, masked):
    assert colour.matched("free", other, reference, left if masked else None) is other
