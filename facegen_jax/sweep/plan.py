"""The plan of a sweep: every pair with every setting, in groups that share a compiled program."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..descent.solver import Solver
from ..edit.material import program
from ..edit.pool import Pool, check_names, open_pool
from ..edit.request import Own, Request, resolve
from ..edit.settings import Edit
from ..network.direction import load_direction
from ..network.protocol import Network
from ..types import Progress
from .fields import changed
from .grid import Point, points
from .lock import Part
from .pairs import Pair, load_pairs
from .run_id import file_hash, identify
from .settings import Sweep, SweepError


class Run(NamedTuple):
    """One edit of a sweep."""

    id: str
    pair: int
    """Index in `Plan.pairs`."""
    point: int
    """Index in `Plan.points`."""


class Group(NamedTuple):
    """Runs that may be solved together."""

    solver: Solver
    size: int
    """Side of the working image."""
    runs: list[Run]

    @property
    def program(self) -> tuple[Solver, int]:
        """Equal for groups that share a compiled program, whatever their numbers of steps."""
        return self.solver, self.size


PoolKey = tuple[Path | None, tuple[str, ...], str]


@dataclass(frozen=True)
class Plan:
    """All runs of a sweep, each once."""

    base: Edit
    own: Own
    pairs: list[Pair]
    points: list[Point]
    groups: list[Group]
    pools: Mapping[PoolKey, Pool]
    duplicates: int
    """Runs left out because another gives the same image."""

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
        """Numbers of runs and compilations, in words."""
        same = f", {self.duplicates} duplicates left out" if self.duplicates else ""
        compilations = "1 compilation" if self.programs == 1 else f"{self.programs} compilations"
        settings = f"{len(self.pairs)} pairs x {len(self.points)} settings"
        return f"{self.total} runs: {settings}{same}; {compilations}"

    def edit(self, run: Run) -> Edit:
        """Return the options of a run; the grid's values override those of the pair."""
        values = self.pairs[run.pair].values | self.points[run.point]
        return changed(self.base, values, own=self.own.objective is not None)

    def request(self, run: Run) -> Request:
        """Return the resolved options of a run."""
        return resolve(self.edit(run), self.own)

    def pool(self, options: Edit) -> Pool | None:
        """Return the opened gallery of an edit."""
        return self.pools.get(_pool_key(options))


def make_plan(
    config: Sweep,
    network: Network,
    progress: Progress | None = None,
    own: Own = Own(),  # noqa: B008  (a constant)
) -> Plan:
    """Combine pairs and grid, check every value, and open the galleries.

    Raises:
        SweepError, CheckpointError, GalleryError: a value is wrong, in the line of the table that
            the message names; nothing was run.
    """
    has_own = bool(own.objective or config.objective)
    has_own |= any(each.startswith("objective=") for each in (*config.grid, *config.zip))
    pairs = load_pairs(config.pairs, own=has_own)
    has_own |= any("objective" in pair.values for pair in pairs)
    grid = points(config.grid, config.zip, own=has_own)
    pools: dict[PoolKey, Pool] = {}
    plan = Plan(config.base, own, pairs, grid, [], pools, 0)
    groups: dict[tuple[Solver, int, int], Group] = {}
    seen, content = set[str](), functools.cache(file_hash)
    checked = set[tuple[str | None, Path | None, PoolKey]]()
    for index, pair in enumerate(pairs):
        for point in range(len(grid)):
            try:
                request = plan.request(Run("", index, point))
                options = request.options
                names = (options.attribute, options.directions, _pool_key(options))
                if names not in checked:
                    _check_attribute(request, network, pools, progress)
                checked.add(names)
                solver = program(request, network)
            except ValueError as error:
                raise SweepError(f"{config.pairs}, line {pair.line}: {error}") from None
            run = Run(identify(request, network, content, plan.pool(options)), index, point)
            key = (solver, request.size(network), options.steps)
            if run.id not in seen:
                groups.setdefault(key, Group(solver, key[1], [])).runs.append(run)
            seen.add(run.id)
    planned = dataclasses.replace(plan, groups=list(groups.values()))
    return dataclasses.replace(planned, duplicates=len(pairs) * len(grid) - planned.total)


def _check_attribute(
    request: Request, network: Network, pools: dict[PoolKey, Pool], progress: Progress | None
) -> None:
    """Look an attribute's name up where it will be taken from; open the gallery that it needs."""
    key = _pool_key(request.options)
    if request.source:
        return
    if not request.options.gallery:
        for name, _ in request.attributes:
            load_direction(network, name, request.options.directions)
    elif key in pools:
        check_names(request.attributes, pools[key].gallery)
    else:
        opened = open_pool(request, network, progress)
        assert opened
        pools[key] = opened


def _pool_key(options: Edit) -> PoolKey:
    return options.gallery, options.similar_by, options.align


def share(plan: Plan, part: Part) -> Plan:
    """Return the runs of one part.

    Every group is cut into equal stretches, so that all parts take equally long and the settings of
    a face stay together.
    """

    def stretch(runs: list[Run]) -> list[Run]:
        first, last = ((part.number + end) * len(runs) // part.parts for end in (0, 1))
        return runs[first:last]

    return _only(plan, stretch)


def missing(plan: Plan, outcomes: Mapping[str, bool], *, again: bool = False) -> Plan:
    """Return the runs without a result, or with `again` without a good one.

    Args:
        plan: all runs.
        outcomes: whether the result of a run is good, by its id.
        again: run failed runs again.
    """

    def is_missing(run: Run) -> bool:
        return run.id not in outcomes or (again and not outcomes[run.id])

    return _only(plan, lambda runs: [run for run in runs if is_missing(run)])


def _only(plan: Plan, choose: Callable[[list[Run]], list[Run]]) -> Plan:
    groups = [group._replace(runs=choose(group.runs)) for group in plan.groups]
    return dataclasses.replace(plan, groups=[group for group in groups if group.runs])
