"""Optimizers: any optax transformation, and how the solver treats it."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from ..names import did_you_mean


@dataclass(frozen=True)
class Optimizer:
    """An optax transformation with the solver's treatment of its updates.

    The solver multiplies the updates by a learning rate and a schedule, both traced numbers. A
    transformation that has a learning rate of its own keeps it: `optax.adam(0.02)` with a learning
    rate of 1 here takes the same steps as `optax.adam(1.0)` with 0.02.
    """

    transformation: optax.GradientTransformation
    learning_rate: float = field(default=1.0, compare=False)
    """Factor on the updates unless the solver or a problem has its own."""
    boxed: bool = True
    """Project the image into [0, 1] after every step."""
    decayed: bool = field(default=True, compare=False)
    """Decay the learning rate to 0 by a half cosine unless the solver has a schedule."""


def _per_pixel() -> optax.GradientTransformation:
    """Scale the gradient by the number of parameters: the loss of one pixel, whatever the size."""
    return optax.stateless(lambda updates, _: jax.tree.map(lambda each: each.size * each, updates))


ADAM = Optimizer(optax.adam(1.0), 0.02)
"""A learning rate is about the change of a pixel in one step."""
SGD = Optimizer(optax.chain(_per_pixel(), optax.sgd(1.0, momentum=0.9)), 0.003)
"""Gradient descent with momentum, as in the paper; on the loss of one pixel."""
LBFGS = Optimizer(optax.lbfgs(), boxed=False, decayed=False)
"""The line search chooses the step, so its memory must not be bent by the box."""
OPTIMIZERS = {"adam": ADAM, "sgd": SGD, "lbfgs": LBFGS}
OptimizerName = Literal["adam", "sgd", "lbfgs"]


def as_optimizer(optimizer: str | Optimizer | optax.GradientTransformation) -> Optimizer:
    """Return the optimizer of a name or a transformation.

    Raises:
        ValueError: an unknown name, a factory that was not called, or a transformation that raises
            or returns updates of another shape.
    """
    if isinstance(optimizer, str) and optimizer in OPTIMIZERS:
        return OPTIMIZERS[optimizer]
    if isinstance(optimizer, optax.GradientTransformation):
        optimizer = Optimizer(optimizer)
    if isinstance(optimizer, Optimizer):
        if optimizer not in OPTIMIZERS.values():
            _check(optimizer.transformation)
        return optimizer
    hint = did_you_mean(optimizer, OPTIMIZERS) if isinstance(optimizer, str) else ""
    raise ValueError(
        f"optimizer {optimizer!r}{hint}; expected {', '.join(OPTIMIZERS)}, or an optax "
        "transformation such as optax.lion(0.02)"
    )


def updated(
    transformation: optax.GradientTransformation,
    gradient: Array,
    state: optax.OptState,
    parameters: Array,
    total: Array,
    loss: Callable[[Array], Array],
) -> tuple[Array, optax.OptState]:
    """Return a transformation's updates of the parameters, and its next state.

    Args:
        transformation: any of optax; line searches get the total, the gradient and the loss.
        gradient: of the loss.
        state: the transformation's.
        parameters: where the gradient was taken.
        total: the loss there.
        loss: maps parameters to a scalar.
    """
    transformation = optax.with_extra_args_support(transformation)
    with jax.numpy_dtype_promotion("standard"):  # optax raises floats to integer step counts
        updates, state = transformation.update(
            gradient, state, parameters, value=total, grad=gradient, value_fn=loss
        )
    return jnp.asarray(updates), state


@functools.lru_cache
def _check(transformation: optax.GradientTransformation) -> None:
    """Trace one step on a small array, so that a mistake shows before anything is computed."""
    small = jax.ShapeDtypeStruct((4, 4, 3), jnp.float32)

    def step(parameters: Array) -> Array:
        state, total = transformation.init(parameters), jnp.sum(parameters)
        return updated(transformation, parameters, state, parameters, total, jnp.sum)[0]

    try:
        shape = jax.eval_shape(step, small).shape
    except Exception as error:  # anything may happen in foreign code
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ValueError(f"the optimizer raised {reason}") from error
    if shape != small.shape:
        raise ValueError(
            f"the optimizer's updates have shape {shape} for parameters of shape {small.shape}; "
            "they must be equal"
        )
