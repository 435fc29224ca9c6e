"""Paths that cannot be written to are refused before anything is loaded, computed or written."""

import os
from pathlib import Path

import pytest

from facegen_jax import files
from facegen_jax.convert.__main__ import main as convert
from facegen_jax.edit import engine as edit_engine
from facegen_jax.edit.settings import Edit
from facegen_jax.gallery.__main__ import main as gallery
from facegen_jax.report.__main__ import main as report
from facegen_jax.sweep import Sweep, run_sweep
from facegen_jax.sweep import engine as sweep_engine

LONG = "a" * 240 + ".png"
"""A name that a file may have, but not with what a temporary file adds to it."""


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    """A working folder with inputs, where loading a network fails the test."""

    def loaded(source):
        raise AssertionError("the network was loaded before the outputs were checked")

    for engine in (edit_engine, sweep_engine):
        monkeypatch.setattr(engine, "load_network", loaded)
    monkeypatch.chdir(tmp_path)
    for name in ("face.png", "guide.png", "net.safetensors", "tuned.json"):
        Path(name).write_bytes(b"input")
    for name in ("folder.png", "record.json", "gallery/images"):
        Path(name).mkdir(parents=True)
    Path("gallery/images/one.png").write_bytes(b"input")
    Path("gallery/images/two.png").write_bytes(b"input")
    Path("gallery/labels.csv").write_text("filename,x\none.png,1\n")
    Path("gallery/other.csv").symlink_to("labels.csv")
    Path("link.png").symlink_to("face.png")
    os.link("guide.png", "hard.png")
    Path("pairs.csv").write_text("reference,guides\nface.png,guide.png\n")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


EDITS = {
    "a folder": ({"out": "folder.png"}, "folder.png: is a folder"),
    "a record that is a folder": ({"out": "record.png"}, "record.json: is a folder"),
    "a strip that is a folder": ({"strip": "folder.png"}, "folder.png: is a folder"),
    "a missing folder": ({"out": "gone/a.png"}, "gone: no such folder"),
    "a missing folder of the strip": ({"strip": "gone/a.png"}, "gone: no such folder"),
    "below a file": ({"out": "face.png/a.png"}, "face.png: no such folder"),
    "a name too long": ({"out": LONG}, "cannot be written to .File name too long."),
    "the reference": ({"out": "face.png"}, "face.png: would overwrite an input"),
    "the reference by a link": ({"out": "link.png"}, "link.png: would overwrite an input"),
    "a guide by another name": ({"out": "hard.png"}, "hard.png: would overwrite an input"),
    "a guide by the strip": ({"strip": "./guide.png"}, "guide.png: would overwrite an input"),
    "a mask": ({"mask": "m.png", "out": "m.png"}, "m.png: would overwrite an input"),
    "directions by the record": (
        {"guides": None, "attribute": "x", "directions": "tuned.json", "out": "tuned.png"},
        "tuned.json: would overwrite an input",
    ),
    "a face of the gallery": (
        {"guides": None, "attribute": "x", "gallery": "gallery", "out": "gallery/images/one.png"},
        "would overwrite a face of the gallery",
    ),
    "an image of the gallery that its table does not name": (
        {"guides": None, "attribute": "x", "gallery": "gallery", "out": "gallery/images/two.png"},
        "two.png: would overwrite a face of the gallery",
    ),
    "a face of a gallery that is given by its table": (
        {
            "guides": None,
            "attribute": "x",
            "gallery": "gallery/other.csv",
            "out": "gallery/images/one.png",
        },
        "one.png: would overwrite a face of the gallery",
    ),
    "the strip by the image": ({"strip": "out.png"}, "out.png: --out and --strip name the same"),
    "two strengths of one name": ({"strength": (1.0, 1.0000001)}, "out_1.png: two of --strength"),
}


