"""The result of one run: its fields, and its values as named columns."""

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

Role = Literal["run", "setting", "metric", "loss", "time"]


class Result(NamedTuple):
    """The result of one run.

    Its line in a result file has the same fields in the same order. Numbers that are not finite are
    stored as null, so they are None when read back.
    """

    id: str
    name: str
    """Name of the pair."""
    status: str
    """`ok` or `failed`."""
    error: str | None
    pair: dict[str, str]
    """The run's row of pairs.csv, as written."""
    grid: dict[str, object]
    """The run's values of the grid; they override the pair's."""
    loss: dict[str, float]
    """`first` and `last` total."""
    parts: dict[str, dict[str, float]]
    """`first` and `last` loss of each term, unweighted."""
    metrics: dict[str, object]
    seconds: dict[str, float]
    """`prepare` and `finish` of this run; `run` is its share of the time of its batch."""
    guides: list[dict[str, object]]
    """Gallery faces used as guides: `path` and similarity."""
    notes: list[str]
    image: str | None
    """The result image. This path and the ones below are relative to the sweep's folder."""
    trace: str | None
    """Losses of every step."""
    before: str | None = None
    """The reference as it was edited, with the same geometry as `image`."""
    shown: tuple[str, ...] = ()
    """The guides as the network saw them."""
    frames: str | None = None
    """Folder of the intermediate images."""

    @property
    def ok(self) -> bool:
        """Whether the run succeeded."""
        return self.status == "ok"

    @property
    def settings(self) -> dict[str, object]:
        """Values of pair and grid."""
        return self.pair | self.grid

    @property
    def reference(self) -> str:
        """The reference's file as the pair or the grid names it."""
        return str(self.settings.get("reference", ""))


class NamedValue(NamedTuple):
    """One value of a result, under the name of its column."""

    name: str
    role: Role
    value: object


def flatten(result: Result) -> Iterator[NamedValue]:
    """Yield the values of a result in the column order of results.csv.

    Columns are named here and nowhere else. Nested values are named by their path, such as
    `attribute_gains.Smiling`, and `identity.first` and `identity.last` for every term of the
    objective, whatever its name.
    """
    for name in ("id", "name", "status", "error"):
        yield NamedValue(name, "run", getattr(result, name))
    for name, value in result.settings.items():
        if name != "name":  # the run's own name, yielded above
            yield NamedValue(name, "setting", value)
    yield from _flatten("loss", result.loss, "loss.")
    yield from _flatten("loss", result.parts)
    yield from _flatten("metric", result.metrics)
    yield from _flatten("time", result.seconds, "seconds.")
    guides = (each.get("path", "") for each in result.guides)
    yield NamedValue("guides_found", "run", ";".join(map(str, guides)))
    yield NamedValue("notes", "run", "; ".join(map(str, result.notes)))
    for name in ("image", "trace", "before"):
        yield NamedValue(name, "run", getattr(result, name))


def _flatten(role: Role, values: Mapping[str, object], prefix: str = "") -> Iterator[NamedValue]:
    for name, value in values.items():
        if isinstance(value, dict):
            for inner, each in value.items():
                yield NamedValue(f"{prefix}{name}.{inner}", role, each)
        else:
            yield NamedValue(prefix + name, role, value)
