"""The report: what it reads and shows, and that hostile content cannot harm it."""

import base64
import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from conftest import HOSTILE
from hypothesis import given, settings
from hypothesis import strategies as st

from facegen_jax.faces import image
from facegen_jax.report import __main__ as command
from facegen_jax.report import columns, curves, results, thumbnails
from facegen_jax.report.columns import Column
from facegen_jax.report.report import write_report
from facegen_jax.report.result import Result, flatten
from facegen_jax.report.results import ResultsError
from facegen_jax.report.table import write_table

HOSTILE_STEM = "<img src=x onerror=alert(1)>"


@pytest.fixture
def out(swept, tmp_path) -> Path:
    """A copy of a finished sweep's folder."""
    return Path(shutil.copytree(swept, tmp_path / "out"))


class Page(HTMLParser):
    """What a browser would load, run and show."""

    def __init__(self, text: str):
        super().__init__()
        self.urls: list[str] = []
        self.scripts: list[tuple[str | None, str]] = []
        self.tags: list[str] = []
        self.policy = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append(tag)
        self.urls += [
            value or ""
            for name, value in attrs
            if name in ("src", "href", "srcset", "action", "poster")
        ]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"] or ""
        if tag == "script":
            self.scripts.append((attributes.get("type"), ""))

    def handle_data(self, data):
        if self.tags and self.tags[-1] == "script" and data.strip():
            kind, before = self.scripts[-1]
            self.scripts[-1] = kind, before + data

    @property
    def data(self) -> dict:
        return json.loads(dict(self.scripts)["application/json"])


def page_of(folder: Path, **options) -> Page:
    return Page(write_report(folder, **options)[0].read_text())


def change(folder: Path, **fields) -> Result:
    """Move a successful result to the front and change its fields; return the original."""
    file = folder / "results.jsonl"
    first, *rest = sorted(results.lines(file), key=lambda result: not result.ok)
    changed = [first._asdict() | fields, *(result._asdict() for result in rest)]
    file.write_text("".join(json.dumps(row) + "\n" for row in changed))
    return first


def latest(folder: Path) -> dict[str, Result]:
    locations = results.locate_latest(folder)
    return {result.id: result for result in results.read(locations)}


def values(data: dict, name: str) -> list:
    (column,) = (column for column in data["columns"] if column["name"] == name)
    if column["kind"] == "number":
        return column["values"]
    return [column["distinct"][index] for index in column["indices"]]


def shared(entry: dict, run: int):
    return entry["distinct"][entry["indices"][run]]


def test_a_sweep_ends_with_a_page_that_shows_every_result(swept):
    data = Page((swept / "report.html").read_text()).data
    expected = latest(swept)
    assert sorted(data["ids"]) == sorted(expected)
    for run, id in enumerate(data["ids"]):
        result = expected[id]
        assert values(data, "status")[run] == result.status
        assert values(data, "weights.attribute")[run] == result.grid["weights.attribute"]
        cosine = result.metrics.get("identity_similarity")
        assert values(data, "identity_similarity")[run] == (
            cosine if cosine is None else pytest.approx(cosine, rel=1e-4)
        )
        assert data["images"][run] == result.image
        assert data["before"][run] == result.before
        assert shared(data["guides"], run) == list(result.shown)
        assert shared(data["frames"], run) == ([0, 7, 14, 20] if result.image else [])
        assert set(data["curves"][run]["terms"] if data["curves"][run] else []) == {
            *result.parts,
            *(["total"] if result.image else []),
        }
    assert {
        thumbnails.thumbnail_path(name)
        for result in expected.values()
        for name in (result.image, result.before, *result.shown)
        if name
    } == {path.relative_to(swept).as_posix() for path in (swept / "thumbs").rglob("*.webp")}
    assert sum(status == "failed" for status in values(data, "status")) == 3


