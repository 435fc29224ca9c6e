"""Colours are matched to a reference by the chosen method, and only inside the mask."""

import importlib.util

import jax.numpy as jnp
import numpy as np
import pytest

from facegen_jax.faces import colour

CAST = np.array([0.12, -0.08, (0.08 * 0.587 - 0.12 * 0.299) / 0.114], np.float32)
"""A change of colour that leaves luma unchanged."""


@pytest.fixture(params=["luma", "statistics", "histogram"])
def method(request):
    if request.param == "histogram":
        pytest.importorskip("skimage")
    return request.param


@pytest.fixture
def reference(picture):
    return picture[:24]


@pytest.fixture
def other(guide):
    """A different image, with contrast so low that nothing is clipped."""
    return 0.6 * guide[4:28] + np.array([0.1, 0.25, 0.15], np.float32)


@pytest.fixture
def soft(rng):
    """A mask that is positive everywhere and increases to the right."""
    return (np.linspace(0.1, 0.9, 32) + rng.uniform(-0.1, 0.1, (24, 32))).astype(np.float32)


@pytest.fixture
def left():
    """A hard mask of the left half."""
    mask = np.zeros((24, 32), np.float32)
    mask[:, :16] = 1
    return mask


def luma(image):
    return np.asarray(image) @ np.array([0.299, 0.587, 0.114])


def colour_differences(image):
    """Return Cb and Cr as BT.601 defines them: blue and red minus luma, scaled."""
    return np.stack([(image[..., 2] - luma(image)) / 1.772, (image[..., 0] - luma(image)) / 1.402])


def statistics(image, weights):
    """Return the mean and standard deviation of each channel."""
    values, weights = image.reshape(-1, 3), weights.ravel()
    mean = np.average(values, 0, weights)
    return np.array([mean, np.sqrt(np.average((values - mean) ** 2, 0, weights))])


def test_luma_is_the_images_and_colour_differences_are_the_references(reference, other):
    result = colour.keep_colour(other, reference)
    assert 0 < result.min() < result.max() < 1, "clipping would change both"
    np.testing.assert_allclose(luma(result), luma(other), atol=1e-5)
    np.testing.assert_allclose(colour_differences(result), colour_differences(reference), atol=1e-5)
    assert np.abs(luma(other) - luma(reference)).max() > 0.1
    assert np.abs(colour_differences(other) - colour_differences(reference)).max() > 0.1


def test_the_reference_itself_does_not_change(method, reference, soft):
    np.testing.assert_allclose(colour.matched(method, reference, reference), reference, atol=1e-5)
    np.testing.assert_allclose(
        colour.matched(method, reference, reference, soft), reference, atol=1e-5
    )
    np.testing.assert_allclose(colour.keep_colour(reference, reference), reference, atol=1e-5)


def test_statistics_become_those_of_the_reference(reference, other):
    everywhere = np.ones((24, 32))
    result = colour.match_statistics(other, reference)
    np.testing.assert_allclose(
        statistics(result, everywhere), statistics(reference, everywhere), atol=1e-4
    )
    assert np.abs(statistics(other, everywhere) - statistics(reference, everywhere)).max() > 0.05


@pytest.mark.parametrize("name", ["soft", "left"])
def test_statistics_are_matched_within_the_mask(request, reference, other, name):
    mask = request.getfixturevalue(name)
    reference = 0.25 + 0.5 * reference  # keeps the changes outside the mask clear of clipping
    result = colour.match_statistics(other, reference, mask)
    assert 0 < result.min() < result.max() < 1
    np.testing.assert_allclose(statistics(result, mask), statistics(reference, mask), atol=1e-4)
    assert np.abs(result - colour.match_statistics(other, reference)).max() > 0.01


def test_matching_statistics_is_one_linear_map_inside_and_outside_the_mask(reference, other, left):
    result = colour.match_statistics(other, reference, left)
    for channel in range(3):
        slope, intercept = np.polyfit(
            other[:, :16, channel].ravel(), result[:, :16, channel].ravel(), 1
        )
        expected = np.clip(slope * other[:, 16:, channel] + intercept, 0, 1)
        np.testing.assert_allclose(result[:, 16:, channel], expected, atol=1e-3)


@pytest.mark.parametrize(
    ("contrast", "max_gain", "gain"),
    [(5.0, 2.0, 2.0), (5.0, 3.0, 3.0), (0.1, 2.0, 0.5), (0.1, 4.0, 0.25), (1.5, 2.0, 1.5)],
)
def test_contrast_changes_by_at_most_the_largest_gain(picture, contrast, max_gain, gain):
    dull = 0.5 + 0.2 * (picture - picture.mean((0, 1)))
    reference = 0.5 + contrast * (dull - dull.mean((0, 1)))
    result = colour.match_statistics(dull, reference, max_gain=max_gain)
    np.testing.assert_allclose(result.std((0, 1)), gain * dull.std((0, 1)), rtol=1e-3)
    np.testing.assert_allclose(result.mean((0, 1)), reference.mean((0, 1)), atol=1e-4)


