"""Optimizers: any optax transformation, and how the solver treats it."""

from dataclasses import dataclass, field
from typing import Literal

import jax
import optax

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
        ValueError: an unknown name, or a factory that was not called.
    """
    if isinstance(optimizer, Optimizer):
        return optimizer
    if isinstance(optimizer, optax.GradientTransformation):
        return Optimizer(optimizer)
    if isinstance(optimizer, str) and optimizer in OPTIMIZERS:
        return OPTIMIZERS[optimizer]
    hint = did_you_mean(optimizer, OPTIMIZERS) if isinstance(optimizer, str) else ""
    raise ValueError(
        f"optimizer {optimizer!r}{hint}; expected {', '.join(OPTIMIZERS)}, or an optax "
        "transformation such as optax.lion(0.02)"
    )