def test_the_page_loads_nothing_from_outside_its_folder(out):
    page = page_of(out)
    assert all(re.fullmatch(r"#[\w-]+|results\.csv|data:,", url) for url in page.urls)
    assert page.tags.count("link") == 1  # its icon
    code = next(code for kind, code in page.scripts if kind is None)
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in page.policy
    assert "default-src 'none'" in page.policy
    assert "http" not in re.sub(
        r"http://www\.w3\.org/2000/svg|http-equiv", "", (out / "report.html").read_text()
    )


def test_names_that_look_like_markup_stay_text(out):
    change(out, notes=[HOSTILE], error=HOSTILE)
    provenance = json.loads((out / "sweep.json").read_text())
    hostile = {"network": {"name": HOSTILE, "sha256": HOSTILE}, "commit": HOSTILE}
    (out / "sweep.json").write_text(json.dumps(provenance | hostile))
    folder = out.rename(out.with_name("<b>bold & $x_1$"))
    page = page_of(folder, figures=True)
    assert [kind for kind, _ in page.scripts] == ["application/json", None]
    assert "img" not in page.tags
    assert "b" in page.tags  # the page's own, in the explanation of the metrics
    assert HOSTILE in values(page.data, "name")
    assert HOSTILE in page.data["references"]["distinct"]
    assert HOSTILE_STEM in page.data["references"]["distinct"]
    assert HOSTILE in values(page.data, "error")


@pytest.mark.parametrize(
    "name",
    [
        "../../secret.png",
        "/etc/passwd",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "images\\a.png",
        "",
        7,
        ["images"],
        "images/none.png",
    ],
)
def test_files_outside_the_folder_are_left_out(out, name):
    image.save(out.parent.parent / "secret.png", np.zeros((8, 8, 3), np.float32))
    id = change(out, image=name, before=name, trace=name, frames=name, shown=[name]).id
    data = page_of(out).data
    run = data["ids"].index(id)
    assert data["images"][run] is data["before"][run] is data["curves"][run] is None
    assert shared(data["guides"], run) == shared(data["frames"], run) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"metrics": []},
        {"pair": None},
        {"id": 7},
        {"name": None},
        {"guides": {}},
        {"guides": [7]},
        {"shown": 7},
        {"shown": None},
        {"grid": "x"},
        {"parts": [1]},
    ],
    ids=str,
)
def test_lines_with_wrong_types_are_not_results(out, fields):
    change(out, **fields)
    with pytest.raises(ResultsError, match="line 1: not a result"):
        write_report(out)


def test_unexpected_values_do_not_break_the_report(out):
    change(
        out,
        name="\ud800",
        error={"a": ["b"]},
        metrics={"a": {"b": {"c": 1}}, "d": [1]},
        seconds={"run": "long"},
        loss={"first": None},
        guides=[{}],
        notes=[7],
    )
    provenance = {"versions": [1], "devices": 7, "network": "x", "commit": {"a": 1}, "config": None}
    (out / "sweep.json").write_text(json.dumps(provenance))
    assert len(page_of(out, figures=True).data["ids"]) == 15


def test_damaged_images_and_traces_are_left_out(out):
    result = change(out)
    for name in (str(result.image), str(result.trace)):
        (out / name).write_bytes((out / name).read_bytes()[:100])
    shutil.rmtree(out / "thumbs")
    data = page_of(out).data
    assert data["images"][0] is data["curves"][0] is None
    assert all(data["images"][1:12])


def test_results_of_other_versions_are_shown(out):
    """Fields that were added later may be missing, and unknown ones are ignored."""
    file = out / "results.jsonl"
    rows = [
        {name: value for name, value in row.items() if name not in Result._field_defaults}
        for row in map(json.loads, file.read_text().splitlines())
    ]
    file.write_text("".join(json.dumps(row | {"later": 1}) + "\n" for row in rows))
    assert all(result.shown == () and result.frames is None for result in results.lines(file))
    data = page_of(out).data
    assert data["before"] == [None] * 15
    assert sum(name is not None for name in data["images"]) == 12


