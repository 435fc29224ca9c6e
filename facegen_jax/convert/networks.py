"""The networks among named tensors: one, or several such as a model and its average.

Tensors belong to one network as long as no layer occurs twice among them, whatever is around its
name. Where one does, the names around it tell the networks apart.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

import numpy as np

from ..network.vgg_face import CONVOLUTIONS
from .cursor import SourceError
from .layout import NAMES, TOP, Axes, Pair, Parsed, by_position
from .naming import UNDERSCORED, Layer, Path, Place, Style, Tensor, place
from .unmerged import could_be, hidden, unmerged

MAX_NETWORKS = 64
"""Whole networks in a file, each of which is compared with all names of the file."""


class Member(NamedTuple):
    """A tensor of a network."""

    path: Path
    place: Place


Group: TypeAlias = tuple[Path, list[Member]]
"""The tensors of one network, and the names around it that tell it from others."""


def to_networks(
    tensors: Mapping[Path, Tensor], fetch: Callable[[Path, Tensor], np.ndarray], container: str
) -> tuple[Parsed, ...]:
    """Return the networks that tensors make; at least one.

    Args:
        tensors: all tensors of the file, in any form.
        fetch: returns the numbers of one; called only for those of networks.
        container: what the file is, for people.

    Raises:
        SourceError: no tensor's name is in a style of VGG-Face.
    """
    families: dict[str, list[Member]] = {}
    for path in tensors:
        if where := place(path):
            family = "" if isinstance(where.layer, str) else where.style.name
            families.setdefault(family, []).append(Member(path, where))
    if not families:
        if problem := hidden([*tensors]):
            raise SourceError(problem)
        first = ", ".join(".".join(path) for path in [*tensors][:4])
        raise SourceError(
            f"{container} of another network; its first tensors are "
            f"{first or 'missing (it holds none)'}"
        )
    groups = [group for members in families.values() for group in _divide((), members)]
    whole = [group for group in groups if _is_whole(group[1])]
    if len(whole) > MAX_NETWORKS:
        raise SourceError(f"{len(whole)} networks; save one to a file")
    networks = []
    for name, members in _names_apart(whole or groups):
        arrays = {member: fetch(member.path, tensors[member.path]) for member in members}
        parsed = _parsed(name, arrays, container)
        parsed = parsed._replace(others=len(tensors) - len(members))
        problem = _unmerged(arrays, tensors) if whole else ""
        networks.append(parsed._replace(problem=problem or parsed.problem))
    return tuple(networks)


def _unmerged(arrays: Mapping[Member, np.ndarray], tensors: Iterable[Path]) -> str:
    """Return what must be merged into a network first, if it may be VGG-Face."""
    members = {member.path for member in arrays}
    others = [path for path in tensors if path not in members]
    named = any(isinstance(member.place.layer, str) for member in arrays)
    return unmerged(members, others) if named or could_be(arrays.values(), others) else ""


def _divide(level: Path, members: list[Member]) -> Iterator[Group]:
    """Divide tensors into networks by their names below a level, where a layer occurs twice."""
    if not _repeated(members):
        yield level, members
        return
    branches: dict[str, list[Member]] = {}
    for member in members:
        below = member.place.network[len(level) :]
        branches.setdefault(below[0] if below else "", []).append(member)
    loose = branches.pop("", [])  # layers at this very level, and parts of networks
    if _repeated(loose):
        path = ".".join(loose[0].path)
        raise SourceError(f"several tensors are called {path}; save one network to a file")
    taken = _keys(loose)
    groups: list[Group] = []
    for name, branch in branches.items():
        if _is_whole(branch) or _repeated(branch):
            groups += _divide((*level, name), branch)
        elif taken.isdisjoint(_keys(branch)):
            loose += branch
            taken |= _keys(branch)
        else:
            groups.append(((*level, name), branch))
    yield from _joined(level, loose, groups)


def _joined(level: Path, loose: list[Member], groups: list[Group]) -> Iterator[Group]:
    """Add loose layers to the one network that they complete, or make them one of their own.

    So a network's convolutions and dense layers may be in two places (`features`, `fc`).
    """
    taken = _keys(loose)
    fitting = [members for _, members in groups if taken.isdisjoint(_keys(members))]
    if len(fitting) == 1 and not _is_whole(loose):
        fitting[0].extend(loose)
        loose = []
    yield from groups
    if loose:
        yield level, loose


def _names_apart(groups: list[Group]) -> list[Group]:
    """Name networks that only their styles tell apart: by what is around all of their layers."""
    if len(groups) == 1:
        return groups
    named = [
        (level or _common([member.place.network for member in members]), members)
        for level, members in groups
    ]
    count = Counter(name for name, _ in named)
    return [
        ((*name, members[0].place.style.name) if count[name] > 1 else name, members)
        for name, members in named
    ]


def _common(paths: list[Path]) -> Path:
    """Return the parts that paths begin with."""
    parts = zip(*paths, strict=False)
    return tuple(each[0] for each in itertools.takewhile(lambda each: len({*each}) == 1, parts))


def _keys(members: Iterable[Member]) -> set[tuple[Layer, str]]:
    return {(where.layer, where.leaf) for _, where in members}


def _repeated(members: list[Member]) -> bool:
    return len(_keys(members)) < len(members)


def _is_whole(members: Iterable[Member]) -> bool:
    """Return whether tensors could be VGG-Face's: all convolutions, or as many numbered layers."""
    layers = {member.place.layer for member in members}
    numbered = {layer for layer in layers if not isinstance(layer, str)}
    return layers >= {*CONVOLUTIONS} or len(numbered) >= len(CONVOLUTIONS)


def _parsed(name: Path, arrays: Mapping[Member, np.ndarray], container: str) -> Parsed:
    """Return the layers of a network, and how its style stores them."""
    pairs: dict[Layer, dict[str, np.ndarray]] = {}
    for (_, where), array in arrays.items():
        pairs.setdefault(where.layer, {})[where.leaf] = array
    flax = any("kernel" in pair for pair in pairs.values())
    axes: Axes = "HWIO" if flax else "OIHW"
    kernel = "kernel" if flax else "weight"
    complete = {
        layer: (pair[kernel], pair["bias"])
        for layer, pair in pairs.items()
        if {kernel, "bias"} <= set(pair)
    }
    style, (layers, problem) = _style(arrays), _named(complete)
    described = f"{container}, {style.name}"
    shown = ("/" if flax else ".").join(name) or TOP
    notes = (style.note,)
    return Parsed(described, layers, axes, style.colour, notes=notes, name=shown, problem=problem)


def _style(members: Iterable[Member]) -> Style:
    styles = [member.place.style for member in members]
    return UNDERSCORED if UNDERSCORED in styles else styles[0]


def _named(pairs: dict[Layer, Pair]) -> tuple[dict[str, Pair], str]:
    """Return layers by name; numbered ones are named by their order."""
    numbered = {layer: pair for layer, pair in pairs.items() if isinstance(layer, tuple)}
    if numbered:
        return by_position([numbered[layer] for layer in sorted(numbered)])
    return {layer: pair for layer, pair in pairs.items() if layer in NAMES}, ""
