"""The curve of identity against attribute, which chooses the defaults."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments/curve"))
from table import GRID, bootstrap, curve


def test_identity_is_interpolated_between_strengths():
    reached = np.array([[0, 0, 0, 1], [0, 1, 1, 1.0]])
    identity = np.array([[0.9] * 4, [0.5] * 4])
    found = curve(reached, identity)
    for share, expected in ((0.0, 1.0), (0.25, 0.9), (0.5, 0.7), (0.75, 0.5), (0.8, 0.0)):
        assert found[np.argmin(np.abs(GRID - share))] == pytest.approx(expected)


@pytest.mark.parametrize(("reaches", "keeps", "area"), [(0, 1, 0.01), (1, 1, 1), (1, 0, 0.5)])
def test_area_of_extreme_ways(reaches, keeps, area):
    """A copy has no area, an edit without cost all of it, one that loses the person half."""
    ones = np.ones((1, 5))
    assert curve(reaches * ones, keeps * ones).mean() == pytest.approx(area, abs=0.01)


def test_stronger_edits_that_reach_less_do_not_lower_the_curve(rng):
    reached = np.array([[0, 0, 1, 1.0], [1, 1, 1, 1], [0, 0, 0, 1]])
    identity = np.array([[0.9] * 4, [0.6] * 4, [0.2] * 4])
    np.testing.assert_allclose(curve(reached, identity), curve(reached[:2], identity[:2]))
    assert (np.diff(curve(rng.integers(0, 2, (6, 9)), rng.uniform(size=(6, 9)))) <= 0).all()


def test_bootstrap_draws_people_with_all_their_edits():
    """Of two people one is always reached, one never: samples have shares 0, a half or 1."""
    way = {
        "cases": [["Smiling", "a"], ["Bangs", "a"], ["Smiling", "b"], ["Bangs", "b"]],
        "reached": np.array([[1, 1, 0, 0.0]]),
        "identity": np.full((1, 4), 0.8),
    }
    largest = {round(GRID[values > 0].max(), 2) for values in bootstrap(way, ["a", "b"])}
    assert largest == {0.0, 0.5, 1.0}
