"""Edits of one kind as one batch: arrays on the host until the batch is solved, then problems."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..descent import tuned
from ..descent.objective import Objective
from ..descent.problem import Problem
from ..descent.terms import MapDistance
from ..descent.tuned import Tuned
from ..network.devices import home, place
from ..network.protocol import Network
from ..rgb import check_image
from ..types import AnyArray, Features, Image, Mask
from .material import Material, area, objective
from .request import Request


class Prepared(NamedTuple):
    """One edit for its first strength; arrays are those of its material, not copies."""

    terms: Objective
    image: Image
    direction: Features
    masks: dict[str, Mask]
    strength: float
    learning_rate: float
    seed: np.uint32
    noise: float

    @property
    def kind(self) -> Hashable:
        """Equal for edits that can be stacked: terms, and shapes by name."""
        named = [*self.direction.items(), *self.masks.items()]
        return self.terms, self.image.shape, tuple((name, np.shape(each)) for name, each in named)


def prepare(request: Request, network: Network, material: Material) -> Prepared:
    """Take what an edit is solved from out of its material and options.

    Raises:
        EditError, ValueError: a network without the objective's layers, or a bad image.
    """
    reference, source, masks = material.reference, material.source, material.masks
    options = request.options
    check_image(reference.image, "the reference")
    terms, direction = objective(request, network, area(masks)), source.direction
    if request.objective is None:  # a direction's further layers would be copied for nothing
        acting = {
            layer
            for term in terms.terms
            if isinstance(term, MapDistance) and term.target == "attribute"
            for layer in term.layers
        }
        direction = {layer: maps for layer, maps in direction.items() if layer in acting}
    return Prepared(
        terms,
        reference.image,
        direction,
        masks,
        options.strength[0],
        request.learning_rate,
        np.uint32(options.seed),
        options.noise,
    )


def check(network: Network, prepared: Prepared) -> None:
    """Raise what is wrong with an edit's shapes, and with all edits of its kind.

    Raises:
        ValueError: directions or masks that do not fit, or targets that the objective lacks.
    """
    tuned.check(prepared.terms, network, *_arrays([prepared]))


def stack(network: Network, batch: Sequence[Prepared], size: int | None = None) -> Problem:
    """Build the problems of edits of one kind.

    Args:
        network: supplies the maps; the batch is spread over the devices that it lies on.
        batch: the edits; those of one reference follow each other.
        size: pad to this number.
    """
    arrays, shared = _arrays([*batch, *[batch[-1]] * ((size or 0) - len(batch))])
    arrays = place(arrays, home(network.params))
    return tuned.problems(batch[0].terms, network, arrays, shared)


def assemble(request: Request, network: Network, material: Material) -> Problem:
    """Build the problem of one edit for its first strength."""
    problems = stack(network, [prepare(request, network, material)])
    return jax.tree.map(lambda leaf: leaf[0], problems)


def _arrays(batch: Sequence[Prepared]) -> tuple[Tuned, Features]:
    """Return edits as stacked arrays, and the direction that they share."""
    first, references = batch[0], [each.image for each in batch]
    before = [None, *references]
    alike = all(_same(each.direction, first.direction) for each in batch)
    noise = np.array([each.noise for each in batch], np.float32)
    arrays = Tuned(
        start=np.stack([np.asarray(image, np.float32) for image in references]),
        fresh=np.array([image is not old for image, old in zip(references, before, strict=False)]),
        direction={} if alike else _stacked([each.direction for each in batch]),
        strength=np.array([each.strength for each in batch], np.float32),
        masks=_stacked([each.masks for each in batch]),
        weights=np.array([each.terms.weights for each in batch], np.float32),
        learning_rate=np.array([each.learning_rate for each in batch], np.float32),
        seed=np.array([each.seed for each in batch], np.uint32),
        noise=noise if noise.any() else None,
    )
    return arrays, first.direction if alike else {}


def _same(direction: Features, other: Features) -> bool:
    """Return whether directions are the very same arrays."""
    return direction.keys() == other.keys() and all(
        direction[layer] is other[layer] for layer in direction
    )


def _stacked(mappings: Sequence[Features]) -> dict[str, AnyArray]:
    def joined(*leaves: AnyArray) -> AnyArray:
        on_device = any(isinstance(leaf, jax.Array) for leaf in leaves)
        return jnp.stack(leaves) if on_device else np.stack(leaves)

    return {name: joined(*(each[name] for each in mappings)) for name in mappings[0]}
