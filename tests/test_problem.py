"""Problems: their builders, checks and stacking."""

import jax
import numpy as np
import pytest

from facegen_jax.descent import problem as p
from facegen_jax.descent import terms as t
from facegen_jax.network.features import extract

OBJECTIVE = 1.0 * t.Identity(("conv3_1",)) + 1.0 * t.Attribute(("conv2_2", "conv3_1"))


def test_guides_are_averaged_in_feature_space(params, picture, guide):
    targets = p.from_guides(params, OBJECTIVE, picture, [guide, picture]).targets
    own, other = (extract(params, image, OBJECTIVE.layers) for image in (picture, guide))
    for layer in OBJECTIVE.layers:
        np.testing.assert_allclose(
            targets.attribute[layer], (own[layer] + other[layer]) / 2, rtol=1e-5, atol=1e-4
        )
        np.testing.assert_allclose(targets.reference[layer], own[layer], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("strength", [0.0, 1.0, -2.5])
def test_tuning_adds_strength_times_direction(params, picture, rng, strength):
    own = extract(params, picture, ("conv2_2", "conv3_1"))
    direction = {
        layer: rng.normal(size=maps.shape).astype(np.float32) for layer, maps in own.items()
    }
    problem = p.from_direction(params, OBJECTIVE, picture, direction, strength)
    for layer, maps in own.items():
        np.testing.assert_allclose(
            problem.targets.attribute[layer],
            maps + strength * direction[layer],
            rtol=1e-4,
            atol=1e-3,
        )
    np.testing.assert_array_equal(problem.start, picture)


def test_targets_have_only_the_layers_of_the_objective(params, picture, guide):
    targets = p.from_guides(params, OBJECTIVE, picture, [guide]).targets
    assert set(targets.reference) == {"image", "conv2_2", "conv3_1"}


def test_masks_are_resized_to_each_layer(params, picture, guide):
    mask = np.zeros((32, 32), np.float32)
    mask[:, :16] = 1
    objective = OBJECTIVE + 1.0 * t.Attribute(("conv5_1",), mask="left")
    problem = p.from_guides(params, objective, picture, [guide], masks={"left": mask})
    small = problem.targets.masks["left"]["conv5_1"]
    assert small.shape == (2, 2)
    assert np.all(small[:, 0] > 0.7)
    assert np.all(small[:, 1] < 0.3)
    np.testing.assert_allclose(np.mean(small), 0.5, atol=1e-3)


def test_builders_refuse_unusable_input(params, picture, guide):
    with pytest.raises(ValueError, match="at least one guide"):
        p.from_guides(params, OBJECTIVE, picture, [])
    message = r"guide has shape \(16, 32, 3\), the reference \(32, 32, 3\)"
    with pytest.raises(ValueError, match=message):
        p.from_guides(params, OBJECTIVE, picture, [guide[:16]])
    with pytest.raises(ValueError, match=r"reads 'conv3_1', .* attribute has conv2_2;"):
        p.from_direction(params, OBJECTIVE, picture, {"conv2_2": np.zeros((16, 16, 6), np.float32)})
    with pytest.raises(ValueError, match=r"direction's conv2_2 has shape \(8, 8, 6\)"):
        p.from_direction(params, OBJECTIVE, picture, {"conv2_2": np.zeros((8, 8, 6), np.float32)})
    with pytest.raises(ValueError, match=r"'mouth', .* its masks: none"):
        p.from_guides(params, 1.0 * t.Attribute(("conv2_2",), mask="mouth"), picture, [guide])


def test_stack_refuses_problems_of_different_shape(params, picture, guide):
    first = p.from_guides(params, OBJECTIVE, picture, [guide])
    second = p.from_guides(params, 1.0 * t.Identity(("conv2_2",)), picture, [guide])
    with pytest.raises(ValueError, match="same layers"):
        p.stack([first, second])
    with pytest.raises(ValueError, match="no problems"):
        p.stack([])


def test_noise_is_reproducible(params, picture, guide):
    problem = p.from_guides(params, OBJECTIVE, picture, [guide])
    first, again = (p.with_noise(problem, jax.random.key(3), 0.1).start for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert 0.05 < np.std(np.asarray(first) - picture) < 0.15
    assert not np.array_equal(first, p.with_noise(problem, jax.random.key(4), 0.1).start)
