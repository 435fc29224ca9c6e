"""The algebra of terms, the terms that ship, and terms of one's own."""

import dataclasses
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from facegen_jax.descent import losses, targets
from facegen_jax.descent import objective as o
from facegen_jax.descent import problem as p
from facegen_jax.descent import terms as t
from facegen_jax.network.features import extract

TERMS = [
    t.Identity(("conv3_1", "conv5_3")),
    t.Attribute(("conv1_2", "conv2_2")),
    t.AttributePixels(),
    t.AttributeTexture(("conv2_1",)),
    t.DescriptorIdentity(),
    t.TotalVariation(),
    t.TotalVariation("image", 1.0),
    t.Chroma(),
]
IDENTITY, CHROMA = t.Identity(("conv2_1",)), t.Chroma()


def largest_difference(features, target, mask=None):
    """A distance of one's own, for `MapDistance`."""
    return jnp.max(jnp.abs(features - target))


@pytest.fixture
def value(params, picture, guide):
    """Return the value of a term at the picture, in a problem whose attribute is the guide."""

    def call(term: o.Term, **options) -> float:
        objective = 1.0 * term
        problem = p.from_guides(params, objective, picture, [guide], **options)
        features = extract(params, picture, objective.layers)
        return float(objective(features, problem.targets, jnp.ones(1))[0])

    return call


def test_expression_gives_terms_weights_layers_and_names():
    objective = 2.0 * TERMS[0] + TERMS[1] + 0.5 * (TERMS[5] * 4.0 + TERMS[7])
    assert objective.terms == (TERMS[0], TERMS[1], TERMS[5], TERMS[7])
    assert objective.weights == (2.0, 1.0, 2.0, 0.5)
    assert objective.layers == ("image", "conv3_1", "conv5_3", "conv1_2", "conv2_2")
    assert objective.names == ("identity", "attribute", "total_variation", "chroma")


@pytest.mark.parametrize(
    ("expression", "weights"),
    [
        (IDENTITY - CHROMA, (1.0, -1.0)),
        (2.0 * IDENTITY - (CHROMA - 3.0 * IDENTITY), (2.0, -1.0, 3.0)),
        (-IDENTITY, (-1.0,)),
        (-(IDENTITY - 2.0 * CHROMA), (-1.0, 2.0)),
        (IDENTITY / 2.0, (0.5,)),
        ((IDENTITY + 3.0 * CHROMA) / 2.0, (0.5, 1.5)),
        (sum([IDENTITY, CHROMA]), (1.0, 1.0)),
        (sum([2.0 * IDENTITY, CHROMA, -IDENTITY]), (2.0, 1.0, -1.0)),
    ],
)
def test_operators(expression, weights):
    assert isinstance(expression, o.Objective)
    assert expression.weights == weights
    assert expression.terms == (IDENTITY, CHROMA, IDENTITY)[: len(weights)]


@pytest.mark.parametrize(
    ("combine", "first", "second"),
    [
        (operator.add, IDENTITY, 1),
        (operator.sub, IDENTITY, 1),
        (operator.add, 1, IDENTITY),
        (operator.sub, 1, IDENTITY),
        (operator.mul, IDENTITY, CHROMA),
    ],
)
def test_operators_refuse_other_operands(combine, first, second):
    with pytest.raises(TypeError):
        combine(first, second)


def test_repeated_terms_get_numbered_names():
    objective = IDENTITY + t.Identity(("conv1_1",)) + t.Identity(("conv1_2",))
    assert objective.names == ("identity", "identity_2", "identity_3")


def test_names_stay_unique_beside_a_numbered_class():
    @dataclasses.dataclass(frozen=True)
    class Identity2(t.Identity):
        """A class whose name in snake case is `identity2`."""

    @dataclasses.dataclass(frozen=True)
    class Identity_2(t.Identity):
        """A class with the name that a second `Identity` gets."""

    second = Identity2()
    assert (IDENTITY + second + IDENTITY).names == ("identity", "identity2", "identity_2")
    for objective in (
        IDENTITY + Identity_2() + IDENTITY + second + Identity_2(),
        Identity_2() + IDENTITY + IDENTITY + second + second,
    ):
        assert len(set(objective.names)) == 5
        assert set(objective.names) >= {"identity", "identity2", "identity_2"}


@pytest.mark.parametrize(
    ("class_name", "name"),
    [
        ("Identity", "identity"),
        ("TotalVariation", "total_variation"),
        ("LPIPSLike", "lpips_like"),
        ("MyLPIPS", "my_lpips"),
    ],
)
def test_snake_case(class_name, name):
    assert o.snake_case(class_name) == name


def test_reweighted_replaces_weights_by_name():
    objective = 1.0 * IDENTITY + 2.0 * CHROMA + 3.0 * IDENTITY
    changed = objective.reweighted({"identity_2": 5.0, "chroma": 0.0})
    assert changed.weights == (1.0, 0.0, 5.0)
    assert changed == objective
    assert objective.weights == (1.0, 2.0, 3.0)
    assert objective.reweighted({}).weights == objective.weights
    with pytest.raises(ValueError, match=r"no term 'colour'; .* identity, chroma, identity_2"):
        objective.reweighted({"colour": 1.0})
    with pytest.raises(ValueError, match="finite"):
        objective.reweighted({"chroma": float("nan")})


