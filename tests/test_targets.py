"""Target maps: means of guides, best patches, differences, tuned maps, scaled channels."""

import itertools
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from facegen_jax.descent import problem as p
from facegen_jax.descent import solver as s
from facegen_jax.descent import targets as t
from facegen_jax.descent import terms
from facegen_jax.descent.patches import best_patches

LAYERS = ("conv1_2", "conv2_1")


@pytest.fixture
def maps(params, picture):
    return t.own_maps(params, picture, LAYERS)


@pytest.fixture
def noise(rng):
    """Return a function that draws images without repeated patches."""
    return lambda: rng.uniform(size=(32, 32, 3)).astype(np.float32)


@pytest.fixture
def random_direction(maps, rng):
    """Return a function that draws directions at `LAYERS`."""
    return lambda: {
        layer: rng.normal(size=values.shape).astype(np.float32) for layer, values in maps.items()
    }


def assert_same(actual, expected, **tolerance):
    assert set(actual) == set(expected)
    for layer, values in expected.items():
        np.testing.assert_allclose(actual[layer], values, err_msg=layer, **tolerance)


@pytest.mark.parametrize(
    "weights", [None, [1.0], [3.0], [1.0, 2.0, 0.0, 0.5], [0.25, 0.25, 0.25, 0.25], [1e-6, 2e-6]]
)
@pytest.mark.parametrize("as_generator", [False, True], ids=["list", "generator"])
def test_mean_averages_the_maps_of_guides(params, noise, weights, as_generator):
    guides = [noise() for _ in weights or range(4)]
    maps = [t.own_maps(params, guide, LAYERS) for guide in guides]
    expected = {
        layer: np.average([np.asarray(each[layer], np.float64) for each in maps], 0, weights)
        for layer in LAYERS
    }
    if as_generator:
        mean = t.mean(params, LAYERS, iter(guides), iter(weights) if weights else None)
    else:
        mean = t.mean(params, LAYERS, guides, weights)
    assert_same(mean, expected, rtol=1e-5, atol=1e-3)


def test_mean_of_one_guide_equals_its_maps(params, picture, maps):
    assert_same(t.mean(params, LAYERS, [picture]), maps, rtol=0)


@pytest.mark.parametrize(
    ("count", "weights", "message"),
    [
        (0, None, "at least one guide"),
        (0, [], "at least one guide"),
        (2, [1.0, -0.5], r"must not be negative, not -0\.5"),
        (2, [0.0, 0.0], "a weight above 0"),
        (2, [1.0], "shorter"),
        (2, [1.0, 1.0, 1.0], "longer"),
    ],
)
def test_mean_refuses_missing_guides_and_invalid_weights(params, noise, count, weights, message):
    with pytest.raises(ValueError, match=message):
        t.mean(params, LAYERS, [noise() for _ in range(count)], weights)


@pytest.mark.parametrize("combine", [t.mean, best_patches], ids=["mean", "patches"])
def test_memory_does_not_grow_with_the_number_of_guides(params, noise, maps, combine):
    references, alive, held_bytes = [], [], []

    def guides():
        for _ in range(20):
            guide = noise()
            references.append(weakref.ref(guide))
            jax.block_until_ready(jax.live_arrays())  # computations in flight still read guides
            alive.append(sum(reference() is not None for reference in references))
            held_bytes.append(sum(array.nbytes for array in jax.live_arrays()))
            yield guide

    if combine is t.mean:
        t.mean(params, LAYERS, guides())
    else:
        best_patches(params, maps, guides(), reach=0)
    assert len(references) == 20
    assert max(alive) <= 2
    assert max(held_bytes[3:]) <= held_bytes[2]


def test_patches_of_one_guide_without_reach_equal_its_maps(params, maps, guide):
    assert_same(
        best_patches(params, maps, [guide], reach=0), t.own_maps(params, guide, LAYERS), rtol=0
    )


