"""Targets and problems, all arrays: their builders from guides, from a direction, from any maps."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .objective import Objective, Targets
from .types import AnyArray, Features, Image, Mask, Params, Scalar
from .vgg_face import extract


class Problem(NamedTuple):
    """One edit to solve. Numbers that are None are taken from the solver and its objective."""

    start: Image
    """The picture that the descent begins with."""
    targets: Targets
    weights: Float[Array, " terms"] | None = None
    learning_rate: Scalar | None = None


def from_guides(
    params: Params, objective: Objective, reference: Image, guides: Sequence[Float[AnyArray, "_ _ 3"]], *, masks: dict[str, Mask] | None = None
) -> Problem:
    """The attribute is what the guides' maps have on average (Li, Zuo & Zhang: one guide, or the k = 5 most similar).

    Args:
        params: network parameters.
        objective: tells which layers are needed, and is checked against the targets here.
        reference: the face whose identity stays, `height width 3` in [0, 1].
        guides: one or more faces with the attribute, aligned and sized like the reference.
        masks: soft masks in [0, 1] by the name that terms use, at the reference's size.
    """
    if not guides:
        raise ValueError("no guides: at least one guide picture is needed")
    for guide in guides:
        if guide.shape != reference.shape:
            raise ValueError(f"a guide has shape {guide.shape}, the reference {reference.shape}; align or resize the guide first")
    total = extract(params, guides[0], objective.layers)
    for guide in guides[1:]:  # a running sum: memory does not grow with their number
        total = jax.tree.map(jnp.add, total, extract(params, guide, objective.layers))
    return from_maps(params, objective, reference, jax.tree.map(lambda maps: maps / len(guides), total), masks=masks)


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

    Tuning is the paper's second source of attributes; the direction as mean(with) - mean(without) is that of Upchurch et al., Deep
    Feature Interpolation, arXiv:1611.05507. Layers that the direction lacks may not be read by attribute terms.
    """
    own = extract(params, jnp.asarray(reference, jnp.float32), objective.layers)
    tuned: Features = {}
    for layer, maps in own.items():
        if layer not in direction:
            continue
        if maps.shape != direction[layer].shape:
            raise ValueError(f"the direction's {layer} has shape {direction[layer].shape}, the reference's {maps.shape}; use the network's own size")
        tuned[layer] = maps + jnp.float32(strength) * jnp.asarray(direction[layer])
    return _problem(objective, own, tuned, masks)


def from_maps(params: Params, objective: Objective, reference: Image, attribute: Features, *, masks: dict[str, Mask] | None = None) -> Problem:
    """The attribute is given as maps by layer."""
    return _problem(objective, extract(params, jnp.asarray(reference, jnp.float32), objective.layers), attribute, masks)


def _problem(objective: Objective, own: Features, attribute: Features, masks: dict[str, Mask] | None) -> Problem:
    """Every builder ends here: `own` are the reference's maps, the picture among them."""
    at_layers: dict[str, dict[str, Mask]] = {
        name: {layer: _resize_mask(mask, (maps.shape[0], maps.shape[1])) for layer, maps in own.items() if maps.ndim == 3}
        for name, mask in (masks or {}).items()
    }
    targets = Targets(own, attribute, at_layers)
    try:
        jax.eval_shape(objective, own, targets, jnp.zeros(len(objective.terms)))
    except KeyError as error:
        raise ValueError(f"a term reads {error}; the attribute has the layers {', '.join(attribute)} and the masks are {list(at_layers)}") from None
    return Problem(own["image"], targets)


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
            raise ValueError("problems can be stacked only when they have the same layers, masks and picture size")
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *problems)


def _resize_mask(mask: Mask, shape: tuple[int, int]) -> Float[Array, "rows columns"]:
    return jax.image.resize(jnp.asarray(mask, jnp.float32), shape, "linear", antialias=True)