def test_equal_by_structure_not_by_weights():
    first, second = 1.0 * IDENTITY + 2.0 * CHROMA, 5.0 * IDENTITY + 0.1 * CHROMA
    assert first == second
    assert hash(first) == hash(second)
    assert first != 1.0 * IDENTITY


@pytest.mark.parametrize("term", TERMS, ids=lambda term: type(term).__name__)
def test_terms_are_zero_at_the_reference_and_parts_are_unweighted(term, params, picture, guide):
    objective = 3.0 * term
    problem = p.from_guides(params, objective, picture, [picture])
    features = extract(params, picture, objective.layers)
    total, parts = objective(features, problem.targets, jnp.array([3.0]))
    (value,) = parts.values()
    if term != t.TotalVariation("image", 1.0):
        assert abs(float(value)) < 1e-5
    features = extract(params, guide, objective.layers)
    total, parts = objective(features, problem.targets, jnp.array([3.0]))
    (value,) = parts.values()
    assert float(value) > 0
    np.testing.assert_allclose(total, 3 * value, rtol=1e-6)


def test_mapping_of_layers_gives_the_weighted_mean(value):
    first, second = (value(t.Attribute((layer,))) for layer in ("conv2_2", "conv3_1"))
    assert abs(first - second) > 0.01 * first
    weighted = t.Attribute({"conv2_2": 2.0, "conv3_1": 1.0})
    assert weighted.layers == ("conv2_2", "conv3_1")
    assert value(weighted) == pytest.approx((2 * first + second) / 3, rel=1e-5)
    equal = t.Attribute(("conv2_2", "conv3_1"))
    assert value(equal) == pytest.approx((first + second) / 2, rel=1e-5)
    assert hash(weighted) != hash(t.Attribute({"conv2_2": 1.0, "conv3_1": 1.0}))


@pytest.mark.parametrize(
    "layers", [{"conv2_2": -1.0}, {"conv2_2": 0.0}, {"conv2_2": float("nan")}, (), {}]
)
def test_unusable_layers_and_layer_weights_are_refused(layers):
    message = r"Attribute: (expected a finite weight|name at least one layer)"
    with pytest.raises(ValueError, match=message):
        t.Attribute(layers)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("distance", losses.DISTANCES)
def test_every_named_distance_evaluates(distance, masked, params, picture, guide):
    """Through the builder, jit and a gradient to the pixels."""
    mask = "left" if masked else None
    objective = 1.0 * t.Attribute(("conv2_2", "conv3_1"), mask=mask, distance=distance)
    masks = {"left": np.tile(np.arange(32) < 16, (32, 1)).astype(np.float32)}
    problem = p.from_guides(params, objective, picture, [guide], masks=masks)

    @jax.jit
    @jax.value_and_grad
    def loss(image):
        features = extract(params, image, objective.layers)
        return objective(features, problem.targets, jnp.ones(1))[0]

    total, gradient = loss(jnp.asarray(picture))
    assert float(total) > 1e-3
    assert np.all(np.isfinite(gradient))
    assert np.abs(gradient).max() > 0


def test_unknown_distance_lists_the_known_ones():
    message = r"no distance 'cosin', did you mean 'cosine'\?; there are squared, l1"
    with pytest.raises(ValueError, match=message):
        t.Attribute(distance="cosin")


def test_distance_can_be_a_function(value, params, picture, guide):
    term = t.MapDistance(("conv2_2",), distance=largest_difference)
    own, other = (extract(params, image, ("conv2_2",))["conv2_2"] for image in (picture, guide))
    assert value(term) == pytest.approx(float(np.abs(own - other).max()), rel=1e-4)
    assert term == t.MapDistance(("conv2_2",), distance=largest_difference)


def test_further_target_by_name(params, picture, guide):
    layers = ("conv2_2",)
    objective = 1.0 * t.MapDistance(layers, target="style") + 1.0 * t.Attribute(layers)
    own, style = (targets.own_maps(params, image, layers) for image in (picture, guide))
    problem = p.from_maps(params, objective, picture, own, more={"style": style})
    features = extract(params, picture, objective.layers)
    _, parts = objective(features, problem.targets, jnp.ones(2))
    assert set(parts) == {"map_distance", "attribute"}
    expected = losses.squared_distance(own["conv2_2"], style["conv2_2"])
    np.testing.assert_allclose(parts["map_distance"], expected, rtol=1e-4)
    assert float(parts["attribute"]) == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="map_distance reads 'style', which the problem lacks"):
        p.from_maps(params, objective, picture, own)
    with pytest.raises(ValueError, match="names other than 'reference' and 'attribute'"):
        p.from_maps(params, objective, picture, own, more={"attribute": style})


def test_custom_term(params, picture, guide):
    @dataclasses.dataclass(frozen=True)
    class Brightness(o.Term):
        level: float = 0.5
        layers: o.Layers = ("image",)

        def __call__(self, features, targets):
            return jnp.square(jnp.mean(features["image"]) - self.level)

    objective = 1.0 * IDENTITY + 2.0 * Brightness(0.8)
    assert objective.names == ("identity", "brightness")
    problem = p.from_guides(params, objective, picture, [guide])
    _, parts = objective(extract(params, picture, objective.layers), problem.targets, jnp.ones(2))
    np.testing.assert_allclose(parts["brightness"], (picture.mean() - 0.8) ** 2, rtol=1e-4)


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_weights_must_be_finite(weight):
    with pytest.raises(ValueError, match="finite"):
        _ = weight * t.Identity()
