"""The algebra of terms: a weighted sum that evaluates to its total and its unweighted parts.

    objective = 1.0 * Identity(("conv4_3",)) + 0.5 * Attribute(("conv3_3",)) - 0.1 * Chroma()

A term of your own is a frozen dataclass that names its `layers` and maps `(features, targets)` to a
scalar; it inherits the operators from `Term`. Terms hash by value, so equal objectives share one
compiled program. A term that holds a fresh lambda compiles again whenever it is made.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Union

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..numbers import in_range
from ..types import Features, Mask, Scalar
from .checks import check_term, evaluate_term

Layers = tuple[str, ...] | Mapping[str, float]
"""Names of layers, or a weight for each; terms keep the names."""
REFERENCE, ATTRIBUTE = "reference", "attribute"


class Targets(NamedTuple):
    """What terms compare the image with; all arrays, built by `problem`."""

    maps: Mapping[str, Features]
    """Feature maps, `height width channels`, by the name of the target, then by layer. Every
    problem has `reference` (whose `"image"` is the reference itself) and `attribute`; more may be
    added under names of your own."""
    masks: Mapping[str, Mapping[str, Mask]]
    """Soft masks, `height width`, by name, then at each layer's resolution."""

    @property
    def reference(self) -> Features:
        """Maps of the reference, by layer."""
        return self.maps[REFERENCE]

    @property
    def attribute(self) -> Features:
        """Maps that have the attribute, by layer."""
        return self.maps[ATTRIBUTE]


class _Algebra:
    """Operators that terms and objectives share: numbers scale, terms and objectives add."""

    def _objective(self) -> "Objective":
        raise NotImplementedError

    def __mul__(self, factor: float) -> "Objective":
        own = self._objective()
        return Objective(own.terms, tuple(float(factor) * weight for weight in own.weights))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> "Objective":
        return self * (1 / divisor)

    def __neg__(self) -> "Objective":
        return self * -1.0

    def __add__(self, other: Union["Term", "Objective"]) -> "Objective":
        if not isinstance(other, _Algebra):
            return NotImplemented
        first, second = self._objective(), other._objective()
        return Objective(first.terms + second.terms, first.weights + second.weights)

    def __radd__(self, other: int) -> "Objective":
        """Let `sum(terms)` begin with its 0."""
        return self._objective() if other == 0 else NotImplemented

    def __sub__(self, other: Union["Term", "Objective"]) -> "Objective":
        return self + -other if isinstance(other, _Algebra) else NotImplemented


class Term(_Algebra):
    """Base of all terms; a subclass is a frozen dataclass with `layers` and `__call__`."""

    layers: Layers = ()
    """Layers whose maps the term reads."""

    def __call__(self, features: Features, targets: Targets) -> Scalar:
        """Return the term's value, a scalar, for one image.

        Args:
            features: maps of the image by layer, `height width channels`; `"image"` is the image.
            targets: what the image is compared with.
        """
        raise TypeError(f"{type(self).__name__} must define __call__(features, targets)")

    def _objective(self) -> "Objective":
        return Objective((self,), (1.0,))


@dataclass(frozen=True)
class Objective(_Algebra):
    """A weighted sum of terms; objectives with the same terms are equal, whatever their weights."""

    terms: tuple[Term, ...]
    weights: tuple[float, ...] = field(compare=False)

    def __post_init__(self):
        for term in self.terms:
            check_term(term)
        if len(self.terms) != len(self.weights):
            raise ValueError(f"{len(self.terms)} terms but {len(self.weights)} weights")
        if not all(map(in_range, self.weights)):
            raise ValueError(f"weights must be finite numbers, not {self.weights}")

    def _objective(self) -> "Objective":
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each term: its class in snake case, numbered where it repeats."""
        names: list[str] = []
        for term in self.terms:
            base = name = snake_case(type(term).__name__)
            number = 1
            while name in names:
                number += 1
                name = f"{base}_{number}"
            names.append(name)
        return tuple(names)

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer that some term reads, the image first."""
        return tuple(
            dict.fromkeys(("image", *(name for term in self.terms for name in term.layers)))
        )

    def reweighted(self, weights: Mapping[str, float]) -> "Objective":
        """Return the objective with other weights for the terms of these names.

        Raises:
            ValueError: a name that no term has.
        """
        for name in weights:
            if name not in self.names:
                raise ValueError(f"no term {name!r}; the objective has {', '.join(self.names)}")
        own = dict(zip(self.names, self.weights, strict=True))
        return Objective(self.terms, tuple((own | dict(weights)).values()))

    def __call__(
        self, features: Features, targets: Targets, weights: Float[Array, " terms"]
    ) -> tuple[Scalar, dict[str, Scalar]]:
        """Return the weighted total, and every term's unweighted value by name.

        Args:
            features: maps of the image by layer, `height width channels`; `"image"` is the image.
            targets: what the image is compared with.
            weights: one for each term, `terms`.

        Raises:
            ValueError: a problem made for another objective, or a term that returns no scalar.
        """
        if weights.shape != (len(self.terms),):
            raise ValueError(
                f"the problem carries weights of shape {weights.shape}, the objective has "
                f"{len(self.terms)} terms; build the problem with the objective that is solved"
            )
        pairs = zip(self.names, self.terms, strict=True)
        parts = {name: evaluate_term(name, term, features, targets) for name, term in pairs}
        return jnp.sum(weights * jnp.stack(list(parts.values()))), parts


def snake_case(name: str) -> str:
    """Return a class name in snake case; capitals in a row stay one word: `LPIPSLike`,
    `lpips_like`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
