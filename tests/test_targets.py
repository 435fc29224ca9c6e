"""Maps to be like: means of guides, their best patches, differences, tuned maps, channels."""

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

LAYERS = ("conv1_2", "conv2_1")


@pytest.fixture
def maps(params, picture):
    return t.own_maps(params, picture, LAYERS)


@pytest.fixture
def noise(rng):
    """Makes pictures whose patches are all different."""
    return lambda: rng.uniform(size=(32, 32, 3)).astype(np.float32)


@pytest.fixture
def random_direction(maps, rng):
    return lambda: {
        layer: rng.normal(size=values.shape).astype(np.float32) for layer, values in maps.items()
    }


def assert_same(found, expected, **tolerance):
    assert set(found) == set(expected)
    for layer, values in expected.items():
        np.testing.assert_allclose(found[layer], values, err_msg=layer, **tolerance)


@pytest.mark.parametrize(
    "weights", [None, [1.0], [3.0], [1.0, 2.0, 0.0, 0.5], [0.25, 0.25, 0.25, 0.25], [1e-6, 2e-6]]
)
@pytest.mark.parametrize("as_generator", [False, True], ids=["list", "generator"])
def test_mean_is_the_average_of_maps(params, noise, weights, as_generator):
    pictures = [noise() for _ in weights or range(4)]
    guides, given = (
        (iter(pictures), iter(weights) if weights else None)
        if as_generator
        else (pictures, weights)
    )
    each = [t.own_maps(params, picture, LAYERS) for picture in pictures]
    expected = {
        layer: np.average([np.asarray(one[layer], np.float64) for one in each], 0, weights)
        for layer in LAYERS
    }
    assert_same(t.mean(params, LAYERS, guides, given), expected, rtol=1e-5, atol=1e-3)


def test_mean_of_one_guide_is_its_maps(params, picture, maps):
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
def test_mean_refuses_no_guides_and_wrong_weights(params, noise, count, weights, message):
    with pytest.raises(ValueError, match=message):
        t.mean(params, LAYERS, [noise() for _ in range(count)], weights)


@pytest.mark.parametrize("of", [t.mean, t.patches], ids=["mean", "patches"])
def test_memory_does_not_grow_with_the_number_of_guides(params, noise, maps, of):
    made, alive, held = [], [], []

    def guides():
        for _ in range(20):
            guide = noise()
            made.append(weakref.ref(guide))
            jax.block_until_ready(jax.live_arrays())  # what was dispatched and still reads a guide
            alive.append(sum(reference() is not None for reference in made))
            held.append(sum(array.nbytes for array in jax.live_arrays()))
            yield guide

    if of is t.mean:
        t.mean(params, LAYERS, guides())
    else:
        t.patches(params, maps, guides(), reach=0)
    assert len(made) == 20
    assert max(alive) <= 2
    assert max(held[3:]) <= held[2]


def test_patches_in_place_of_one_guide_are_its_maps(params, maps, guide):
    assert_same(
        t.patches(params, maps, [guide], reach=0), t.own_maps(params, guide, LAYERS), rtol=0
    )


