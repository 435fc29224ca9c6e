"""An edit's options resolved once: parsed, checked, with user code loaded. All else reads this."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

import optax

from .. import plugin
from ..descent.objective import Objective, Term
from ..descent.optimizer import OPTIMIZERS, Optimizer, as_optimizer
from ..descent.transforms import Scale, Shift, Transform
from ..faces.align import Face
from ..names import did_you_mean
from ..network.protocol import Network
from ..types import Features
from . import masks
from .checks import check_options
from .parsing import Amounts, EditError, Gains, amounts, gains, term_weights
from .settings import Edit

AttributeSource = Callable[[Network, Face, tuple[str, ...], Edit], Features]
"""`source(network, face, layers, options)` returns maps that have the attribute, at those layers.

`face.image` is the aligned reference and `face.points` its landmarks; `options` are those of the
edit.
"""
FACTORY_RATE = 0.02
"""Learning rate of `optax:NAME` factories, unless one is given: Adam's."""


class Own(NamedTuple):
    """Objects of the user's own, in place of those that options would name."""

    objective: Objective | None = None
    source: AttributeSource | None = None


@dataclass(frozen=True, eq=False)
class Request:
    """A resolved edit."""

    options: Edit
    attributes: Amounts
    """Names and amounts of `--attribute`."""
    gains: Gains
    """Factors of `--channels`, by layer and channel."""
    target: str
    """How guides or the faces of a gallery become a target; see `Options.target`."""
    guided: bool
    """The attribute comes from guides' own maps, not from a direction."""
    inside: Path | str | None
    """Where the attribute acts; see `masks.acting`."""
    held: Path | str | None
    """Where the reference's maps are held; see `masks.held`."""
    optimizer: Optimizer
    learning_rate: float
    transforms: tuple[Transform, ...]
    objective: Objective | None
    """The user's own, with its weights; None is the default objective."""
    source: AttributeSource | None

    @property
    def heads(self) -> Amounts:
        """Names under which a network may score the attributes, with amounts."""
        return tuple((name.partition("/")[0], amount) for name, amount in self.attributes)

    def size(self, network: Network) -> int:
        """Return the side of the working image in pixels."""
        return self.options.size or network.size


def resolve(options: Edit, own: Own = Own()) -> Request:  # noqa: B008  (a constant)
    """Parse and check options, and load the user code that they name.

    Raises:
        EditError, RegionError, ColourError, PluginError: each with a message of one line.
    """
    attributes = amounts(options.attribute) if options.attribute else ()
    objective = own.objective or _own_objective(options)
    check_options(options, attributes, own=objective is not None)
    if objective is not None:
        try:
            objective = objective.reweighted(term_weights(options.term_weights))
        except ValueError as error:
            raise EditError(f"--term-weights: {error}") from None
    target = options.target or ("difference" if options.gallery else "patches")
    guided = bool(options.guides) or bool(options.gallery and target != "difference")
    inside = masks.acting(options, attributes, guided=guided)
    optimizer = _optimizer(options.optimizer)
    rate = optimizer.learning_rate if options.learning_rate is None else options.learning_rate
    jitter = options.jitter
    shift, scale = Shift(jitter.shift), Scale(jitter.scale)
    return Request(
        options,
        attributes,
        gains(options.channels),
        target,
        guided,
        inside,
        masks.held(options, inside, guided=guided),
        optimizer,
        rate,
        ((shift,) if jitter.shift else ()) + ((scale,) if jitter.scale else ()),
        objective,
        own.source or (_own_source(options.source) if options.source else None),
    )


def _own_objective(options: Edit) -> Objective | None:
    if not options.objective:
        return None
    return 1.0 * plugin.load_as(Objective, options.objective, "objective", Term)


def _own_source(path: str) -> AttributeSource:
    source = plugin.load(path, "source")
    if not callable(source):
        kind = type(source).__name__
        raise EditError(
            f"--source {path}: expected a function (network, face, layers, options), got a {kind}"
        )
    return cast(AttributeSource, source)


@functools.cache
def _optimizer(name: str) -> Optimizer:
    """Return an optimizer by name or path; cached, so that one name is one compiled program."""
    if ":" not in name:
        hint = did_you_mean(name, OPTIMIZERS)
        if name not in OPTIMIZERS:
            raise EditError(
                f"--optimizer {name}: unknown{hint}; expected {', '.join(OPTIMIZERS)}, or "
                "package.module:name or file.py:name, such as optax:lion"
            )
        return OPTIMIZERS[name]
    loaded = plugin.load(name, "optimizer")
    try:
        if isinstance(loaded, Optimizer | optax.GradientTransformation):
            return as_optimizer(loaded)
        try:  # an optax factory: its learning rate is ours, a traced number
            return Optimizer(loaded(learning_rate=1.0), FACTORY_RATE)
        except TypeError:
            return as_optimizer(loaded())
    except Exception as error:
        raise EditError(
            f"--optimizer {name}: expected an optax transformation or a function that returns one "
            f"({' '.join(str(error).split())})"
        ) from None
