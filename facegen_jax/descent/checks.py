"""Terms and problems, checked once: one line says what was expected, what came, what to do."""

import sys
import traceback
from typing import Any

import jax.numpy as jnp

from ..types import Features, Scalar


def check_term(term: Any) -> None:
    """Check that a term can be static structure of a compiled program.

    Raises:
        ValueError: no layers, layers that are no tuple of names, or a term that cannot be hashed.
    """
    kind, layers = type(term).__name__, getattr(term, "layers", None)
    if not callable(term) or layers is None:
        raise ValueError(f"a term has `layers` and __call__(features, targets); {kind} has not")
    if not isinstance(layers, tuple) or not all(isinstance(each, str) for each in layers):
        raise ValueError(
            f'{kind}: layers must be a tuple of names such as ("conv3_3",), not {layers!r}'
        )
    try:
        hash(term)
    except TypeError:
        if type(term).__hash__ is None:
            reason = "declare it with @dataclass(frozen=True)"
        else:
            names = [name for name in vars(term) if not _hashable(term, name)]
            held = ", ".join(
                f"{name} holds a {type(getattr(term, name)).__name__}" for name in names
            )
            reason = f"{held}; use numbers, strings and tuples, and pass arrays as further targets"
        raise ValueError(
            f"{kind} cannot be hashed, so nothing can compile with it: {reason}"
        ) from None


def _hashable(term: object, name: str) -> bool:
    try:
        hash(getattr(term, name))
    except TypeError:
        return False
    return True


def evaluate_term(name: str, term: Any, features: Features, targets: Any) -> Scalar:
    """Return a term's value for one image.

    Raises:
        ValueError: a problem that lacks what the term reads, an error in the term's own code, or a
        value that is no scalar.
    """
    try:
        value = term(features, targets)
    except KeyError as error:
        maps = "; ".join(f"{key} has {', '.join(maps)}" for key, maps in targets.maps.items())
        raise ValueError(
            f"the term {name} reads {error}, which the problem lacks; its targets: {maps}; "
            f"its masks: {', '.join(targets.masks) or 'none'}; name every layer it reads in "
            "`layers`, and build the problem with the objective that is solved"
        ) from error
    except (TypeError, AttributeError, NameError, IndexError) as error:  # a mistake in the term
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"the term {name} raised {type(error).__name__}: {reason}{_line(term, error)}"
        ) from error
    if jnp.shape(value) != ():
        raise ValueError(f"the term {name} returned shape {jnp.shape(value)}, expected a scalar")
    return value


def _line(term: object, error: Exception) -> str:
    """Say which line of a term's own file raised an error."""
    own = getattr(sys.modules.get(type(term).__module__), "__file__", None)
    frames = [each for each in traceback.extract_tb(error.__traceback__) if each.filename == own]
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""


def check_single(problem: object) -> None:
    """Refuse anything but one problem.

    Raises:
        ValueError: stacked problems, or no problem at all.
    """
    _check_rank(problem, 3, "one problem; solve stacked problems with run_stacked or run_batch")


def check_stacked(problems: object) -> None:
    """Refuse anything but stacked problems.

    Raises:
        ValueError: a single problem, or no problem at all.
    """
    _check_rank(problems, 4, "stacked problems; stack single ones with stack([problem, ...])")


def _check_rank(problem: object, rank: int, expected: str) -> None:
    start = getattr(problem, "start", None)
    if start is None:
        kind = type(problem).__name__
        raise ValueError(
            f"expected a Problem (from_guides, from_direction, from_maps), not a {kind}"
        )
    if jnp.ndim(start) != rank:
        raise ValueError(f"expected {expected}; this has images of shape {jnp.shape(start)}")
