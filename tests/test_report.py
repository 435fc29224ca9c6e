"""The report: what it reads of a folder, what it makes of it, and that nothing in there can harm it."""

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
from facegen_jax.report.results import Result, ResultsError

PICTURE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def out(swept, tmp_path) -> Path:
    """A copy of a finished sweep's folder."""
    return Path(shutil.copytree(swept, tmp_path / "out"))


class Page(HTMLParser):
    """What a browser would load, run and show."""

    def __init__(self, text: str):
        super().__init__()
        self.addresses: list[str] = []
        self.scripts: list[tuple[str | None, str]] = []
        self.tags: list[str] = []
        self.policy = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.tags.append(tag)
        self.addresses += [
            value or ""
            for name, value in attrs
            if name in ("src", "href", "srcset", "action", "poster")
        ]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if known.get("http-equiv") == "Content-Security-Policy":
            self.policy = known["content"] or ""
        if tag == "script":
            self.scripts.append((known.get("type"), ""))

    def handle_data(self, data):
        if self.tags and self.tags[-1] == "script" and data.strip():
            kind, before = self.scripts[-1]
            self.scripts[-1] = kind, before + data

    @property
    def data(self) -> dict:
        return json.loads(dict(self.scripts)["application/json"])


def page_of(folder: Path, **options) -> Page:
    return Page(write_report(folder, **options)[0].read_text())


def change(folder: Path, **fields) -> dict:
    """Put a result that is good first, and give it other values; returns what it was."""
    file = folder / "results.jsonl"
    first, *rest = sorted(results.lines(file), key=lambda row: row["status"] != "ok")
    file.write_text("".join(json.dumps(row) + "\n" for row in (first | fields, *rest)))
    return first


def values(data: dict, name: str) -> list:
    (found,) = (column for column in data["columns"] if column["name"] == name)
    return (
        found["values"]
        if found["kind"] == "number"
        else [found["distinct"][place] for place in found["places"]]
    )


def test_a_sweep_ends_with_its_page_and_all_that_it_shows(swept):
    assert (swept / "report.html").exists()
    data = Page((swept / "report.html").read_text()).data
    rows = {row["id"]: row for row in results.chosen(swept, results.latest(swept))}
    assert sorted(data["ids"]) == sorted(rows)
    for run, id in enumerate(data["ids"]):
        assert values(data, "status")[run] == rows[id]["status"]
        assert values(data, "weights.attribute")[run] == rows[id]["grid"]["weights.attribute"]
        cosine = rows[id]["metrics"].get("identity_similarity")
        assert values(data, "identity_similarity")[run] == (
            cosine if cosine is None else pytest.approx(cosine, rel=1e-4)
        )
        assert data["images"][run] == rows[id]["image"]
        assert data["before"][run] == rows[id]["before"]
        assert data["guides"]["distinct"][data["guides"]["places"][run]] == rows[id]["shown"]
        assert data["frames"]["distinct"][data["frames"]["places"][run]] == (
            [0, 7, 14, 20] if rows[id]["image"] else []
        )
        assert set(data["curves"][run]["terms"] if data["curves"][run] else []) == {
            *rows[id]["parts"],
            *(["total"] if rows[id]["image"] else []),
        }
    small = {
        thumbnails.thumbnail_of(name)
        for row in rows.values()
        for name in (row["image"], row["before"], *row["shown"])
        if name
    }
    assert small == {
        path.relative_to(swept).as_posix() for path in (swept / "thumbs").rglob("*.webp")
    }
    assert sum(status == "failed" for status in values(data, "status")) == 3


def test_the_page_needs_nothing_but_its_folder(out):
    page = page_of(out)
    assert all(re.fullmatch(r"#[\w-]+|results\.csv|data:,", address) for address in page.addresses)
    assert page.tags.count("link") == 1  # its icon
    code = next(code for kind, code in page.scripts if kind is None)
    assert (
        f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"
        in page.policy
    )
    assert "default-src 'none'" in page.policy
    assert "http" not in re.sub(
        r"http://www\.w3\.org/2000/svg|http-equiv", "", (out / "report.html").read_text()
    )


