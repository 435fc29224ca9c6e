"""What a sweep will run: every pair with every setting, in groups that share a compiled program."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..descent.solver import Solver
from ..edit import attribute, checks
from ..edit.material import learning_rate, places, program
from ..edit.settings import Edit
from ..faces import align
from ..files import digest
from ..gallery.features import Looking
from ..network.checkpoint import Network
from ..network.direction import load_direction, shipped_directions
from .fields import changed
from .grid import Point, points
from .lock import Part
from .pairs import Pair, load_pairs
from .settings import Sweep, SweepError

UNRESOLVED = (
    "reference",
    "out",
    "strip",
    "params",
    "guides",
    "mask",
    "identity_mask",
    "region",
    "identity_region",
    "gallery",
    "directions",
)
"""Fields that `identify` replaces by what they stand for."""


class Run(NamedTuple):
    """One edit of a sweep."""

    id: str
    pair: int
    """Place in `Plan.pairs`."""
    point: int
    """Place in `Plan.points`."""


class Group(NamedTuple):
    """Runs that may be solved together."""

    solver: Solver
    size: int
    """Side of the working picture."""
    runs: list[Run]

    @property
    def program(self) -> tuple[Solver, int]:
        """Equal for groups that share a compiled program: numbers of steps do not make a new one."""
        return self.solver, self.size


PoolKey = tuple[Path | None, tuple[str, ...], str]


@dataclass(frozen=True)
class Plan:
    """All runs of a sweep, each once."""

    base: Edit
    pairs: list[Pair]
    points: list[Point]
    groups: list[Group]
    pools: Mapping[PoolKey, attribute.Pool]
    duplicates: int
    """Runs left out, for another gives the same picture."""

    @property
    def total(self) -> int:
        """Number of runs."""
        return sum(len(group.runs) for group in self.groups)

    @property
    def programs(self) -> int:
        """Number of programs to compile."""
        return len({group.program for group in self.groups})

    @property
    def summary(self) -> str:
        """How many runs and compilations, for people."""
        alike = f", {self.duplicates} of them like others and left out" if self.duplicates else ""
        compilations = "1 compilation" if self.programs == 1 else f"{self.programs} compilations"
        return f"{self.total} runs: {len(self.pairs)} pairs x {len(self.points)} settings{alike}; {compilations}"

    def edit(self, run: Run) -> Edit:
        """The configuration of a run; the grid's values go before those of the pair."""
        return changed(self.base, self.pairs[run.pair].values | self.points[run.point])

    def pool(self, edit: Edit) -> attribute.Pool | None:
        """The opened gallery of an edit."""
        return self.pools.get(_pool_key(edit))


def make_plan(config: Sweep, network: Network, looking: Looking = lambda done, total: None) -> Plan:
    """Combine pairs and grid, check every value, and open the galleries.

    Raises:
        SweepError, CheckpointError, GalleryError: before anything was run, with the line of the table that is wrong.
    """
    pairs, grid = load_pairs(config.pairs), points(config.grid, config.zip)
    plan = Plan(config.base, pairs, grid, [], {}, 0)
    pools: dict[PoolKey, attribute.Pool] = {}
    groups: dict[tuple[Solver, int, int], Group] = {}
    seen, content = set[str](), functools.cache(_content)
    checked = set[tuple[str | None, Path | None, PoolKey]]()
    for place, pair in enumerate(pairs):
        for number in range(len(grid)):
            edit = plan.edit(Run("", place, number))
            try:
                checks.check_options(edit)
                asked = (edit.attribute, edit.directions, _pool_key(edit))
                if asked not in checked:
                    _check_attribute(edit, network, pools, looking)
                checked.add(asked)
                solver = program(edit, network)
            except ValueError as error:
                raise SweepError(f"{config.pairs}, line {pair.line}: {error}") from None
            run = Run(identify(edit, network, content, pools.get(_pool_key(edit))), place, number)
            key = (solver, edit.size or network.size, edit.steps)
            if run.id not in seen:
                groups.setdefault(key, Group(solver, key[1], [])).runs.append(run)
            seen.add(run.id)
    total = sum(len(group.runs) for group in groups.values())
    return Plan(
        config.base, pairs, grid, list(groups.values()), pools, len(pairs) * len(grid) - total
    )


def _check_attribute(
    edit: Edit, network: Network, pools: dict[PoolKey, attribute.Pool], looking: Looking
) -> None:
    """Look an attribute's name up where it will be taken from; opens the gallery that it needs."""
    key = _pool_key(edit)
    if not edit.gallery:
        for name, _ in checks.amounts(edit.attribute) if edit.attribute else []:
            load_direction(network, name, edit.directions)
    elif key in pools:
        attribute.check_names(edit, pools[key].gallery)
    else:
        opened = attribute.open_pool(edit, network, looking)
        assert opened
        pools[key] = opened


def _pool_key(edit: Edit) -> PoolKey:
    return edit.gallery, edit.similar_by, edit.align


def _content(path: Path) -> str:
    """What a file holds; its name where it cannot be read, which its run will tell."""
    try:
        return digest(path)
    except OSError:
        return f"unreadable {path}"


def identify(
    edit: Edit, network: Network, content: Callable[[Path], str], pool: attribute.Pool | None = None
) -> str:
    """A hash of all that determines the picture: contents of the inputs, network, resolved settings; not their names, nor where it is written."""
    tuned = edit.attribute and not edit.gallery
    inside, held = (content(place) if isinstance(place, Path) else place for place in places(edit))
    settings = {name: value for name, value in vars(edit).items() if name not in UNRESOLVED} | {
        "weights": vars(edit.weights),
        "learning_rate": learning_rate(edit),
        "size": edit.size or network.size,
        "seed": edit.seed if edit.noise else 0,
        "unaligned": align.unaligned(edit.align, by_hand=bool(edit.landmarks)),
    }
    inputs = {
        "network": network.sha256,
        "reference": content(edit.reference),
        "guides": [content(path) for path in edit.guides],
        "places": [inside, held],
        "gallery": _digest_of(pool) if pool else None,
        "directions": content(edit.directions or shipped_directions(network)) if tuned else None,
    }
    text = json.dumps([settings, inputs], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.lru_cache(8)
def _gallery_digest(labels: Path, hashes: tuple[str, ...]) -> str:
    return hashlib.sha256("".join((digest(labels), *hashes)).encode()).hexdigest()


def _digest_of(pool: attribute.Pool) -> str:
    return _gallery_digest(pool.gallery.folder / "labels.csv", pool.described.hashes)


def share(plan: Plan, part: Part) -> Plan:
    """What one part does: of every group a stretch, so that all take equally long and the settings of a face stay together."""
    return _only(
        plan,
        lambda runs: runs[
            part.number * len(runs) // part.parts : (part.number + 1) * len(runs) // part.parts
        ],
    )


def missing(plan: Plan, known: Mapping[str, bool], *, again: bool = False) -> Plan:
    """What has no result yet, or with `again` no good one; `known` tells which runs have a result, and whether it is good."""
    return _only(
        plan,
        lambda runs: [run for run in runs if run.id not in known or (again and not known[run.id])],
    )


def _only(plan: Plan, choose: Callable[[list[Run]], list[Run]]) -> Plan:
    groups = [group._replace(runs=choose(group.runs)) for group in plan.groups]
    return dataclasses.replace(plan, groups=[group for group in groups if group.runs])