@pytest.mark.parametrize("order", [1, -1])
def test_patches_join_the_halves_that_fit(params, noise, order):
    """Away from the seam: two convolutions and a patch read three pixels around."""
    picture, left, right = noise(), noise(), noise()
    left[:, :16], right[:, 16:] = picture[:, :16], picture[:, 16:]
    query = t.own_maps(params, picture, ("conv1_2",))
    found = np.asarray(t.patches(params, query, [left, right][::order])["conv1_2"])
    assert found.shape == query["conv1_2"].shape
    for part in (np.s_[:, :12], np.s_[:, 20:]):
        np.testing.assert_allclose(found[part], query["conv1_2"][part], rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("layer", ["image", "conv1_1"])
@pytest.mark.parametrize("shift", [(1, 0), (-1, 0), (0, 1), (0, -1), (1, -1)])
def test_patches_are_found_within_reach_only(params, noise, layer, shift):
    picture = noise()
    query = t.own_maps(params, picture, (layer,))
    moved = np.roll(picture, shift, (0, 1))
    near, in_place = (
        np.asarray(t.patches(params, query, [moved], reach=reach)[layer])[4:-4, 4:-4]
        for reach in (1, 0)
    )
    expected = np.asarray(query[layer])[4:-4, 4:-4]
    np.testing.assert_allclose(near, expected, rtol=1e-4, atol=1e-3)
    assert np.abs(in_place - expected).mean() > 0.2 * np.abs(expected).mean()


def test_patches_of_two_pixels_away_are_out_of_reach(params, noise):
    picture = noise()
    found = t.patches(params, {"image": picture}, [np.roll(picture, 2, 0)], reach=1)["image"]
    assert np.all(np.abs(found - picture).max(-1)[4:-4, 4:-4] > 0)


def test_of_equal_patches_the_one_in_place_is_taken(params, noise):
    """Rows repeat but are dimmer and dimmer, so that every row's patch has the same cosine."""
    rows = (
        np.tile(noise()[:1, :1], (32, 32, 1))
        * np.linspace(1, 0.2, 32, dtype=np.float32)[:, None, None]
    )
    np.testing.assert_array_equal(t.patches(params, {"image": rows}, [rows])["image"], rows)


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of the 3x3 patches around each place, written out."""
    first, second = (
        np.pad(maps.astype(np.float64), ((1, 1), (1, 1), (0, 0))) for maps in (first, second)
    )
    first, second = (sliding_window_view(maps, (3, 3), (0, 1)) for maps in (first, second))
    product, *squares = (
        np.sum(a * b, (2, 3, 4)) for a, b in ((first, second), (first, first), (second, second))
    )
    return product / np.sqrt(squares[0] * squares[1] + 1e-12)


@pytest.mark.parametrize("reach", [0, 1])
def test_every_place_has_the_maps_of_the_guide_that_fits_best(params, noise, maps, reach):
    """Unchanged, of one place of one guide: nothing is averaged."""
    guides = [noise() for _ in range(3)]
    found = t.patches(params, maps, guides, reach=reach)
    for layer in LAYERS:
        height, width = maps[layer].shape[:2]
        offered, scores = [], []
        for guide in guides:
            padded = np.pad(
                t.own_maps(params, guide, LAYERS)[layer],
                ((reach, reach), (reach, reach), (0, 0)),
                mode="edge",
            )
            for row, column in np.ndindex(2 * reach + 1, 2 * reach + 1):
                offered.append(padded[row : row + height, column : column + width])
                scores.append(
                    cosines(np.asarray(maps[layer]), offered[-1])
                    - 1e-3 * (abs(row - reach) + abs(column - reach))
                )
        taken = np.all(np.array(offered) == np.asarray(found[layer]), -1)
        assert np.all(taken.any(0)), layer
        np.testing.assert_allclose(
            np.where(taken, scores, -np.inf).max(0), np.max(scores, 0), atol=1e-5, err_msg=layer
        )


def test_patches_leave_maps_without_places_out(params, picture, guide):
    query = t.own_maps(params, picture, ("conv2_1", "fc7"))
    assert set(t.patches(params, query, [guide], reach=0)) == {"conv2_1"}


def test_patches_need_a_guide(params, maps):
    with pytest.raises(ValueError, match="at least one guide"):
        t.patches(params, maps, iter([]))


def test_a_difference_is_that_of_means_and_turns_its_sign_with_them(params, noise):
    having, lacking = ([noise() for _ in range(count)] for count in (3, 2))
    found = t.difference(params, LAYERS, having, iter(lacking))
    first, second = (t.mean(params, LAYERS, pictures) for pictures in (having, lacking))
    assert_same(
        found,
        {layer: np.asarray(first[layer]) - np.asarray(second[layer]) for layer in LAYERS},
        rtol=1e-6,
    )
    assert_same(
        t.difference(params, LAYERS, lacking, having),
        {layer: -values for layer, values in found.items()},
        rtol=0,
    )
    assert all(np.abs(values).max() > 1 for values in found.values())


@pytest.mark.parametrize("beta", [0.4, 0.1, 2.0])
def test_interpolation_scale_is_beta_over_the_mean_square_of_all_numbers(rng, beta):
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


def test_interpolation_scale_is_that_of_the_paper_by_default_and_finite_for_no_change():
    assert t.interpolation_scale({"conv1_2": np.full((2, 2, 1), 2, np.float32)}) == pytest.approx(
        0.1
    )
    assert np.isfinite(t.interpolation_scale({"conv1_2": np.zeros((2, 2, 1), np.float32)}))


def test_directions_add_up_also_at_layers_that_only_some_have(random_direction):
    one, other, third = random_direction(), random_direction(), random_direction()
    del one["conv2_1"], third["conv1_2"]
    expected = {
        "conv1_2": 2 * one["conv1_2"] - 0.5 * other["conv1_2"],
        "conv2_1": -0.5 * other["conv2_1"] + 0.25 * third["conv2_1"],
    }
    assert_same(
        t.add_directions(iter([(one, 2.0), (other, -0.5), (third, 0.25)])),
        expected,
        rtol=1e-5,
        atol=1e-6,
    )
    assert t.add_directions([]) == {}


def test_adding_directions_leaves_them_as_they_were(random_direction):
    direction = random_direction()
    before = {layer: values.copy() for layer, values in direction.items()}
    t.add_directions([(direction, 2.0), (direction, 3.0)])
    assert_same(direction, before, rtol=0)


def test_tuning_by_nothing_gives_the_maps(maps, random_direction):
    assert_same(t.tuned(maps, random_direction(), 0.0), maps, rtol=0)


@pytest.mark.parametrize("strength", [1.0, -2.0, 0.3])
def test_tuning_is_linear_in_strength(maps, random_direction, strength):
    direction = random_direction()
    expected = {layer: np.asarray(maps[layer]) + strength * direction[layer] for layer in LAYERS}
    assert_same(t.tuned(maps, direction, strength), expected, rtol=1e-5, atol=1e-4)
    assert_same(
        jax.jit(t.tuned)(maps, direction, jnp.float32(strength)), expected, rtol=1e-5, atol=1e-4
    )


def test_tuning_is_by_one_unless_told(maps, random_direction):
    direction = random_direction()
    assert_same(t.tuned(maps, direction), t.tuned(maps, direction, 1.0), rtol=0)


def test_tuning_keeps_to_the_layers_that_maps_and_direction_share(maps, random_direction):
    direction = random_direction()
    assert set(
        t.tuned(maps, {"conv2_1": direction["conv2_1"], "conv3_1": np.zeros((8, 8, 8), np.float32)})
    ) == {"conv2_1"}


def test_a_direction_of_another_size_is_refused_by_layer_and_shapes(maps):
    with pytest.raises(
        ValueError, match=r"conv2_1 has shape \(8, 8, 6\), the reference's \(16, 16, 6\)"
    ):
        t.tuned(maps, {"conv2_1": np.zeros((8, 8, 6), np.float32)})


@pytest.mark.parametrize("gain", [0.0, 1.0, 2.0, -1.0])
def test_a_gain_scales_its_channel_and_no_other(maps, gain):
    gains = {"conv1_2": {2: gain}, "conv2_1": {0: gain, 5: 3.0}}
    found = t.tuned(maps, t.channel_direction(maps, gains), 1.0)
    factors = {"conv1_2": [1, 1, gain, 1], "conv2_1": [gain, 1, 1, 1, 1, 3]}
    assert_same(
        found,
        {layer: np.asarray(maps[layer]) * np.array(factors[layer], np.float32) for layer in LAYERS},
        rtol=1e-5,
        atol=1e-4,
    )
    assert all(
        np.abs(maps[layer][..., channel]).max() > 1 for layer in LAYERS for channel in gains[layer]
    ), "channels that do nothing prove nothing"


def test_a_gain_of_one_is_no_direction(maps):
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
def test_unknown_channels_list_the_known_ones(maps, layer, channel, message):
    with pytest.raises(ValueError, match=message):
        t.channel_direction(maps, {layer: {channel: 2.0}})


def of_every_kind(params, picture, guide, maps):
    """Maps that have the attribute, in each of the ways there are."""
    difference = t.difference(params, LAYERS, [guide], [picture])
    return [
        t.mean(params, LAYERS, [guide, picture], [2.0, 1.0]),
        t.patches(params, maps, [guide]),
        t.tuned(maps, difference, t.interpolation_scale(difference)),
        t.tuned(maps, t.add_directions([(difference, 0.5)]), 2.0),
        t.tuned(
            maps, t.channel_direction(maps, {"conv1_2": {1: 0.0}, "conv2_1": {0: 2.0, 4: 0.5}})
        ),
    ]


def test_problems_of_every_kind_are_alike(params, picture, guide, maps):
    objective = 1.0 * terms.Identity(("conv2_2",)) + 1.0 * terms.Attribute(LAYERS)
    problems = [
        p.from_maps(params, objective, picture, each)
        for each in of_every_kind(params, picture, guide, maps)
    ]
    alike = {
        (
            jax.tree.structure(each),
            tuple((leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(each)),
        )
        for each in problems
    }
    assert len(alike) == 1
    p.stack(problems)
    attributes = [np.asarray(each.targets.attribute["conv1_2"]) for each in problems]
    assert all(np.isfinite(each).all() for each in attributes)
    assert (
        min(
            np.abs(attributes[i] - attributes[j]).max()
            for i in (0, 1, 2, 4)
            for j in (0, 1, 2, 4)
            if i < j
        )
        > 1e-3
    )


def test_the_solver_compiles_once_for_every_kind(params, picture, guide, maps):
    traced = []

    class Counting(terms.Chroma):
        def __call__(self, features, targets):
            traced.append(1)
            return super().__call__(features, targets)

    objective = 1.0 * terms.Attribute(LAYERS) + 1.0 * Counting()
    problems = [
        p.from_maps(params, objective, picture, each)
        for each in of_every_kind(params, picture, guide, maps)
    ]
    counts = [len(traced)]
    for each in problems:
        assert s.Solver(objective, 3).run(params, each).status == "ok"
        counts.append(len(traced))
    assert counts[1] > counts[0]
    assert set(counts[1:]) == {counts[1]}