def test_numbers_that_are_not_finite_are_left_out(out):
    change(
        out,
        metrics={"identity_similarity": float("nan"), "attribute_gain": float("inf")},
        loss={"first": 1, "last": 10**400},
    )
    data = page_of(out).data
    assert values(data, "identity_similarity")[0] is values(data, "loss.last")[0] is None


def test_the_files_of_all_shards_are_read(out):
    lines = (out / "results.jsonl").read_text().splitlines(keepends=True)
    (out / "results.jsonl").unlink()
    for part in range(2):
        (out / f"results.{part}-of-2.jsonl").write_text("".join(lines[part::2]))
    assert len(page_of(out).data["ids"]) == 15


def test_a_line_survives_writing_and_reading(out):
    file = out / "results.jsonl"
    assert b"".join(map(results.line, results.lines(file))) == file.read_bytes()


def test_a_file_that_changes_between_two_reads_is_refused(out):
    locations = results.locate_latest(out)
    (out / "results.jsonl").write_text("{}\n")
    with pytest.raises(ResultsError, match=r"results\.jsonl: changed while it was read"):
        list(results.read(locations))


SAMPLE = Result(
    "a1",
    "anna",
    "ok",
    None,
    {"reference": "anna.png", "strength": "1", "name": "anna"},
    {"strength": 2.0, "seed": 3},
    loss={"first": 2.0, "last": 1.0},
    parts={"my_own_term": {"first": 0.5, "last": 0.25}, "status": {"first": 1.0, "last": 2.0}},
    metrics={"attribute_gain": 0.5, "attribute_gains": {"Smiling": 0.5, "Male": None}},
    seconds={"prepare": 0.1, "run": 0.2},
    guides=[{"path": "b.png", "similarity": 0.5}, {"path": "c.png", "similarity": 0.25}],
    notes=["one", "two"],
    image="images/a1.png",
    trace=None,
)


def test_a_result_has_one_set_of_named_values():
    """Terms of a user's own objective need no registration."""
    assert [tuple(each) for each in flatten(SAMPLE)] == [
        ("id", "run", "a1"),
        ("name", "run", "anna"),
        ("status", "run", "ok"),
        ("error", "run", None),
        ("reference", "setting", "anna.png"),
        ("strength", "setting", 2.0),
        ("seed", "setting", 3),
        ("loss.first", "loss", 2.0),
        ("loss.last", "loss", 1.0),
        ("my_own_term.first", "loss", 0.5),
        ("my_own_term.last", "loss", 0.25),
        ("status.first", "loss", 1.0),
        ("status.last", "loss", 2.0),
        ("attribute_gain", "metric", 0.5),
        ("attribute_gains.Smiling", "metric", 0.5),
        ("attribute_gains.Male", "metric", None),
        ("seconds.prepare", "time", 0.1),
        ("seconds.run", "time", 0.2),
        ("guides_found", "run", "b.png;c.png"),
        ("notes", "run", "one; two"),
        ("image", "run", "images/a1.png"),
        ("trace", "run", None),
        ("before", "run", None),
    ]