def test_names_that_look_like_markup_stay_text(out):
    change(out, notes=[HOSTILE], error=HOSTILE)
    made = json.loads((out / "sweep.json").read_text())
    (out / "sweep.json").write_text(
        json.dumps(made | {"network": {"name": HOSTILE, "sha256": HOSTILE}, "commit": HOSTILE})
    )
    folder = out.rename(out.with_name("<b>bold & $x_1$"))
    page = page_of(folder, drawn=True)
    assert [kind for kind, _ in page.scripts] == ["application/json", None]
    assert "img" not in page.tags
    assert "b" in page.tags  # of the explanation, once for each term
    assert HOSTILE in values(page.data, "name")
    assert HOSTILE in page.data["references"]["distinct"]
    assert PICTURE in page.data["references"]["distinct"]
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
def test_files_that_are_not_the_folders_own_are_left_out(out, name):
    image.save(out.parent.parent / "secret.png", np.zeros((8, 8, 3), np.float32))
    id = change(out, image=name, before=name, trace=name, frames=name, shown=[name])["id"]
    data = page_of(out).data
    run = data["ids"].index(id)
    assert data["images"][run] is data["before"][run] is data["curves"][run] is None
    assert (
        data["guides"]["distinct"][data["guides"]["places"][run]]
        == data["frames"]["distinct"][data["frames"]["places"][run]]
        == []
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"metrics": []},
        {"pair": None},
        {"id": 7},
        {"name": None},
        {"guides": {}},
        {"shown": 7},
        {"grid": "x"},
        {"parts": [1]},
    ],
    ids=str,
)
def test_lines_of_other_shapes_are_no_results(out, fields):
    change(out, **fields)
    with pytest.raises(ResultsError, match="line 1: not a result"):
        write_report(out)


def test_what_a_stranger_may_have_put_into_the_rest(out):
    change(
        out,
        name="\ud800",
        error={"a": ["b"]},
        metrics={"a": {"b": {"c": 1}}, "d": [1]},
        seconds={"run": "long"},
        loss={"first": None},
    )
    (out / "sweep.json").write_text(
        json.dumps(
            {"versions": [1], "devices": 7, "network": "x", "commit": {"a": 1}, "config": None}
        )
    )
    assert len(page_of(out, drawn=True).data["ids"]) == 15


def test_damaged_pictures_and_traces_are_left_out(out):
    row = change(out)
    for name in (row["image"], row["trace"]):
        (out / name).write_bytes((out / name).read_bytes()[:100])
    shutil.rmtree(out / "thumbs")
    data = page_of(out).data
    assert data["images"][0] is data["curves"][0] is None
    assert all(data["images"][1:12])


