"""Results as columns: what each means, whether it varies, how it is best filtered."""

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePath
from typing import Literal, NamedTuple

Value = str | float | None
Role = Literal["run", "setting", "metric", "loss", "time"]
FEW = 24
"""Different values up to which a column is filtered by choosing among them."""
ASKED = ("attribute", "guides")
"""Settings that tell by themselves what they are."""
FILES = ("reference", "guides", "mask", "identity_mask", "gallery", "directions")
"""Settings that are paths: shown by the names of their files."""


class Column(NamedTuple):
    """One value of every run."""

    name: str
    role: Role
    values: list[Value]

    @property
    def distinct(self) -> list[Value]:
        """The different values in their order: nothing, then numbers, then text."""
        return sorted(
            set(self.values),
            key=lambda value: (
                value is not None,
                isinstance(value, str),
                value if isinstance(value, float) else 0,
                str(value),
            ),
        )

    @property
    def places(self) -> list[int]:
        """Of each run, where its value stands among the different ones."""
        known = {value: place for place, value in enumerate(self.distinct)}
        return [known[value] for value in self.values]

    @property
    def kind(self) -> Literal["number", "choice", "text"]:
        """How it is filtered."""
        if self.role != "setting" and all(isinstance(value, float | None) for value in self.values):
            return "number"
        return (
            "choice"
            if len(self.distinct) <= FEW and self.name not in ("error", "notes")
            else "text"
        )

    @property
    def varies(self) -> bool:
        """Whether runs differ in it."""
        return len(set(self.values)) > 1


def columns(rows: list[dict]) -> list[Column]:
    """All columns that have any value, in the order run, settings, metrics, losses, times."""
    settings = [
        row["pair"] | row["grid"] for row in rows
    ]  # the grid's value went before the pair's
    found = [Column(name, "run", [plain(row[name]) for row in rows]) for name in ("name", "status")]
    found += _each("setting", settings, lambda name: name != "name")
    found += _each("metric", [_flat(row["metrics"]) for row in rows])
    found += _each(
        "loss",
        [
            {f"loss.{name}": value for name, value in row["loss"].items()} | _flat(row["parts"])
            for row in rows
        ],
    )
    found += _each(
        "time",
        [{f"seconds.{name}": value for name, value in row["seconds"].items()} for row in rows],
    )
    found.append(Column("error", "run", [plain(row["error"]) for row in rows]))
    found.append(Column("notes", "run", [plain("; ".join(map(str, row["notes"]))) for row in rows]))
    return [column for column in found if any(value is not None for value in column.values)]


def _each(
    role: Role, rows: list[dict], wanted: Callable[[str], bool] = lambda name: True
) -> list[Column]:
    names = dict.fromkeys(name for row in rows for name in row if wanted(name))
    return [Column(name, role, [plain(row.get(name)) for row in rows]) for name in names]


def _flat(values: dict) -> dict[str, object]:
    flat = {name: value for name, value in values.items() if not isinstance(value, dict)}
    return flat | {
        f"{name}.{inner}": each
        for name, value in values.items()
        if isinstance(value, dict)
        for inner, each in value.items()
    }


def plain(value: object) -> Value:
    """Numbers as floats, also where a table wrote them as text; nothing for what is empty or not finite."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return str(value).lower()
    try:
        number = (
            float(value)
            if isinstance(value, int | float)
            or (isinstance(value, str) and value.lstrip(" +-.")[:1].isdigit())
            else None
        )
    except ValueError:
        number = None
    except OverflowError:
        return None
    if number is None:
        return str(value)
    return number if math.isfinite(number) else None


def short(name: str, value: Value) -> str:
    """A setting's value for headings; of paths the names of their files."""
    if name in FILES and isinstance(value, str):
        return ", ".join(PurePath(part).stem for part in value.split(";"))
    if value is None or isinstance(value, str):
        return value or "–"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:.5g}"


def references(rows: Iterable[dict]) -> list[str]:
    """The file of each run's reference."""
    return [str(row["grid"].get("reference", row["pair"].get("reference", ""))) for row in rows]


def axes(found: list[Column]) -> list[Column]:
    """The settings that vary, but for whose face it is."""
    return [
        column
        for column in found
        if column.role == "setting" and column.varies and column.name != "reference"
    ]


def ways(found: list[Column], faces: Sequence[str]) -> dict[str, list[str]]:
    """What may stand side by side, the most telling first: settings by the name of their choice, each choice of few combinations.

    Args:
        found: as from `columns`.
        faces: the file of each run's reference. What is the same for all runs of each reference, as its guides may be, comes last.
    """
    known = axes(found)
    free = [
        column
        for column in known
        if len(set(zip(faces, column.values, strict=True))) > len(set(faces))
    ]
    grid = [column for column in free if column.name not in ASKED]
    choices = [("settings", grid if len(grid) > 1 else [])]
    choices += [
        (column.name.replace("_", " "), [column])
        for column in (*grid, *(each for each in free if each.name in ASKED))
    ]
    choices += [("everything", free if len(free) > max(1, len(grid)) else []), ("nothing", [])]
    choices += [(column.name.replace("_", " "), [column]) for column in known if column not in free]
    return {
        name: [column.name for column in chosen]
        for name, chosen in choices
        if name == "nothing" or (chosen and len(set(places(chosen, len(faces)))) <= FEW)
    }


def places(chosen: Sequence[Column], runs: int) -> list[tuple[int, ...]]:
    """Of each of so many runs, the places of its values: equal for equal settings, and in their order."""
    each = [column.places for column in chosen]
    return [tuple(column[run] for column in each) for run in range(runs)]


def heading(chosen: Sequence[Column], run: int) -> str:
    """A run's values of some settings, for people."""
    parts = [
        (column.name, column.values[run]) for column in chosen if column.values[run] is not None
    ]
    shown = [
        short(name, value) if name in ASKED else f"{name.replace('_', ' ')} {short(name, value)}"
        for name, value in parts
    ]
    return ", ".join(shown) or ("none" if chosen else "all")
