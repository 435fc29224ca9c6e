"""report.html: one file with its styles, scripts and data, which opens from the disk."""

import base64
import datetime
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TypeVar

import jinja2
import markupsafe

from ..network.baselines import Baselines
from . import curves
from .columns import Column, display, groupings, make_columns, sweep_axes
from .result import Result
from .study import Study

SCRIPTS = (
    "values",
    "elements",
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
"""Scripts of the page in order; each uses only those before it."""
STYLES = ("page", "viewer")
TEMPLATES = Path(__file__).parent / "template"
Item = TypeVar("Item")


def render(study: Study, thumbnails: set[str], baselines: Baselines | None = None) -> str:
    """Return the page of a study as HTML.

    Args:
        study: as from `load_study`.
        thumbnails: images that have a thumbnail; the page leaves the others out.
        baselines: of the network, if known.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    script = _joined(f"{name}.js" for name in SCRIPTS)
    columns = make_columns(study.results)
    return environment.get_template("page.html").render(
        study=study,
        failures=sum(not result.ok for result in study.results),
        references=len({result.reference for result in study.results}),
        constants=[
            (column.name, display(column.name, column.values[0]))
            for column in columns
            if not column.varies and column.role in ("setting", "run") and column.name != "status"
        ],
        metrics={column.name for column in columns if column.role == "metric"},
        baselines=baselines,
        today=datetime.date.today().isoformat(),
        style=markupsafe.Markup(_joined(f"{name}.css" for name in STYLES)),
        script=markupsafe.Markup(script),
        script_hash=_script_hash(script),
        data=_json(page_data(study, columns, thumbnails, baselines)),
        provenance=json.dumps(study.provenance, indent=2),
    )


def _joined(files: Iterable[str]) -> str:
    return "\n".join((TEMPLATES / file).read_text("utf-8") for file in files)


def _script_hash(script: str) -> str:
    """Return the content security policy's source for the page's script.

    It is the only script that may run, so no text in a result ever can.
    """
    content = f"\n{script}\n"  # as the template puts it between its tags
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _json(value: object) -> markupsafe.Markup:
    """Encode for a script element, which the first `</script` ends wherever it occurs."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for character in "<\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return markupsafe.Markup(text)


def page_data(
    study: Study, columns: Sequence[Column], thumbnails: set[str], baselines: Baselines | None
) -> Mapping[str, object]:
    """Return what the scripts show: columns, images and curves, each with one entry for each run.

    Values that many runs share are stored once, as `distinct`, and each run has an index into them.
    """
    runs = study.results
    guides = (tuple(name for name in result.shown if name in thumbnails) for result in runs)
    frames = _shared(_frame_steps(study.folder, result.frames) for result in runs)
    return {
        "columns": [
            _column(column)
            for column in columns
            if column.varies or column.role == "metric" or column.name == "status"
        ],
        "axes": [column.name for column in sweep_axes(columns)],
        "groupings": groupings(columns, [result.reference for result in runs]),
        "ids": [result.id for result in runs],
        "images": [_available(result.image, thumbnails) for result in runs],
        "before": [_available(result.before, thumbnails) for result in runs],
        "guides": _shared(guides),
        "frames": {**frames, "folders": [result.frames for result in runs]},
        "references": _references(runs),
        "curves": [_curves(study.folder, result.trace) for result in runs],
        "baselines": baselines and baselines._asdict(),
    }


def _shared(values: Iterable[Item]) -> dict[str, list]:
    values = list(values)
    index = {value: number for number, value in enumerate(dict.fromkeys(values))}
    return {"indices": [index[value] for value in values], "distinct": list(index)}


def _references(runs: Sequence[Result]) -> Mapping[str, object]:
    """Name each reference: by the name of its runs if they agree, else by its file."""
    shared = _shared(result.reference for result in runs)
    names: list[set[str]] = [set() for _ in shared["distinct"]]
    for result, index in zip(runs, shared["indices"], strict=True):
        names[index].add(result.name)
    labels = [
        each.pop() if len(each) == 1 else PurePath(file).stem
        for each, file in zip(names, shared["distinct"], strict=True)
    ]
    return {**shared, "distinct": labels}


def _column(column: Column) -> Mapping[str, object]:
    entry: dict[str, object] = {"name": column.name, "kind": column.kind}
    if column.kind == "number":
        values = [None if value is None else float(f"{value:.5g}") for value in column.values]
        return entry | {"values": values}
    labels = [display(column.name, value) for value in column.distinct]
    return entry | {"distinct": column.distinct, "labels": labels, "indices": column.indices}


def _available(name: str | None, thumbnails: set[str]) -> str | None:
    return name if name in thumbnails else None


def _frame_steps(folder: Path, frames: str | None) -> tuple[int, ...]:
    """Return the steps of which a run has an intermediate image."""
    if not frames:
        return ()
    stems = (path.stem for path in (folder / frames).glob("*.png"))
    return tuple(sorted(int(stem) for stem in stems if stem.isdecimal()))


def _curves(folder: Path, trace: str | None) -> Mapping[str, object] | None:
    loaded = curves.load_curves(folder / trace, curves.POINTS) if trace else None
    return loaded and {"last": int(loaded.steps[-1]), "terms": curves.pack(loaded)}
