"""The terms that ship: which layers, which distance, which mask, compared with which target."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jax.numpy as jnp

from ..names import did_you_mean
from ..types import AnyArray, Features, Mask, Scalar
from . import losses
from .objective import ATTRIBUTE, REFERENCE, Layers, Targets, Term

Distance = str | Callable[[AnyArray, AnyArray, Mask | None], Scalar]
"""A name of `losses.DISTANCES`, or a function `(features, target, mask)` defined in a module."""


@dataclass(frozen=True)
class MapDistance(Term):
    """Mean over layers of a distance between the image's maps and a target's.

    The mean keeps a term's weight independent of the number of layers. Weights by layer, as in
    `{"conv3_3": 2.0, "conv4_3": 1.0}`, make it a weighted mean. They are part of the term's
    structure: other values compile again. To sweep layers, give each a term of its own.
    """

    layers: Layers = ()
    mask: str | None = None
    """Name of the mask that restricts the distance; everywhere if None."""
    distance: Distance = "squared"
    """`squared`, `l1`, `cosine`, `gram`, `contextual`, `patch`, or a function of your own that maps
    features and target (`height width channels`) and mask (`height width`, or None) to a
    scalar."""
    target: str = ATTRIBUTE
    """Name of the target in `Targets.maps`."""
    layer_weights: tuple[float, ...] | None = None
    """Weights in the order of `layers`; set by a mapping of layers."""

    def __post_init__(self):
        if isinstance(self.layers, Mapping):
            object.__setattr__(self, "layer_weights", tuple(map(float, self.layers.values())))
            object.__setattr__(self, "layers", tuple(self.layers))
        kind = type(self).__name__
        if isinstance(self.distance, str) and self.distance not in losses.DISTANCES:
            known = ", ".join(losses.DISTANCES)
            hint = did_you_mean(self.distance, losses.DISTANCES)
            raise ValueError(f"{kind}: no distance {self.distance!r}{hint}; there are {known}")
        if isinstance(self.layers, tuple) and not self.layers:
            raise ValueError(f"{kind}: name at least one layer")
        weights = self.layer_weights
        if weights is not None and (
            len(weights) != len(self.layers)
            or not all(math.isfinite(each) and each >= 0 for each in weights)
            or not sum(weights) > 0
        ):
            raise ValueError(
                f"{kind}: expected a finite weight of at least 0 for each layer, one above 0, "
                f"not {weights} for {len(self.layers)} layers"
            )

    def __call__(self, features: Features, targets: Targets) -> Scalar:
        """Return the mean distance over the layers."""
        maps = targets.maps[self.target]
        masks = targets.masks[self.mask] if self.mask else None
        values = [self._at(layer, features[layer], maps[layer], masks) for layer in self.layers]
        weights = self.layer_weights or (1.0,) * len(values)
        total = sum(
            (weight * each for weight, each in zip(weights, values, strict=True)), jnp.float32(0)
        )
        return total / sum(weights)

    def _at(
        self, layer: str, features: AnyArray, target: AnyArray, masks: Mapping[str, Mask] | None
    ) -> Scalar:
        distance = (
            losses.DISTANCES[self.distance] if isinstance(self.distance, str) else self.distance
        )
        if features.ndim != 3 and (masks or self.distance in ("gram", "contextual", "patch")):
            what = f"the distance {self.distance!r}" if not masks else "a mask"
            raise ValueError(
                f"{type(self).__name__}: {layer} is a vector, {what} needs a map of height x width"
            )
        if self.distance in ("squared", "l1", "cosine") and features.shape != target.shape:
            raise ValueError(
                f"{type(self).__name__}: {layer} has shape {features.shape}, its target "
                f"{target.shape}; build the problem with the network and the size to be solved"
            )
        return distance(features, target, masks[layer] if masks else None)


@dataclass(frozen=True)
class Identity(MapDistance):
    """Distance to the reference's own maps: the first sum of Li, Zuo & Zhang."""

    layers: Layers = ("conv3_3", "conv4_3", "conv5_3")
    target: str = REFERENCE


@dataclass(frozen=True)
class Attribute(MapDistance):
    """Distance to the maps that have the attribute: the second sum of Li, Zuo & Zhang.

    Include low layers: with high layers alone the image answers with speckle.
    """

    layers: Layers = ("conv1_2", "conv2_2", "conv3_3", "conv4_3")


@dataclass(frozen=True)
class AttributePixels(Attribute):
    """Distance to layer zero of the attribute's maps, the image moved by the direction.

    It gives the change its true colours.
    """

    layers: Layers = ("image",)


@dataclass(frozen=True)
class AttributeTexture(Attribute):
    """Distance of Gram matrices to those of the attribute's maps: texture without position."""

    layers: Layers = ("conv2_2", "conv3_3")
    distance: Distance = "gram"


@dataclass(frozen=True)
class DescriptorIdentity(Identity):
    """1 - cosine of the face descriptors of image and reference.

    fc7 is what published work compares. Networks of your own may have a layer `descriptor` instead.
    """

    layers: Layers = ("fc7",)
    distance: Distance = "cosine"


@dataclass(frozen=True)
class TotalVariation(Term):
    """Total variation of the change from the reference: smooths an edit without blurring the face.

    `of="image"` takes the image's own instead, for starts from noise. `exponent` 2 smooths, 1 keeps
    edges.
    """

    of: str = "change"
    exponent: float = 2.0
    layers: Layers = ("image",)

    def __post_init__(self):
        if self.of not in ("change", "image"):
            raise ValueError(f'TotalVariation: of must be "change" or "image", not {self.of!r}')

    def __call__(self, features: Features, targets: Targets) -> Scalar:
        """Return the total variation, averaged over pixels."""
        image = features["image"]
        varying = image - targets.reference["image"] if self.of == "change" else image
        return losses.total_variation(varying, exponent=self.exponent)


@dataclass(frozen=True)
class Chroma(Term):
    """Mean squared colour of the change: holds back the colour fringes of a strong edit."""

    layers: Layers = ("image",)

    def __call__(self, features: Features, targets: Targets) -> Scalar:
        """Return the mean over pixels of Cb^2 and Cr^2 of the change."""
        change = features["image"] - targets.reference["image"]
        return jnp.mean(jnp.square(losses.chroma(change)))