def test_table_and_page_name_the_same_values(tmp_path):
    """The page groups columns by role and leaves out those without a value."""
    (tmp_path / "results.jsonl").write_bytes(results.line(SAMPLE))
    write_table(tmp_path)
    with (tmp_path / "results.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert list(row) == [each.name for each in flatten(SAMPLE)]
    assert [(column.role, column.name) for column in columns.make_columns([SAMPLE])] == [
        ("run", "name"),
        ("run", "status"),
        ("setting", "reference"),
        ("setting", "strength"),
        ("setting", "seed"),
        ("metric", "attribute_gain"),
        ("metric", "attribute_gains.Smiling"),
        ("loss", "loss.first"),
        ("loss", "loss.last"),
        ("loss", "my_own_term.first"),
        ("loss", "my_own_term.last"),
        ("loss", "status.first"),
        ("loss", "status.last"),
        ("time", "seconds.prepare"),
        ("time", "seconds.run"),
        ("run", "notes"),
    ]
    for column in columns.make_columns([SAMPLE]):
        assert columns.as_value(row[column.name]) == column.values[0]


def test_a_limited_page_says_so(out):
    assert len(page_of(out, limit=4).data["ids"]) == 4
    assert "The first 4 of 15 edits" in (out / "report.html").read_text()


def test_thumbnails_are_made_once_and_again_for_newer_images(out):
    (name, *_) = sorted(path.relative_to(out).as_posix() for path in (out / "images").iterdir())
    path, counts = out / thumbnails.thumbnail_path(name), []
    before = path.stat().st_mtime_ns
    assert thumbnails.make_thumbnails(
        out, [name], lambda done, total: counts.append((done, total))
    ) == {name}
    assert path.stat().st_mtime_ns == before
    image.save(out / name, np.full((500, 300, 3), 0.25, np.float32))
    os.utime(out / name, ns=(before + 10**9, before + 10**9))
    thumbnails.make_thumbnails(out, [name])
    thumbnail = image.load(path)
    assert thumbnail.shape == (thumbnails.SIDE, round(thumbnails.SIDE * 0.6), 3)
    np.testing.assert_allclose(thumbnail, 0.25, atol=0.02)
    assert counts == [(1, 1)]


def test_curves_are_thinned_evenly(out):
    trace = out / str(change(out).trace)
    full, thinned = curves.load_curves(trace), curves.load_curves(trace, 5)
    assert full
    assert thinned
    assert full.steps.tolist() == list(range(20))
    assert thinned.steps.tolist() == [0, 5, 10, 14, 19]
    np.testing.assert_array_equal(thinned.terms["total"], full.terms["total"][thinned.steps])


def unpack(low: float, high: float, levels: str) -> list[float | None]:
    """Decode as `unpack` in curves.js does."""
    return [
        None if level > 253 else low * (high / low) ** (level / 253)
        for level in base64.b64decode(levels)
    ]


@given(st.lists(st.floats(1e-12, 1e9) | st.just(float("nan")), min_size=1, max_size=60))
@settings(max_examples=200, deadline=None)
def test_packed_curves_are_accurate_to_a_few_percent(numbers):
    loaded = curves.Curves(np.arange(len(numbers)), {"total": np.array(numbers)})
    packed = curves.pack(loaded)["total"]
    top = max((number for number in numbers if number == number), default=0)
    if not top:
        assert packed == [0, 0, ""]
        return
    for number, unpacked in zip(numbers, unpack(*packed), strict=True):
        if number != number:
            assert unpacked is None
        else:
            assert unpacked == pytest.approx(max(number, curves.FLOOR * top), rel=0.03)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0.50", 0.5),
        ("1e3", 1000.0),
        ("-2", -2.0),
        ("Smiling", "Smiling"),
        ("1.png", "1.png"),
        ("", None),
        (None, None),
        (True, "true"),
        ("nan", "nan"),
        (float("nan"), None),
        (3, 3.0),
        ("007", 7.0),
        ("0,1", "0,1"),
        (10**400, None),
    ],
)
def test_values_become_numbers_if_possible(value, expected):
    converted = columns.as_value(value)
    assert converted == expected or converted is expected


FACES = ["a", "a", "a", "a", "b", "b", "b", "b"]


