"""Parts of a face as masks."""

import numpy as np
import pytest

from facegen_jax.faces import align, regions

POINTS = align.TEMPLATE * 96 - 0.5
PLACES = {
    "mouth": (0.5, 0.735),
    "eyes": (0.355, 0.42),
    "brows": (0.345, 0.34),
    "nose": (0.5, 0.6),
    "cheeks": (0.3, 0.65),
    "jaw": (0.5, 0.9),
    "hair": (0.5, 0.05),
}


def middle(mask) -> np.ndarray:
    y, x = np.indices(mask.shape)
    return np.array([(mask * x).sum(), (mask * y).sum()]) / mask.sum()


@pytest.mark.parametrize("name", regions.NAMES)
def test_masks_are_soft_and_between_0_and_1(name):
    mask = regions.region(name, 96)
    assert mask.shape == (96, 96)
    assert mask.dtype == np.float32
    assert mask.min() == 0
    assert mask.max() == pytest.approx(1, abs=0.01)
    assert 0.01 < mask.mean() < 0.7
    assert max(np.abs(np.diff(mask, axis=axis)).max() for axis in (0, 1)) < 0.4
    np.testing.assert_allclose(mask, mask[:, ::-1], atol=1e-5)  # the template is symmetric


@pytest.mark.parametrize("name", PLACES)
def test_each_part_is_where_it_belongs_and_not_elsewhere(name):
    mask = regions.region(name, 96)
    x, y = (round(each * 96) for each in PLACES[name])
    assert mask[y, x] > 0.9
    elsewhere = {other for other in PLACES if other != name} - {
        "mouth": {"jaw"},
        "jaw": {"mouth"},
        "eyes": {"brows"},
        "brows": {"eyes"},
    }.get(name, set())
    for other in elsewhere:
        x, y = (round(each * 96) for each in PLACES[other])
        assert mask[y, x] < 0.5, other


@pytest.mark.parametrize("turn", [0.0, 0.4])
def test_a_region_moves_with_the_landmarks(turn):
    """Also where they are stretched: the affine map of the landmarks is that of the region."""
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.diag(
        [0.7, 0.6]
    )
    points = (POINTS - 48) @ matrix.T + [50, 44]
    moved = middle(regions.region("mouth", 96, points))
    np.testing.assert_allclose(
        moved, matrix @ (middle(regions.region("mouth", 96)) - 48) + [50, 44], atol=0.3
    )


def test_regions_join():
    both = regions.region("Mouth + eyes", 64)
    np.testing.assert_array_equal(
        both, np.maximum(regions.region("mouth", 64), regions.region("eyes", 64))
    )


def test_unknown_regions_list_the_known_ones():
    with pytest.raises(regions.RegionError, match="unknown region 'ears'; known are mouth, eyes"):
        regions.region("mouth+ears", 64)
