"""Which of a file's networks is meant: the one named, the only one that fits, or a question."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..names import did_you_mean
from ..text import printable
from .check import check_shapes
from .cursor import MAX_MESSAGE, SourceError
from .layout import Parsed, canonical
from .naming import Path, path_of

SHOWN = 8
"""Networks listed in a message."""


def choose(
    networks: Sequence[Parsed], name: str | None, expected: Mapping[str, tuple[int, ...]]
) -> tuple[Parsed, str]:
    """Return the network meant, and a line on what was left, which may be empty.

    Args:
        networks: all that the file holds.
        name: the wanted one, as the file calls it, or the end of that.
        expected: shape of every tensor of VGG-Face.

    Raises:
        SourceError: none of that name, or several that fit; lists them.
    """
    if name is not None:
        return _named(networks, name), _left(networks, f"took {name}, as asked")
    if len(networks) == 1:
        return networks[0], ""
    misfits = {network.name: _misfit(network, expected) for network in networks}
    fitting = [network for network in networks if not misfits[network.name]]
    if not fitting:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in [*misfits.items()][:3])
        raise SourceError(f"{len(networks)} networks, none of them VGG-Face ({reasons})")
    first, others = fitting[0], fitting[1:]
    if all(_equal(first, other) for other in others):
        reason = "the only one of VGG-Face's shape" if not others else "which the others equal"
        return first, _left(networks, f"took {first.name}, {reason}")
    raise SourceError(
        f"holds {len(fitting)} networks of VGG-Face's shape: {_list(fitting)}; "
        f"choose one by name, such as --network {first.name}"
    )


def _named(networks: Sequence[Parsed], name: str) -> Parsed:
    if not name.strip():
        raise SourceError("--network is empty; give a name, or leave it out")
    wanted = path_of(name)
    exact = [network for network in networks if path_of(network.name) == wanted]
    ending = [network for network in networks if wanted and _ends(path_of(network.name), wanted)]
    found = exact or ending
    if len(found) == 1:
        return found[0]
    if found:
        raise SourceError(f"--network {name} could be {_list(found)}; give more of the name")
    if len(networks) == 1:
        raise SourceError(f"no network {name!r}: it holds one only; leave out --network")
    hint = did_you_mean(name, [network.name for network in networks]) or ""
    raise SourceError(f"no network {name!r}{hint}; it holds {_list(networks)}")


def _ends(path: Path, ending: Path) -> bool:
    return path[-len(ending) :] == ending


def _misfit(network: Parsed, expected: Mapping[str, tuple[int, ...]]) -> str:
    """Return why a network is not VGG-Face; nothing if it is."""
    try:
        check_shapes(canonical(network), expected)
    except SourceError as error:
        return str(error)
    return ""


def _equal(first: Parsed, second: Parsed) -> bool:
    """Return whether two networks hold the same numbers, as a fresh average of a model does."""
    return (
        (first.axes, first.colour) == (second.axes, second.colour)
        and all(
            name in second.layers and all(map(np.array_equal, pair, second.layers[name]))
            for name, pair in first.layers.items()
        )
        and len(first.layers) == len(second.layers)
    )


def _list(networks: Sequence[Parsed]) -> str:
    names = [network.name for network in networks]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _left(networks: Sequence[Parsed], taken: str) -> str:
    return printable(f"{len(networks)} networks ({_list(networks)}): {taken}"[:MAX_MESSAGE])
