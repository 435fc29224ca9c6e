"""The page: one HTML file with its styles, scripts and numbers in it, that opens from the disk."""

import base64
import datetime
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import TypeVar

import jinja2
import markupsafe

from ..network.baselines import Baselines
from . import columns, curves
from .columns import Column
from .study import Study

SCRIPTS = (
    "values",
    "filters",
    "summary",
    "axes",
    "scatter",
    "curves",
    "faces",
    "runs",
    "viewer",
    "main",
)
"""In the order in which they stand on the page; a script uses what stands before it."""
TEMPLATES = Path(__file__).parent / "template"
Shared = TypeVar("Shared")


def render(study: Study, thumbs: set[str], baselines: Baselines | None = None) -> str:
    """The page of a study.

    Args:
        study: what is shown.
        thumbs: pictures that have a small copy; the others are left out.
        baselines: of the network, where they are known.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    script = "\n".join((TEMPLATES / f"{name}.js").read_text("utf-8") for name in SCRIPTS)
    found = columns.columns(study.rows)
    failures = sum(row["status"] != "ok" for row in study.rows)
    return environment.get_template("page.html").render(
        study=study,
        failures=failures,
        people=len(set(columns.references(study.rows))),
        same=[
            (each.name, columns.short(each.name, each.values[0]))
            for each in found
            if not each.varies and each.role in ("setting", "run") and each.name != "status"
        ],
        metrics={each.name for each in found if each.role == "metric"},
        baselines=baselines,
        today=datetime.date.today().isoformat(),
        style=markupsafe.Markup((TEMPLATES / "page.css").read_text("utf-8")),
        script=markupsafe.Markup(script),
        allowed=_source(script),
        data=_json(data(study, found, thumbs, baselines)),
        made=json.dumps(study.made, indent=2),
    )


def _source(script: str) -> str:
    """The one script that the page may run, as its content security policy names it: nothing that stands in results can."""
    digest = hashlib.sha256(
        b"\n" + script.encode() + b"\n"
    ).digest()  # as it stands between its tags
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _json(value: object) -> markupsafe.Markup:
    """For a script element, which ends at the first `</script`, wherever that stands."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return markupsafe.Markup(
        text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    )


def data(
    study: Study, found: list[Column], thumbs: set[str], baselines: Baselines | None
) -> Mapping[str, object]:
    """What the scripts show: columns of values, pictures, curves; lists and text that many runs share stand once, with their places."""
    rows = study.rows
    places, files = _shared(columns.references(rows))
    names: list[set[str]] = [set() for _ in files]
    for row, place in zip(rows, places, strict=True):
        names[place].add(row["name"])
    guides, guide_sets = _shared(
        tuple(name for name in row["shown"] if name in thumbs) for row in rows
    )
    frames, frame_sets = _shared(_steps(study.folder, row["frames"]) for row in rows)
    return {
        "columns": [
            _column(each)
            for each in found
            if each.varies or each.role == "metric" or each.name == "status"
        ],
        "axes": [each.name for each in columns.axes(found)],
        "ways": columns.ways(found, [files[place] for place in places]),
        "ids": [row["id"] for row in rows],
        "images": [_shown(row["image"], thumbs) for row in rows],
        "before": [_shown(row["before"], thumbs) for row in rows],
        "guides": {"places": guides, "distinct": guide_sets},
        "frames": {
            "places": frames,
            "distinct": frame_sets,
            "folders": [row["frames"] for row in rows],
        },
        "references": {
            "places": places,
            "distinct": [
                one.pop() if len(one) == 1 else PurePath(file).stem
                for one, file in zip(names, files, strict=True)
            ],
        },
        "curves": [_curves(study.folder, row["trace"]) for row in rows],
        "baselines": baselines and baselines._asdict(),
    }


def _shared(values: Iterable[Shared]) -> tuple[list[int], list[Shared]]:
    """The place of each value among the different ones."""
    values = list(values)
    known = {value: place for place, value in enumerate(dict.fromkeys(values))}
    return [known[value] for value in values], list(known)


def _column(column: Column) -> Mapping[str, object]:
    described = {"name": column.name, "kind": column.kind}
    if column.kind == "number":
        return described | {
            "values": [None if value is None else float(f"{value:.5g}") for value in column.values]
        }
    short = [columns.short(column.name, value) for value in column.distinct]
    return described | {"distinct": column.distinct, "short": short, "places": column.places}


def _shown(name: str | None, thumbs: set[str]) -> str | None:
    return name if name in thumbs else None


def _steps(folder: Path, frames: str | None) -> tuple[int, ...]:
    return (
        tuple(
            sorted(
                int(each.stem) for each in (folder / frames).glob("*.png") if each.stem.isdecimal()
            )
        )
        if frames
        else ()
    )


def _curves(folder: Path, trace: str | None) -> Mapping[str, object] | None:
    found = curves.load_curves(folder / trace, curves.POINTS) if trace else None
    return found and {"last": int(found.steps[-1]), "terms": curves.packed(found)}
