"""Stacked problems made of references and directions by one compiled program.

References, directions and masks go in, problems come out: no edit holds maps of its own before it
is solved, and nothing is checked or dispatched for each.
"""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, UInt32

from ..compilation import ONE_THREAD, OPTIONS
from ..network.devices import mesh_of, one_core_each, split
from ..network.passes import maps_of, one_by_one
from ..network.protocol import Backbone, Network
from ..types import AnyArray, Features, Images
from . import targets
from .masks import resized
from .objective import ATTRIBUTE, REFERENCE, Objective, Targets
from .problem import Problem, check_readable, with_noise

Masks = Mapping[str, AnyArray]


class Tuned(NamedTuple):
    """Edits of one kind as stacked arrays, without maps."""

    start: Images
    """The references."""
    fresh: Bool[AnyArray, " batch"]
    """Whether each is another reference than the one before it, or none counts from here on."""
    direction: Features
    """Change of the maps of each for a strength of 1; empty if they share one."""
    strength: Float[AnyArray, " batch"]
    masks: Mapping[str, Float[AnyArray, "batch height width"]]
    weights: Float[AnyArray, "batch terms"]
    learning_rate: Float[AnyArray, " batch"]
    seed: UInt32[AnyArray, " batch"]
    noise: Float[AnyArray, " batch"] | None = None
    """Standard deviation of the noise added to each reference at the start; None adds none."""


def problems(objective: Objective, network: Network, tuned: Tuned, shared: Features) -> Problem:
    """Return stacked problems whose attribute is the reference's own maps + strength * direction.

    On CPUs a reference's maps are computed once for all edits of it that follow each other, and
    each is computed alone, so that its last digit does not depend on the batch.

    Args:
        objective: the edits' terms; their weights are those of `tuned`.
        network: supplies the maps.
        tuned: the edits; they may be spread over devices.
        shared: the direction that all have in common; empty if each has its own.

    Raises:
        ValueError: directions or masks that do not fit the reference, or targets that the objective
            lacks.
    """
    mesh, sequential = mesh_of(tuned.start), jax.default_backend() == "cpu"
    build = build_on_cores if one_core_each(mesh) else build_together
    return build(objective, network.backbone, sequential, mesh, network.params, tuned, shared)


def check(objective: Objective, network: Network, tuned: Tuned, shared: Features) -> None:
    """Raise what `problems` would, for edits of these shapes, without computing anything."""
    arrays = (network.params, tuned, shared)
    build_together.eval_shape(objective, network.backbone, False, None, *arrays)


def _build(
    objective: Objective,
    backbone: Backbone,
    sequential: bool,
    mesh: jax.sharding.Mesh | None,
    params: Any,
    tuned: Tuned,
    shared: Features,
) -> Problem:
    def build(params: Any, tuned: Tuned, shared: Features) -> Problem:
        # Each device's share has a first reference.
        fresh = jnp.asarray(tuned.fresh).at[0].set(True)
        maps = maps_of(
            backbone, params, tuned.start, fresh, objective.layers, sequential=sequential
        )
        if sequential:
            latest = jax.lax.cummax(jnp.where(fresh, jnp.arange(len(fresh)), 0))
            maps = jax.tree.map(lambda each: each.at[latest].get(mode="promise_in_bounds"), maps)
        masked = (tuned.masks, maps)
        # The last digit of a matrix product, too, may depend on the size of the batch.
        masks = one_by_one(_resized, masked) if sequential else jax.vmap(_resized)(masked)
        problem = functools.partial(_problem, objective, shared)
        return jax.vmap(problem)(maps, masks, tuned._replace(masks={}))

    return split(build, mesh, False, True, False)(params, tuned, shared)


_compiled = functools.partial(jax.jit, _build, static_argnums=(0, 1, 2, 3))
build_together = _compiled(compiler_options=OPTIONS)
build_on_cores = _compiled(compiler_options=ONE_THREAD)
"""The same where every device is one core of a CPU."""


def _resized(masked: tuple[Masks, Features]) -> Mapping[str, Masks]:
    return resized(*masked)


def _problem(
    objective: Objective,
    shared: Features,
    own: Features,
    masks: Mapping[str, Masks],
    each: Tuned,
) -> Problem:
    maps = {
        REFERENCE: own,
        ATTRIBUTE: targets.tuned(own, each.direction or shared, jnp.asarray(each.strength)),
    }
    built = Targets(maps, masks)
    check_readable(objective, own, built)
    numbers = map(jnp.asarray, (each.weights, each.learning_rate, each.seed))
    problem = Problem(own["image"], built, *numbers)
    if each.noise is None:
        return problem
    return with_noise(problem, jax.random.key(each.seed), jnp.asarray(each.noise))