def test_results_from_before_faces_were_kept_are_shown(out):
    file = out / "results.jsonl"
    rows = [
        {
            name: value
            for name, value in json.loads(line).items()
            if name not in Result._field_defaults
        }
        for line in file.read_text().splitlines()
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = page_of(out).data
    assert data["before"] == [None] * 15
    assert sum(name is not None for name in data["images"]) == 12


def test_what_is_not_finite_is_nothing(out):
    change(
        out,
        metrics={"identity_similarity": float("nan"), "attribute_gain": float("inf")},
        loss={"first": 1, "last": 10**400},
    )
    data = page_of(out).data
    assert values(data, "identity_similarity")[0] is values(data, "loss.last")[0] is None


def test_parts_of_a_sweep_are_shown_together(out):
    lines = (out / "results.jsonl").read_text().splitlines(keepends=True)
    (out / "results.jsonl").unlink()
    for part in range(2):
        (out / f"results.{part}-of-2.jsonl").write_text("".join(lines[part::2]))
    assert len(page_of(out).data["ids"]) == 15


def test_a_page_has_its_limit_and_says_so(out):
    assert len(page_of(out, most=4).data["ids"]) == 4
    assert "The first 4 of 15 edits" in (out / "report.html").read_text()


def test_small_copies_are_made_once_and_again_for_newer_pictures(out):
    (name, *_) = sorted(path.relative_to(out).as_posix() for path in (out / "images").iterdir())
    place, told = out / thumbnails.thumbnail_of(name), []
    before = place.stat().st_mtime_ns
    assert thumbnails.make_thumbnails(
        out, [name], lambda done, total: told.append((done, total))
    ) == {name}
    assert place.stat().st_mtime_ns == before
    image.save(out / name, np.full((500, 300, 3), 0.25, np.float32))
    os.utime(out / name, ns=(before + 10**9, before + 10**9))
    thumbnails.make_thumbnails(out, [name])
    small = image.load(place)
    assert small.shape == (thumbnails.SIDE, round(thumbnails.SIDE * 0.6), 3)
    np.testing.assert_allclose(small, 0.25, atol=0.02)
    assert told == [(1, 1)]


def test_curves_survive_their_packing(out):
    row = change(out)
    found = curves.load_curves(out / row["trace"])
    assert found
    assert found.steps.tolist() == list(range(20))
    few = curves.load_curves(out / row["trace"], 5)
    assert few
    assert few.steps.tolist() == [0, 5, 10, 14, 19]
    np.testing.assert_array_equal(few.terms["total"], found.terms["total"][few.steps])


def unpack(low: float, high: float, codes: str) -> list[float | None]:
    return [
        None if code > 253 else low * (high / low) ** (code / 253)
        for code in base64.b64decode(codes)
    ]


@given(st.lists(st.floats(1e-12, 1e9) | st.just(float("nan")), min_size=1, max_size=60))
@settings(max_examples=200, deadline=None)
def test_a_packed_curve_is_what_it_was_to_a_few_percent(numbers):
    packed = curves.packed(curves.Curves(np.arange(len(numbers)), {"total": np.array(numbers)}))[
        "total"
    ]
    top = max((number for number in numbers if number == number), default=0)
    if not top:
        assert packed == [0, 0, ""]
        return
    for number, found in zip(numbers, unpack(*packed), strict=True):
        if number != number:
            assert found is None
        else:
            assert found == pytest.approx(max(number, curves.DEPTH * top), rel=0.03)


@pytest.mark.parametrize(
    ("value", "expected"), [("0.50", 0.5), ("1e3", 1000.0), ("-2", -2.0), ("Smiling", "Smiling"), ("1.png", "1.png"), ("", None), (None, None), (True, "true"),
                            ("nan", "nan"), (float("nan"), None), (3, 3.0), ("007", 7.0), ("0,1", "0,1"), (10**400, None)]
)  # fmt: skip
def test_values_are_numbers_where_they_can_be(value, expected):
    found = columns.plain(value)
    assert found == expected or found is expected


FACES = ["a", "a", "a", "a", "b", "b", "b", "b"]


@pytest.mark.parametrize(
    ("varying", "expected"),
    [
        ({}, {"nothing": []}),
        (
            {"weights.attribute": [1.0, 2.0] * 4},
            {"weights.attribute": ["weights.attribute"], "nothing": []},
        ),
        (
            {"guides": ["x"] * 4 + ["y"] * 4},
            {"nothing": [], "guides": ["guides"]},
        ),  # goes with the face: no column of its own unless wished
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
def test_what_may_stand_side_by_side(varying, expected):
    found = [
        Column("reference", "setting", [*FACES]),
        *(Column(name, "setting", values) for name, values in varying.items()),
    ]
    assert columns.ways(found, FACES) == expected


def test_a_setting_of_very_many_values_is_no_column():
    many = [float(number) for number in range(100)]
    assert columns.ways([Column("seed", "setting", [*many])], ["a"] * 100) == {"nothing": []}


def test_a_running_sweep_can_be_looked_at(out):
    with (out / "results.jsonl").open("a") as file:
        file.write('{"id": "unfinis')
    assert len(page_of(out).data["ids"]) == 15


@pytest.fixture
def run(monkeypatch, capsys):
    """The command in this process: its exit status, and what it says to whom."""

    def run(*options: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["report", *map(str, options)])
        try:
            status = command.main()
        except SystemExit as stop:
            status = int(str(stop.code))
        return status, *capsys.readouterr()

    return run


def test_the_command_runs_as_a_module(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "facegen_jax.report", tmp_path], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == f"python -m facegen_jax.report: {tmp_path}: holds no results of a sweep (results.jsonl); give the --out of one\n"
    )


def test_the_command_writes_page_figures_and_table(out, run):
    for name in ("report.html", "results.csv"):
        (out / name).unlink()
    status, said, errors = run(out)
    assert (status, errors) == (0, "")
    assert said.split() == [
        str(out / name)
        for name in ("report.html", "contact_sheet.png", "curves.png", "identity_vs_attribute.png")
    ]
    with (out / "results.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 15


def _empty(out: Path) -> None:
    (out / "results.jsonl").write_text("")


def _none(out: Path) -> None:
    (out / "results.jsonl").unlink()


def _line(out: Path) -> None:
    (out / "results.jsonl").write_text("{}\n")


def _made(out: Path) -> None:
    (out / "sweep.json").write_text("[")


def _gone(out: Path) -> None:
    shutil.rmtree(out)


def _file(out: Path) -> None:
    shutil.rmtree(out)
    out.write_text("")


@pytest.mark.parametrize(
    ("damage", "message"),
    [(_empty, "no results yet"), (_none, "holds no results"), (_line, "line 1: not a result"), (_made, "sweep.json: damaged"), (_gone, "no such folder"), (_file, "no such folder")],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused(out, damage, message):
    damage(out)
    with pytest.raises(ResultsError, match=message):
        write_report(out)


def test_a_folder_that_cannot_be_written_to_is_one_line(out, run):
    shutil.rmtree(out / "thumbs")
    (out / "thumbs").write_text("")
    status, said, errors = run(out)
    assert (status, said, errors.count("\n")) == (2, "", 1)
    assert "thumbs" in errors
    assert "can be written to" in errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["nowhere"], "nowhere: no such folder; give the --out of a sweep"),
        ([], "(--help shows all options)"),
        (["OUT", "--limit", "0"], "--limit must be at least 1"),
        (["OUT", "--video", "zzz"], "no runs have an id that begins with 'zzz'"),
        (["OUT", "--baselines", "none.json"], "none.json: no such file; make one with"),
    ],
)
def test_bad_input_is_one_line(out, run, options, message):
    status, said, errors = run(*(out if option == "OUT" else option for option in options))
    assert status == 2
    assert said == ""
    assert message in errors
    assert errors.count("\n") == 1
