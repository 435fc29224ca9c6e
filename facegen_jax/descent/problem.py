"""Problems, all arrays: their builders from guides, from a direction, from any maps of `targets`."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..types import AnyArray, Features, Image, Mask, Params, Scalar
from . import targets
from .objective import Objective, Targets


class Problem(NamedTuple):
    """One edit to solve. Numbers that are None are taken from the solver and its objective."""

    start: Image
    """The picture that the descent begins with."""
    targets: Targets
    weights: Float[Array, " terms"] | None = None
    learning_rate: Scalar | None = None


def from_guides(
    params: Params,
    objective: Objective,
    reference: Image,
    guides: Sequence[Float[AnyArray, "_ _ 3"]],
    *,
    masks: dict[str, Mask] | None = None,
) -> Problem:
    """The attribute is what the guides' maps have on average (Li, Zuo & Zhang: one guide, or the k = 5 most similar).

    Args:
        params: network parameters.
        objective: tells which layers are needed, and is checked against the targets here.
        reference: the face whose identity stays, `height width 3` in [0, 1].
        guides: one or more faces with the attribute, aligned and sized like the reference.
        masks: soft masks in [0, 1] by the name that terms use, at the reference's size.
    """
    for guide in guides:
        if guide.shape != reference.shape:
            raise ValueError(
                f"a guide has shape {guide.shape}, the reference {reference.shape}; align or resize the guide first"
            )
    return from_maps(
        params, objective, reference, targets.mean(params, objective.layers, guides), masks=masks
    )


def from_direction(
    params: Params,
    objective: Objective,
    reference: Image,
    direction: Features,
    strength: float = 1.0,
    *,
    masks: dict[str, Mask] | None = None,
) -> Problem:
    """The attribute is the reference's own maps, tuned: maps + strength * direction.

    Layers that the direction lacks may not be read by attribute terms.
    """
    own = targets.own_maps(params, reference, objective.layers)
    return _problem(objective, own, targets.tuned(own, direction, strength), masks)


def from_maps(
    params: Params,
    objective: Objective,
    reference: Image,
    attribute: Features,
    *,
    masks: dict[str, Mask] | None = None,
) -> Problem:
    """The attribute is given as maps by layer."""
    return _problem(
        objective, targets.own_maps(params, reference, objective.layers), attribute, masks
    )


def _problem(
    objective: Objective, own: Features, attribute: Features, masks: dict[str, Mask] | None
) -> Problem:
    """Every builder ends here: `own` are the reference's maps, the picture among them."""
    at_layers: dict[str, dict[str, Mask]] = {
        name: {
            layer: _resize_mask(mask, (maps.shape[0], maps.shape[1]))
            for layer, maps in own.items()
            if maps.ndim == 3
        }
        for name, mask in (masks or {}).items()
    }
    made = Targets(own, attribute, at_layers)
    try:
        jax.eval_shape(objective, own, made, jnp.zeros(len(objective.terms)))
    except KeyError as error:
        raise ValueError(
            f"a term reads {error}; the attribute has the layers {', '.join(attribute)} and the masks are {list(at_layers)}"
        ) from None
    return Problem(own["image"], made)


def with_noise(problem: Problem, key: jax.Array, amount: float) -> Problem:
    """The same problem, started from the reference plus Gaussian noise of this standard deviation, clipped to [0, 1]."""
    noise = jax.random.normal(key, problem.start.shape, jnp.float32)
    return problem._replace(start=jnp.clip(problem.start + jnp.float32(amount) * noise, 0, 1))


def stack(problems: Sequence[Problem]) -> Problem:
    """Many problems of one shape as one, with a leading axis on every array."""
    if not problems:
        raise ValueError("no problems to stack")
    first = jax.tree.structure(problems[0])
    for problem in problems:
        if jax.tree.structure(problem) != first or problem.start.shape != problems[0].start.shape:
            raise ValueError(
                "problems can be stacked only when they have the same layers, masks and picture size"
            )
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *problems)


def _resize_mask(mask: Mask, shape: tuple[int, int]) -> Float[Array, "rows columns"]:
    return jax.image.resize(jnp.asarray(mask, jnp.float32), shape, "linear", antialias=True)
