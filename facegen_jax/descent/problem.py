"""Problems as arrays: builders from guides, from a direction, from any maps; stacking."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt32

from ..network.protocol import Network
from ..rgb import check_image
from ..types import AnyArray, Features, Image, Mask, Params, Scalar
from . import targets
from .checks import check_single
from .masks import resized
from .objective import ATTRIBUTE, REFERENCE, Objective, Targets


class Problem(NamedTuple):
    """One edit to solve. Numbers that are None are taken from the solver and its objective."""

    start: Image
    """The image that the descent begins with, `height width 3` in [0, 1]."""
    targets: Targets
    weights: Float[Array, " terms"] | None = None
    """Weight of each term of the objective, `terms`."""
    learning_rate: Scalar | None = None
    """Factor on the optimizer's updates, a scalar."""
    seed: UInt32[Array, ""] | None = None
    """Seed of the solver's random transformations, a scalar."""


def from_guides(
    network: Network | Params,
    objective: Objective,
    reference: Image,
    guides: Sequence[Float[AnyArray, "_ _ 3"]],
    *,
    masks: Mapping[str, Mask] | None = None,
    more: Mapping[str, Features] | None = None,
) -> Problem:
    """Build a problem whose attribute is the mean of the guides' maps.

    Li, Zuo & Zhang take one guide, or the k = 5 most similar faces.

    Args:
        network: as from `load_network`, or VGG-Face parameters.
        objective: says which layers are needed, and is checked against the targets here.
        reference: the face whose identity stays, `height width 3` in [0, 1].
        guides: one or more faces with the attribute, aligned and sized like the reference,
            `height width 3` in [0, 1].
        masks: soft masks in [0, 1], `height width`, by the name that terms use.
        more: further targets by the name that terms use, as maps by layer.

    Raises:
        ValueError: images of another shape, type or range, or targets that the objective lacks.
    """
    check_image(reference, "the reference")
    for guide in guides:
        check_image(guide, "a guide")
        if guide.shape != reference.shape:
            raise ValueError(
                f"a guide has shape {guide.shape}, the reference {reference.shape}; "
                "align or resize the guide first"
            )
    maps = targets.mean(network, objective.layers, guides)
    return from_maps(network, objective, reference, maps, masks=masks, more=more)


def from_direction(
    network: Network | Params,
    objective: Objective,
    reference: Image,
    direction: Features,
    strength: float = 1.0,
    *,
    masks: Mapping[str, Mask] | None = None,
    more: Mapping[str, Features] | None = None,
) -> Problem:
    """Build a problem whose attribute is the reference's own maps + strength * direction.

    Attribute terms may read only layers that the direction has.

    Args:
        network: as from `load_network`, or VGG-Face parameters.
        objective: says which layers are needed, and is checked against the targets here.
        reference: the face whose identity stays, `height width 3` in [0, 1].
        direction: maps by layer, as in `load_direction(...).maps`.
        strength: 1 is the natural amount, 0 changes nothing, negative removes.
        masks: soft masks in [0, 1], `height width`, by the name that terms use.
        more: further targets by the name that terms use, as maps by layer.

    Raises:
        ValueError: an image of another shape, type or range, or targets that the objective lacks.
    """
    check_image(reference, "the reference")
    own = targets.own_maps(network, reference, objective.layers)
    return _build(objective, own, targets.tuned(own, direction, strength), masks, more)


def from_maps(
    network: Network | Params,
    objective: Objective,
    reference: Image,
    attribute: Features,
    *,
    masks: Mapping[str, Mask] | None = None,
    more: Mapping[str, Features] | None = None,
) -> Problem:
    """Build a problem whose attribute is given as maps by layer.

    Args:
        network: as from `load_network`, or VGG-Face parameters.
        objective: says which layers are needed, and is checked against the targets here.
        reference: the face whose identity stays, `height width 3` in [0, 1].
        attribute: maps by layer that have the attribute, shaped like the reference's own.
        masks: soft masks in [0, 1], `height width`, by the name that terms use.
        more: further targets by the name that terms use, as maps by layer.

    Raises:
        ValueError: an image of another shape, type or range, or targets that the objective lacks.
    """
    check_image(reference, "the reference")
    own = targets.own_maps(network, reference, objective.layers)
    return _build(objective, own, attribute, masks, more)


def _build(
    objective: Objective,
    own: Features,
    attribute: Features,
    masks: Mapping[str, Mask] | None,
    more: Mapping[str, Features] | None,
) -> Problem:
    """Assemble a problem from the reference's own maps, and check that the objective can read
    it."""
    if set(more or ()) & {REFERENCE, ATTRIBUTE}:
        raise ValueError(f"further targets need names other than {REFERENCE!r} and {ATTRIBUTE!r}")
    maps = {REFERENCE: own, ATTRIBUTE: attribute, **(more or {})}
    built = Targets(jax.tree.map(jnp.asarray, maps), resized(masks or {}, own))
    check_readable(objective, own, built)
    return Problem(own["image"], built)


def check_readable(objective: Objective, own: Features, built: Targets) -> None:
    """Check that an objective can read its targets, from their shapes; `own` is the reference's.

    Raises:
        ValueError: targets that the objective lacks, or an error in a term.
    """
    _evaluate.eval_shape(objective, own, built, jnp.zeros(len(objective.terms), jnp.float32))


@functools.partial(jax.jit, static_argnums=0)
def _evaluate(objective: Objective, *arguments: Any) -> Any:
    """Evaluate an objective; jitted so that its shapes are checked once for many problems."""
    return objective(*arguments)


def amplified(problem: Problem, factor: float | Float[AnyArray, "*batch"]) -> Problem:
    """Return problems whose attribute lies `factor` times as far from the reference's own maps.

    That multiplies the strength of a direction.

    Args:
        problem: one problem, or stacked ones.
        factor: a number, or one for each stacked problem.
    """
    factor, targets = jnp.asarray(factor, jnp.float32), problem.targets

    def moved(layer: str, attribute: AnyArray) -> AnyArray:
        own = targets.reference[layer]
        scale = jnp.reshape(factor, factor.shape + (1,) * (own.ndim - factor.ndim))
        return own + scale * (attribute - own)

    moved_maps = {layer: moved(layer, each) for layer, each in targets.attribute.items()}
    maps = {**targets.maps, ATTRIBUTE: moved_maps}
    return problem._replace(targets=targets._replace(maps=maps))


def with_noise(problem: Problem, key: jax.Array, amount: float | Scalar) -> Problem:
    """Start from the reference plus Gaussian noise of this standard deviation, clipped to [0,
    1]."""
    noise = jax.random.normal(key, problem.start.shape, jnp.float32)
    return problem._replace(start=jnp.clip(problem.start + jnp.float32(amount) * noise, 0, 1))


def stack(problems: Sequence[Problem]) -> Problem:
    """Stack problems of one shape: every array gets a leading axis."""
    if not problems:
        raise ValueError("no problems to stack")
    for problem in problems:
        check_single(problem)
    if len(set(map(structure, problems))) > 1:
        raise ValueError(
            "problems can be stacked only when they have the same layers, masks, numbers and "
            "image size"
        )
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *problems)


def structure(problem: Problem) -> tuple[Any, ...]:
    """Return what problems must share to be stacked: layers, masks, numbers and shapes."""
    leaves, tree = jax.tree.flatten(problem)
    return tree, *map(jnp.shape, leaves)