@pytest.mark.parametrize(
    ("varying", "expected"),
    [
        ({}, {"nothing": []}),
        (
            {"weights.attribute": [1.0, 2.0] * 4},
            {"weights.attribute": ["weights.attribute"], "nothing": []},
        ),
        (  # fixed for each face: comes last
            {"guides": ["x"] * 4 + ["y"] * 4},
            {"nothing": [], "guides": ["guides"]},
        ),
        (
            {"attribute": ["S", "S", "E", "E"] * 2, "learning_rate": [1.0, 2.0] * 4},
            {
                "learning rate": ["learning_rate"],
                "attribute": ["attribute"],
                "everything": ["attribute", "learning_rate"],
                "nothing": [],
            },
        ),
        (
            {"strength": [1.0, 1.0, 2.0, 2.0] * 2, "learning_rate": [1.0, 2.0] * 4},
            {
                "settings": ["strength", "learning_rate"],
                "strength": ["strength"],
                "learning rate": ["learning_rate"],
                "nothing": [],
            },
        ),
    ],
)
def test_groupings_come_in_order_of_information(varying, expected):
    made = [
        Column("reference", "setting", [*FACES]),
        *(Column(name, "setting", values) for name, values in varying.items()),
    ]
    assert columns.groupings(made, FACES) == expected
    assert list(columns.groupings(made, FACES)) == list(expected)


def test_a_setting_with_too_many_values_is_not_a_grouping():
    many = [float(number) for number in range(100)]
    assert columns.groupings([Column("seed", "setting", [*many])], ["a"] * 100) == {"nothing": []}


def test_a_running_sweep_can_be_shown(out):
    with (out / "results.jsonl").open("a") as file:
        file.write('{"id": "unfinis')
    assert len(page_of(out).data["ids"]) == 15


def test_the_command_runs_as_a_module(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "facegen_jax.report", tmp_path], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"python -m facegen_jax.report: {tmp_path}: no results.jsonl in it; "
        "give the --out of a sweep\n"
    )


def test_the_command_writes_page_figures_and_table(out, run_command):
    for name in ("report.html", "results.csv"):
        (out / name).unlink()
    code, output, errors = run_command(command.main, out)
    assert (code, errors) == (0, "")
    assert output.split() == [
        str(out / name)
        for name in ("report.html", "contact_sheet.png", "curves.png", "identity_vs_attribute.png")
    ]
    with (out / "results.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 15


def _empty(out: Path) -> None:
    (out / "results.jsonl").write_text("")


def _no_results(out: Path) -> None:
    (out / "results.jsonl").unlink()


def _bad_line(out: Path) -> None:
    (out / "results.jsonl").write_text("{}\n")


def _bad_provenance(out: Path) -> None:
    (out / "sweep.json").write_text("[")


def _no_folder(out: Path) -> None:
    shutil.rmtree(out)


def _file(out: Path) -> None:
    shutil.rmtree(out)
    out.write_text("")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_empty, "no results yet"),
        (_no_results, "no results.jsonl in it"),
        (_bad_line, "line 1: not a result"),
        (_bad_provenance, "sweep.json: damaged"),
        (_no_folder, "no such folder"),
        (_file, "no such folder"),
    ],
)
def test_a_folder_without_readable_results_is_refused(out, damage, message):
    damage(out)
    with pytest.raises(ResultsError, match=message):
        write_report(out)


def test_a_folder_that_is_not_writable_is_reported_in_one_line(out, run_command):
    shutil.rmtree(out / "thumbs")
    (out / "thumbs").write_text("")
    code, output, errors = run_command(command.main, out)
    assert (code, output, errors.count("\n")) == (2, "", 1)
    assert "thumbs" in errors
    assert "writable" in errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["nowhere"], "nowhere: no such folder; give the --out of a sweep"),
        ([], "(--help shows all options)"),
        (["OUT", "--limit", "0"], "--limit must be at least 1"),
        (["OUT", "--rate", "0"], "--rate from 0.1 to 100"),
        (["OUT", "--video", "zzz"], "no runs have an id that begins with 'zzz'"),
        (["OUT", "--baselines", "none.json"], "none.json: no such file; make one with"),
    ],
)
def test_bad_input_is_reported_in_one_line(out, run_command, options, message):
    options = [out if option == "OUT" else option for option in options]
    code, output, errors = run_command(command.main, *options)
    assert (code, output) == (2, "")
    assert message in errors
    assert errors.count("\n") == 1
