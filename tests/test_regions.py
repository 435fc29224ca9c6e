"""Regions of a face as masks."""

import numpy as np
import pytest

from facegen_jax.faces import regions
from facegen_jax.faces.geometry import TEMPLATE

POINTS = TEMPLATE * 96 - 0.5
INSIDE = {
    "mouth": (0.5, 0.735),
    "eyes": (0.355, 0.42),
    "brows": (0.345, 0.34),
    "nose": (0.5, 0.6),
    "cheeks": (0.3, 0.65),
    "jaw": (0.5, 0.9),
    "hair": (0.5, 0.05),
}
"""A point (x, y) inside each region, as fractions of the side."""
OVERLAPPING = {"mouth": {"jaw"}, "jaw": {"mouth"}, "eyes": {"brows"}, "brows": {"eyes"}}


def centroid(mask) -> np.ndarray:
    y, x = np.indices(mask.shape)
    return np.array([(mask * x).sum(), (mask * y).sum()]) / mask.sum()


@pytest.mark.parametrize("name", regions.NAMES)
def test_masks_are_soft_symmetric_and_between_0_and_1(name):
    mask = regions.region(name, 96)
    assert mask.shape == (96, 96)
    assert mask.dtype == np.float32
    assert mask.min() == 0
    assert mask.max() == pytest.approx(1, abs=0.01)
    assert 0.01 < mask.mean() < 0.7
    assert max(np.abs(np.diff(mask, axis=axis)).max() for axis in (0, 1)) < 0.4
    np.testing.assert_allclose(mask, mask[:, ::-1], atol=1e-5)  # the template is symmetric


@pytest.mark.parametrize("name", INSIDE)
def test_each_region_covers_its_part_of_the_face_only(name):
    mask = regions.region(name, 96)
    x, y = (round(fraction * 96) for fraction in INSIDE[name])
    assert mask[y, x] > 0.9
    for other in {*INSIDE} - {name} - OVERLAPPING.get(name, set()):
        x, y = (round(fraction * 96) for fraction in INSIDE[other])
        assert mask[y, x] < 0.5, other


@pytest.mark.parametrize("angle", [0.0, 0.4])
def test_a_region_moves_with_the_landmarks(angle):
    """An affine map of the landmarks, with stretch, maps the region in the same way."""
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = rotation @ np.diag([0.7, 0.6])
    points = (POINTS - 48) @ matrix.T + [50, 44]
    moved = centroid(regions.region("mouth", 96, points))
    expected = matrix @ (centroid(regions.region("mouth", 96)) - 48) + [50, 44]
    np.testing.assert_allclose(moved, expected, atol=0.3)


def test_names_joined_with_plus_give_the_union():
    union = np.maximum(regions.region("mouth", 64), regions.region("eyes", 64))
    np.testing.assert_array_equal(regions.region("Mouth + eyes", 64), union)


def test_unknown_regions_list_the_known_ones():
    with pytest.raises(regions.RegionError, match="unknown region 'ears'; expected mouth, eyes"):
        regions.region("mouth+ears", 64)