@pytest.mark.parametrize("order", [1, -1])
def test_patches_join_the_matching_halves_of_two_guides(params, noise, order):
    """Compared away from the seam: two convolutions and a patch read three pixels around."""
    image, left, right = noise(), noise(), noise()
    left[:, :16], right[:, 16:] = image[:, :16], image[:, 16:]
    query = t.own_maps(params, image, ("conv1_2",))
    joined = np.asarray(best_patches(params, query, [left, right][::order])["conv1_2"])
    assert joined.shape == query["conv1_2"].shape
    for part in (np.s_[:, :12], np.s_[:, 20:]):
        np.testing.assert_allclose(joined[part], query["conv1_2"][part], rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("layer", ["image", "conv1_1"])
@pytest.mark.parametrize("shift", [(1, 0), (-1, 0), (0, 1), (0, -1), (1, -1)])
def test_patches_match_only_within_reach(params, noise, layer, shift):
    image = noise()
    query = t.own_maps(params, image, (layer,))
    moved = np.roll(image, shift, (0, 1))
    within, beyond = (
        np.asarray(best_patches(params, query, [moved], reach=reach)[layer])[4:-4, 4:-4]
        for reach in (1, 0)
    )
    expected = np.asarray(query[layer])[4:-4, 4:-4]
    np.testing.assert_allclose(within, expected, rtol=1e-4, atol=1e-3)
    assert np.abs(beyond - expected).mean() > 0.2 * np.abs(expected).mean()


def test_patches_two_pixels_away_are_beyond_a_reach_of_one(params, noise):
    image = noise()
    matched = best_patches(params, {"image": image}, [np.roll(image, 2, 0)], reach=1)["image"]
    assert np.all(np.abs(matched - image).max(-1)[4:-4, 4:-4] > 0)


def test_ties_go_to_the_nearest_patch(params, noise):
    """Each row is a dimmer copy of the one above, so all patches have the same cosine."""
    fade = np.linspace(1, 0.2, 32, dtype=np.float32)[:, None, None]
    rows = np.tile(noise()[:1, :1], (32, 32, 1)) * fade
    np.testing.assert_array_equal(best_patches(params, {"image": rows}, [rows])["image"], rows)


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the cosines of the 3x3 patches around each position, computed with NumPy."""
    first, second = (
        np.pad(maps.astype(np.float64), ((1, 1), (1, 1), (0, 0))) for maps in (first, second)
    )
    first, second = (sliding_window_view(maps, (3, 3), (0, 1)) for maps in (first, second))
    product, *squares = (
        np.sum(a * b, (2, 3, 4)) for a, b in ((first, second), (first, first), (second, second))
    )
    return product / np.sqrt(squares[0] * squares[1] + 1e-12)


@pytest.mark.parametrize("reach", [0, 1])
def test_patches_copy_the_best_match_at_every_position(params, noise, maps, reach):
    """The values come unchanged from one position of one guide; nothing is averaged."""
    guides = [noise() for _ in range(3)]
    matched = best_patches(params, maps, guides, reach=reach)
    for layer in LAYERS:
        height, width = maps[layer].shape[:2]
        candidates, scores = [], []
        for guide in guides:
            padded = np.pad(
                t.own_maps(params, guide, LAYERS)[layer],
                ((reach, reach), (reach, reach), (0, 0)),
                mode="edge",
            )
            for row, column in np.ndindex(2 * reach + 1, 2 * reach + 1):
                candidates.append(padded[row : row + height, column : column + width])
                penalty = 1e-3 * (abs(row - reach) + abs(column - reach))
                scores.append(cosines(np.asarray(maps[layer]), candidates[-1]) - penalty)
        chosen = np.all(np.array(candidates) == np.asarray(matched[layer]), -1)
        assert np.all(chosen.any(0)), layer
        chosen_scores = np.where(chosen, scores, -np.inf).max(0)
        np.testing.assert_allclose(chosen_scores, np.max(scores, 0), atol=1e-5, err_msg=layer)


def test_patches_skip_vectors(params, picture, guide):
    query = t.own_maps(params, picture, ("conv2_1", "fc7"))
    assert set(best_patches(params, query, [guide], reach=0)) == {"conv2_1"}


def test_patches_need_a_guide(params, maps):
    with pytest.raises(ValueError, match="at least one guide"):
        best_patches(params, maps, iter([]))


def test_difference_is_between_means_and_antisymmetric(params, noise):
    positives, negatives = ([noise() for _ in range(count)] for count in (3, 2))
    difference = t.difference(params, LAYERS, positives, iter(negatives))
    first, second = (t.mean(params, LAYERS, guides) for guides in (positives, negatives))
    assert_same(
        difference,
        {layer: np.asarray(first[layer]) - np.asarray(second[layer]) for layer in LAYERS},
        rtol=1e-6,
    )
    assert_same(
        t.difference(params, LAYERS, negatives, positives),
        {layer: -values for layer, values in difference.items()},
        rtol=0,
    )
    assert all(np.abs(values).max() > 1 for values in difference.values())


@pytest.mark.parametrize("beta", [0.4, 0.1, 2.0])
def test_interpolation_scale_is_beta_over_the_mean_square_of_all_layers(rng, beta):
    direction = {
        "few": rng.normal(0, 5, (2, 2, 3)).astype(np.float32),
        "many": rng.normal(0, 0.5, (8, 8, 4)).astype(np.float32),
    }
    square = np.mean(np.concatenate([values.ravel() for values in direction.values()]) ** 2)
    assert t.interpolation_scale(direction, beta) * square == pytest.approx(beta, rel=1e-5)
    assert t.interpolation_scale(
        {layer: 3 * values for layer, values in direction.items()}, beta
    ) * 9 * square == pytest.approx(beta, rel=1e-5)
    halves = {
        "few": direction["few"],
        "upper": direction["many"][:4],
        "lower": direction["many"][4:],
    }
    assert t.interpolation_scale(halves, beta) == pytest.approx(
        t.interpolation_scale(direction, beta), rel=1e-5
    )


def test_interpolation_scale_defaults_to_the_published_beta_and_is_finite_at_zero():
    twos = {"conv1_2": np.full((2, 2, 1), 2, np.float32)}
    assert t.interpolation_scale(twos) == pytest.approx(0.4 / 4)
    assert np.isfinite(t.interpolation_scale({"conv1_2": np.zeros((2, 2, 1), np.float32)}))


def test_directions_add_with_missing_layers_as_zero(random_direction):
    first, second, third = random_direction(), random_direction(), random_direction()
    del first["conv2_1"], third["conv1_2"]
    expected = {
        "conv1_2": 2 * first["conv1_2"] - 0.5 * second["conv1_2"],
        "conv2_1": -0.5 * second["conv2_1"] + 0.25 * third["conv2_1"],
    }
    assert_same(
        t.add_directions(iter([(first, 2.0), (second, -0.5), (third, 0.25)])),
        expected,
        rtol=1e-5,
        atol=1e-6,
    )
    assert t.add_directions([]) == {}


def test_adding_directions_does_not_modify_them(random_direction):
    direction = random_direction()
    before = {layer: values.copy() for layer, values in direction.items()}
    t.add_directions([(direction, 2.0), (direction, 3.0)])
    assert_same(direction, before, rtol=0)


def test_tuning_with_zero_strength_keeps_the_maps(maps, random_direction):
    assert_same(t.tuned(maps, random_direction(), 0.0), maps, rtol=0)


@pytest.mark.parametrize("strength", [1.0, -2.0, 0.3])
def test_tuning_is_linear_in_strength(maps, random_direction, strength):
    direction = random_direction()
    expected = {layer: np.asarray(maps[layer]) + strength * direction[layer] for layer in LAYERS}
    assert_same(t.tuned(maps, direction, strength), expected, rtol=1e-5, atol=1e-4)
    assert_same(
        jax.jit(t.tuned)(maps, direction, jnp.float32(strength)), expected, rtol=1e-5, atol=1e-4
    )


def test_tuning_strength_defaults_to_one(maps, random_direction):
    direction = random_direction()
    assert_same(t.tuned(maps, direction), t.tuned(maps, direction, 1.0), rtol=0)


def test_tuning_returns_the_shared_layers(maps, random_direction):
    direction = {
        "conv2_1": random_direction()["conv2_1"],
        "conv3_1": np.zeros((8, 8, 8), np.float32),
    }
    assert set(t.tuned(maps, direction)) == {"conv2_1"}


def test_direction_of_another_size_is_refused(maps):
    message = r"conv2_1 has shape \(8, 8, 6\), the reference's \(16, 16, 6\)"
    with pytest.raises(ValueError, match=message):
        t.tuned(maps, {"conv2_1": np.zeros((8, 8, 6), np.float32)})


@pytest.mark.parametrize("gain", [0.0, 1.0, 2.0, -1.0])
def test_gain_scales_only_its_channel(maps, gain):
    gains = {"conv1_2": {2: gain}, "conv2_1": {0: gain, 5: 3.0}}
    scaled = t.tuned(maps, t.channel_direction(maps, gains), 1.0)
    factors = {"conv1_2": [1, 1, gain, 1], "conv2_1": [gain, 1, 1, 1, 1, 3]}
    assert_same(
        scaled,
        {layer: np.asarray(maps[layer]) * np.array(factors[layer], np.float32) for layer in LAYERS},
        rtol=1e-5,
        atol=1e-4,
    )
    assert all(
        np.abs(maps[layer][..., channel]).max() > 1 for layer in LAYERS for channel in gains[layer]
    ), "a silent channel would pass unscaled"


def test_gain_of_one_gives_a_zero_direction(maps):
    direction = t.channel_direction(maps, {"conv1_2": {0: 1.0, 3: 1.0}})
    assert set(direction) == {"conv1_2"}
    assert not np.any(direction["conv1_2"])


@pytest.mark.parametrize(
    ("layer", "channel", "message"),
    [
        ("conv1_2", 4, "no channel conv1_2:4; conv1_2 has channels 0 to 3"),
        ("conv2_1", -1, "no channel conv2_1:-1; conv2_1 has channels 0 to 5"),
        ("conv9_9", 0, "no channel conv9_9:0; conv9_9 has no maps here"),
    ],
)
def test_unknown_channel_lists_the_known_ones(maps, layer, channel, message):
    with pytest.raises(ValueError, match=message):
        t.channel_direction(maps, {layer: {channel: 2.0}})


def attribute_maps(params, picture, guide, maps):
    """Return an attribute's maps as built in each of the possible ways."""
    difference = t.difference(params, LAYERS, [guide], [picture])
    return [
        t.mean(params, LAYERS, [guide, picture], [2.0, 1.0]),
        best_patches(params, maps, [guide]),
        t.tuned(maps, difference, t.interpolation_scale(difference)),
        t.tuned(maps, t.add_directions([(difference, 0.5)]), 2.0),
        t.tuned(
            maps, t.channel_direction(maps, {"conv1_2": {1: 0.0}, "conv2_1": {0: 2.0, 4: 0.5}})
        ),
    ]


def test_problems_have_one_structure_for_every_kind_of_target(params, picture, guide, maps):
    objective = 1.0 * terms.Identity(("conv2_2",)) + 1.0 * terms.Attribute(LAYERS)
    problems = [
        p.from_maps(params, objective, picture, each)
        for each in attribute_maps(params, picture, guide, maps)
    ]
    structures = {
        (
            jax.tree.structure(each),
            tuple((leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(each)),
        )
        for each in problems
    }
    assert len(structures) == 1
    p.stack(problems)
    attributes = [np.asarray(each.targets.attribute["conv1_2"]) for each in problems]
    assert all(np.isfinite(each).all() for each in attributes)
    for i, j in itertools.combinations((0, 1, 2, 4), 2):
        assert np.abs(attributes[i] - attributes[j]).max() > 1e-3


def test_solver_compiles_once_for_every_kind_of_target(params, picture, guide, maps):
    traced = []

    class Counting(terms.Chroma):
        def __call__(self, features, targets):
            traced.append(1)
            return super().__call__(features, targets)

    objective = 1.0 * terms.Attribute(LAYERS) + 1.0 * Counting()
    problems = [
        p.from_maps(params, objective, picture, each)
        for each in attribute_maps(params, picture, guide, maps)
    ]
    counts = [len(traced)]
    for each in problems:
        assert s.Solver(objective, 3).run(params, each).status == "ok"
        counts.append(len(traced))
    assert counts[1] > counts[0]
    assert set(counts[1:]) == {counts[1]}
