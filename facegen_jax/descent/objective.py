"""Terms (which layers, which distance, which mask) and their weighted sum.

Compose them as formulas: `1.0 * Identity(("conv4_3",)) + 0.5 * Attribute(("conv3_3",)) + 10.0 * TotalVariation()`.

A term of your own is any frozen dataclass that names its `layers` and maps `(features, targets)` to a scalar; inherit from `Term`
for `*` and `+`. Terms hash by value, so equal objectives share one compiled program; a term that holds a fresh lambda would
compile anew at every call.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..types import Features, Mask, Scalar
from . import losses


class Targets(NamedTuple):
    """What the terms compare with; built by `problem`, all arrays."""

    reference: Features
    """Maps of the reference, by layer; `"image"` is the reference itself."""
    attribute: Features
    """Maps that have the attribute, by layer."""
    masks: dict[str, dict[str, Mask]]
    """Soft masks by name, then at each layer's resolution."""


class Term:
    """Base of all terms: multiplication by a weight and addition give an `Objective`."""

    layers: tuple[str, ...] = ()
    """Layers whose maps the term reads."""

    def __call__(self, features: Features, targets: Targets) -> Scalar:
        raise TypeError(f"{type(self).__name__} must define __call__(features, targets)")

    def __mul__(self, weight: float) -> "Objective":
        return Objective((self,), (float(weight),))

    __rmul__ = __mul__

    def __add__(self, other: "Term | Objective") -> "Objective":
        return 1.0 * self + other


@dataclass(frozen=True)
class Objective:
    """A weighted sum of terms. Two objectives are equal when their terms are: weights never compile anything anew."""

    terms: tuple[Term, ...]
    weights: tuple[float, ...] = field(compare=False)

    def __post_init__(self):
        if len(self.terms) != len(self.weights):
            raise ValueError(f"{len(self.terms)} terms but {len(self.weights)} weights")
        if not all(map(math.isfinite, self.weights)):
            raise ValueError(f"weights must be finite numbers, not {self.weights}")

    def __add__(self, other: "Term | Objective") -> "Objective":
        other = 1.0 * other if isinstance(other, Term) else other
        return Objective(self.terms + other.terms, self.weights + other.weights)

    def __mul__(self, factor: float) -> "Objective":
        return Objective(self.terms, tuple(factor * weight for weight in self.weights))

    __rmul__ = __mul__

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each term: its class in snake case, numbered where it occurs again."""
        names: list[str] = []
        for term in self.terms:
            name = _snake(type(term).__name__)
            names.append(
                name
                if name not in names
                else f"{name}_{sum(n.startswith(name) for n in names) + 1}"
            )
        return tuple(names)

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer that some term reads, the picture first."""
        return tuple(
            dict.fromkeys(("image", *(layer for term in self.terms for layer in term.layers)))
        )

    def __call__(
        self, features: Features, targets: Targets, weights: Float[Array, " terms"]
    ) -> tuple[Scalar, dict[str, Scalar]]:
        """The weighted total and every term's unweighted value, by name."""
        parts = {
            name: term(features, targets) for name, term in zip(self.names, self.terms, strict=True)
        }
        return jnp.sum(weights * jnp.stack(list(parts.values()))), parts


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _mean_over(layers: Sequence[str], distance: Callable[[str], Scalar]) -> Scalar:
    """Mean of a distance over layers: a term's weight must not depend on how many layers it names."""
    return sum((distance(layer) for layer in layers), jnp.zeros(())) / len(layers)


def _masked(
    layers: Sequence[str], features: Features, maps: Features, masks: dict[str, Mask] | None
) -> Scalar:
    return _mean_over(
        layers,
        lambda layer: losses.feature_distance(
            features[layer], maps[layer], masks[layer] if masks else None
        ),
    )


@dataclass(frozen=True)
class Identity(Term):
    """Distance to the reference's own maps: the first sum of Li, Zuo & Zhang."""

    layers: tuple[str, ...] = ("conv3_3", "conv4_3", "conv5_3")
    mask: str | None = None

    def __call__(self, features: Features, targets: Targets) -> Scalar:
        return _masked(
            self.layers,
            features,
            targets.reference,
            targets.masks[self.mask] if self.mask else None,
        )


@dataclass(frozen=True)
class Attribute(Term):
    """Distance to the maps that have the attribute: the second sum of Li, Zuo & Zhang.

    Low layers belong in it: with high layers alone the picture answers with speckle.
    """

    layers: tuple[str, ...] = ("conv1_2", "conv2_2", "conv3_3", "conv4_3")
    mask: str | None = None

    def __call__(self, features: Features, targets: Targets) -> Scalar:
        return _masked(
            self.layers,
            features,
            targets.attribute,
            targets.masks[self.mask] if self.mask else None,
        )


@dataclass(frozen=True)
class AttributePixels(Attribute):
    """Distance to the attribute's picture, layer zero of its maps: a direction's own change of pixels, which has true colours."""

    layers: tuple[str, ...] = ("image",)


@dataclass(frozen=True)
class AttributeTexture(Term):
    """Distance of Gram matrices to those of the attribute's maps: its texture, wherever it is."""

    layers: tuple[str, ...] = ("conv2_2", "conv3_3")

    def __call__(self, features: Features, targets: Targets) -> Scalar:
        return _mean_over(
            self.layers,
            lambda layer: losses.gram_distance(features[layer], targets.attribute[layer]),
        )


@dataclass(frozen=True)
class DescriptorIdentity(Term):
    """1 - cosine of the face descriptors (fc7 or what stands for it) of picture and reference."""

    layers: tuple[str, ...] = ("fc7",)

    def __call__(self, features: Features, targets: Targets) -> Scalar:
        return _mean_over(
            self.layers,
            lambda layer: losses.descriptor_distance(features[layer], targets.reference[layer]),
        )


@dataclass(frozen=True)
class TotalVariation(Term):
    """Total variation of the change from the reference, which is what smooths an edit without blurring the face.

    `of="picture"` takes the picture's own instead (for starts from noise). `exponent` 2 smooths, 1 keeps edges.
    """

    of: str = "change"
    exponent: float = 2.0
    layers: tuple[str, ...] = ("image",)

    def __call__(self, features: Features, targets: Targets) -> Scalar:
        image = features["image"]
        return losses.total_variation(
            image - targets.reference["image"] if self.of == "change" else image,
            exponent=self.exponent,
        )


@dataclass(frozen=True)
class Chroma(Term):
    """Mean square colour of the change from the reference: holds back the fringes that a strong change would get."""

    layers: tuple[str, ...] = ("image",)

    def __call__(self, features: Features, targets: Targets) -> Scalar:
        return jnp.mean(jnp.square(losses.chroma(features["image"] - targets.reference["image"])))