@pytest.mark.parametrize("name", EDITS)
def test_edits(name, inputs):
    changes, message = EDITS[name]
    options: dict = {"reference": "face.png", "out": "out.png", "guides": "guide.png"} | changes
    paths = ("reference", "out", "strip", "mask", "directions", "gallery")
    options |= {key: Path(options[key]) for key in paths if key in options}
    options["guides"] = tuple(map(Path, filter(None, [options["guides"]])))
    before = contents(inputs)
    with pytest.raises(ValueError, match=message):
        edit_engine.edit(Edit(**options))
    assert contents(inputs) == before


SWEEPS = {
    "a file": ("file", "file", "out: is a file; expected a folder"),
    "below a file": ("file", "file/runs", "file: no such folder"),
    "a table that is a folder": ("folder results.csv", "out", "results.csv: is a folder"),
    "a page that is a folder": ("folder report.html", "out", "report.html: is a folder"),
    "a manifest that is a folder": ("folder sweep.json", "out", "sweep.json: is a folder"),
    "images that are a file": ("file images", "out", "images: is a file; a sweep needs a folder"),
    "traces that are a file": ("file traces", "out", "traces: is a file; a sweep needs a folder"),
}


@pytest.mark.parametrize("name", SWEEPS)
def test_sweeps(name, inputs):
    made, out, message = SWEEPS[name]
    kind, _, inside = made.partition(" ")
    path = inputs / "out" / inside if inside else inputs / "file"
    path.parent.mkdir(exist_ok=True)
    path.mkdir() if kind == "folder" else path.write_bytes(b"")
    before = contents(inputs)
    with pytest.raises(ValueError, match=message.replace("out: ", "file: ")):
        next(run_sweep(Sweep(inputs / "pairs.csv", inputs / out, params="net.safetensors")))
    assert contents(inputs) == before


def test_a_sweep_keeps_its_table_of_pairs(inputs):
    (inputs / "out").mkdir()
    (inputs / "pairs.csv").rename(inputs / "out" / "results.csv")
    with pytest.raises(ValueError, match=r"results\.csv: would overwrite an input"):
        next(run_sweep(Sweep(inputs / "out" / "results.csv", inputs / "out")))


@pytest.mark.parametrize("out", ["runs", "deep/er/runs"])
def test_a_sweep_on_a_disk_that_takes_nothing(out, inputs, monkeypatch):
    def refuse(path, mode="r", **_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(files.OutputError, match=r"cannot be written to \(Read-only file system\)"):
        next(run_sweep(Sweep(Path("pairs.csv"), inputs / out)))
    assert not (inputs / out).exists()


@pytest.mark.parametrize("name", ["report.html", "results.csv"])
def test_reports(name, inputs, run_command):
    (inputs / "runs" / name).mkdir(parents=True)
    (inputs / "runs" / "results.jsonl").write_bytes(b"")
    before = contents(inputs)
    code, _, err = run_command(report, "runs")
    assert (code, err.count("\n")) == (2, 1)
    assert f"runs/{name}: is a folder" in err
    assert contents(inputs) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--baselines record.json", "record.json: is a folder"),
        ("--baselines gone/b.json", "gone: no such folder"),
        ("--directions d.safetensors --attributes x", "d.safetensors: is a folder"),
        ("--directions net.safetensors --attributes x", "net.safetensors: would overwrite"),
        ("--directions d.json --attributes x", "expected the name of a .safetensors file"),
    ],
)
def test_galleries(options, message, inputs, run_command):
    Path("d.safetensors").mkdir()
    code, _, err = run_command(gallery, "gallery", "--params", "net.safetensors", *options.split())
    assert (code, err.count("\n")) == (2, 1)
    assert message in err


@pytest.mark.parametrize(
    ("dest", "message"),
    [
        ("d.safetensors", "d.safetensors: is a folder"),
        ("gone/d.safetensors", "gone: no such folder"),
        ("net.safetensors", "source and destination are the same file"),
    ],
)
def test_conversions(dest, message, inputs, run_command):
    Path("d.safetensors").mkdir()
    code, _, err = run_command(convert, "net.safetensors", dest)
    assert (code, err.count("\n")) == (2, 1)
    assert message in err
