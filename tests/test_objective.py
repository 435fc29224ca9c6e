"""Composition of terms."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from facegen_jax.descent import objective as o
from facegen_jax.descent import problem as p
from facegen_jax.descent import terms as t
from facegen_jax.network.vgg_face import extract

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


def test_formula():
    objective = 2.0 * TERMS[0] + TERMS[1] + 0.5 * (TERMS[5] * 4.0 + TERMS[7])
    assert objective.terms == (TERMS[0], TERMS[1], TERMS[5], TERMS[7])
    assert objective.weights == (2.0, 1.0, 2.0, 0.5)
    assert objective.layers == ("image", "conv3_1", "conv5_3", "conv1_2", "conv2_2")
    assert objective.names == ("identity", "attribute", "total_variation", "chroma")


def test_repeated_terms_have_names_of_their_own():
    assert (TERMS[0] + t.Identity(("conv1_1",)) + t.Identity(("conv1_2",))).names == (
        "identity",
        "identity_2",
        "identity_3",
    )


def test_equal_by_structure_not_by_weights():
    one, two = 1.0 * t.Identity() + 2.0 * t.Chroma(), 5.0 * t.Identity() + 0.1 * t.Chroma()
    assert one == two
    assert hash(one) == hash(two)
    assert one != 1.0 * t.Identity()


@pytest.mark.parametrize("term", TERMS, ids=lambda term: type(term).__name__)
def test_terms_are_zero_at_the_reference_and_parts_are_unweighted(term, params, picture, guide):
    objective = 3.0 * term
    problem = p.from_guides(params, objective, picture, [picture])
    features = extract(params, picture, objective.layers)
    total, parts = objective(features, problem.targets, jnp.array([3.0]))
    (value,) = parts.values()
    if term != t.TotalVariation("image", 1.0):
        assert abs(float(value)) < 1e-5
    moved = extract(params, guide, objective.layers)
    total, parts = objective(moved, problem.targets, jnp.array([3.0]))
    (value,) = parts.values()
    assert float(value) > 0
    np.testing.assert_allclose(total, 3 * value, rtol=1e-6)


def test_a_term_of_ones_own(params, picture, guide):
    @dataclasses.dataclass(frozen=True)
    class Brightness(o.Term):
        level: float = 0.5
        layers: tuple[str, ...] = ("image",)

        def __call__(self, features, targets):
            return jnp.square(jnp.mean(features["image"]) - self.level)

    objective = 1.0 * t.Identity(("conv2_1",)) + 2.0 * Brightness(0.8)
    assert objective.names == ("identity", "brightness")
    problem = p.from_guides(params, objective, picture, [guide])
    _, parts = objective(extract(params, picture, objective.layers), problem.targets, jnp.ones(2))
    np.testing.assert_allclose(parts["brightness"], (picture.mean() - 0.8) ** 2, rtol=1e-4)


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_weights_must_be_finite(weight):
    with pytest.raises(ValueError, match="finite"):
        _ = weight * t.Identity()