def test_the_noise_of_a_flat_image_is_not_amplified(reference, rng):
    noisy = (0.4 + 1e-3 * rng.normal(size=reference.shape)).astype(np.float32)
    np.testing.assert_allclose(
        colour.match_statistics(noisy, reference).std((0, 1)), 2 * noisy.std((0, 1)), rtol=1e-3
    )
    flat = np.full_like(reference, 0.4)
    np.testing.assert_allclose(
        colour.match_statistics(flat, reference),
        np.broadcast_to(reference.mean((0, 1)), flat.shape),
        atol=1e-4,
    )


def test_histograms_become_those_of_the_reference(rng):
    pytest.importorskip("skimage")
    image, reference = (
        rng.uniform(size=(24, 32, 3)).astype(np.float32) ** power for power in (1, 3)
    )
    result = colour.match_histogram(image, reference)
    np.testing.assert_allclose(
        np.sort(result.reshape(-1, 3), 0), np.sort(reference.reshape(-1, 3), 0), atol=1e-6
    )
    np.testing.assert_array_equal(
        np.argsort(result.reshape(-1, 3), 0), np.argsort(image.reshape(-1, 3), 0)
    )


def test_histograms_are_matched_within_the_mask_and_the_rest_is_unchanged(rng):
    pytest.importorskip("skimage")
    image, reference = (
        rng.uniform(size=(24, 32, 3)).astype(np.float32) ** power for power in (1, 3)
    )
    mask = rng.choice(np.array([0, 0.4, 0.6, 1], np.float32), (24, 32))
    result, inside = colour.match_histogram(image, reference, mask), mask > 0.5
    np.testing.assert_allclose(np.sort(result[inside], 0), np.sort(reference[inside], 0), atol=1e-6)
    np.testing.assert_array_equal(result[~inside], image[~inside])
    np.testing.assert_array_equal(
        colour.match_histogram(image, reference, np.zeros_like(mask)), image
    )


@pytest.mark.parametrize(
    "call",
    [
        colour.match_histogram,
        lambda *images: colour.matched("histogram", *images),
        lambda *_: colour.require_extra("histogram"),
    ],
)
def test_without_scikit_image_only_histograms_fail_and_name_the_extra(
    monkeypatch, reference, other, call
):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *package: None if name == "skimage" else find_spec(name, *package),
    )
    with pytest.raises(colour.ColourError, match=r"pip install 'facegen_jax\[colour\]'"):
        call(other, reference)
    for method in ("luma", "statistics", "free"):
        colour.require_extra(method)
        colour.matched(method, other, reference)


def test_each_method_calls_its_function(method, reference, other):
    function = {
        "luma": colour.keep_colour,
        "statistics": colour.match_statistics,
        "histogram": colour.match_histogram,
    }[method]
    np.testing.assert_array_equal(
        colour.matched(method, other, reference), function(other, reference)
    )


def test_each_method_removes_a_colour_cast(method, reference):
    result = colour.matched(method, reference + CAST, reference)
    np.testing.assert_allclose(result, reference, atol=2e-3)


def test_colours_change_only_inside_the_mask(method, reference, left):
    result = colour.matched(method, reference + CAST, reference, left)
    np.testing.assert_allclose(result[:, :16], reference[:, :16], atol=2e-3)
    np.testing.assert_array_equal(result[:, 16:], (reference + CAST)[:, 16:])


def test_a_soft_mask_blends(method, reference, soft):
    """The share 1 - mask of a cast remains; histograms leave all of it where the mask is <= 0.5."""
    result = colour.matched(method, reference + CAST, reference, soft)
    share = np.where(soft > 0.5, soft, 0) if method == "histogram" else soft
    np.testing.assert_allclose(result, reference + (1 - share[..., None]) * CAST, atol=2e-3)


def test_pixels_outside_the_mask_have_no_influence_inside(method, reference, other, left, rng):
    noise = rng.uniform(size=reference.shape).astype(np.float32)
    noisy_other, noisy_reference = (
        np.where(left[..., None] > 0, image, noise) for image in (other, reference)
    )
    clean = colour.matched(method, other, reference, left)
    noisy = colour.matched(method, noisy_other, noisy_reference, left)
    np.testing.assert_allclose(noisy[:, :16], clean[:, :16], atol=1e-6)


def test_an_empty_mask_changes_nothing(method, reference, other):
    np.testing.assert_array_equal(
        colour.matched(method, other, reference, np.zeros((24, 32), np.float32)), other
    )


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray], ids=["numpy", "jax"])
def test_results_are_float32_images_in_0_to_1(method, rng, soft, masked, kind):
    """Black, white and pure colours, which need clipping, included."""
    image, reference = (rng.integers(0, 2, (24, 32, 3)).astype(np.float32) for _ in range(2))
    image[:12], reference[12:] = 1, 0
    result = colour.matched(method, kind(image), kind(reference), kind(soft) if masked else None)
    assert isinstance(result, np.ndarray)
    assert result.shape == image.shape
    assert result.dtype == np.float32
    assert result.min() >= 0
    assert result.max() <= 1


def test_inputs_are_not_modified(method, reference, other, left):
    inputs = (other, reference, left)
    copies = [array.copy() for array in inputs]
    colour.matched(method, other, reference, left)
    for array, copy in zip(inputs, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("masked", [False, True])
def test_any_other_method_returns_the_image_itself(reference, other, left, masked):
    assert colour.matched("free", other, reference, left if masked else None) is other
