"""The command line: a whole edit, its files, and one line for every kind of bad input."""

import json
import signal
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

from facegen_jax import checkpoint, image, settings
from facegen_jax.__main__ import main
from facegen_jax.settings import Edit, Weights


@pytest.fixture
def files(tmp_path, params, picture, guide):
    """A reference, a guide and a tiny network on disk."""
    image.save(tmp_path / "face.png", picture)
    image.save(tmp_path / "guide.png", guide)
    checkpoint.save_network(tmp_path / "tiny.safetensors", params, {"network": "tiny", "image_size": "32"})
    return tmp_path


def arguments(folder, **changes):
    given = {"reference": folder / "face.png", "guides": folder / "guide.png", "out": folder / "out.png", "params": folder / "tiny.safetensors"}
    given |= {"steps": 5, "align": "none"} | changes
    return [str(part) for name, value in given.items() if value is not None for part in (f"--{name.replace('_', '-')}", value)]


@pytest.fixture
def run(files, monkeypatch, capsys):
    """Run the command with the usual arguments, changed; returns exit code, output and errors."""

    def call(**changes):
        monkeypatch.setattr(sys, "argv", ["facegen_jax", *arguments(files, **changes)])
        try:
            code = main()
        except SystemExit as exit_:
            code = exit_.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_guides_give_picture_record_and_strip(files, run):
    code, out, _ = run(strip=files / "strip.png", steps=20, learning_rate=0.002)
    assert code == 0
    assert "out.png" in out
    assert image.load(files / "out.png").shape == (32, 32, 3)
    strip = image.load(files / "strip.png")
    assert strip.shape[1] > 2.9 * 224  # reference, guide, result
    record = json.loads((files / "out.json").read_text())
    assert set(record) == {"status", "config", "network", "inputs", "loss", "parts", "metrics", "seconds", "device", "versions"}
    assert record["status"] == "ok"
    assert record["loss"]["last"] < record["loss"]["first"]
    assert set(record["parts"]) == {"descriptor_identity", "identity", "attribute", "total_variation", "chroma"}
    assert record["config"]["steps"] == 20
    assert record["network"]["name"] == "tiny"
    assert [len(each["sha256"]) for each in record["inputs"]] == [64, 64]
    assert -1 <= record["metrics"]["identity_similarity"] <= 1


def test_the_record_repeats_the_run(files, run):
    run()
    first = image.load(files / "out.png")
    run(out=files / "again.png")
    np.testing.assert_array_equal(first, image.load(files / "again.png"))


def test_options_reach_the_run(files, run):
    code, *_ = run(**{"weights.attribute": 0, "weights.identity": 1})
    assert code == 0
    np.testing.assert_allclose(image.load(files / "out.png"), image.load(files / "face.png"), atol=2 / 255)
    code, *_ = run(optimizer="sgd", size=48, noise=0.05, seed=3, **{"weights.total-variation": 0.5, "learning-rate": 0.01})
    assert code == 0
    assert image.load(files / "out.png").shape == (48, 48, 3)


def test_a_mask_says_where_the_attribute_acts(files, run):
    """The left half changes more, compared with the right, when the mask is white there."""
    mask = np.zeros((32, 32), np.uint8)
    mask[:, :16] = 255
    PIL.Image.fromarray(mask).save(files / "left.png")
    PIL.Image.fromarray(255 - mask).save(files / "right.png")
    ratio = {}
    for side in ("left", "right"):
        assert run(steps=30, mask=files / f"{side}.png")[0] == 0
        change = np.abs(image.load(files / "out.png") - image.load(files / "face.png")).mean((0, 2))
        ratio[side] = change[:16].mean() / change[16:].mean()
    assert ratio["left"] > 1.1 * ratio["right"]


BAD = {
    "missing reference": ({"reference": "nowhere.png"}, "nowhere.png: no such file"),
    "missing guide": ({"guides": "nowhere.png"}, "nowhere.png: no such file"),
    "empty picture": ({"reference": "empty.png"}, "empty.png: is empty"),
    "text as picture": ({"reference": "text.png"}, "text.png: not a picture"),
    "truncated picture": ({"guides": "truncated.png"}, "truncated.png: cannot be read"),
    "missing network": ({"params": "nowhere.safetensors"}, "no such network file"),
    "text as network": ({"params": "text.png"}, "not a readable safetensors file"),
    "no attribute, no guide": ({"guides": None}, "give either --guides"),
    "both": ({"attribute": "Smiling"}, "give either --guides"),
    "nan weight": ({"weights.attribute": "nan"}, "--weights.attribute must be a finite number"),
    "nan rate": ({"learning_rate": "nan"}, "--learning-rate must be a finite number"),
    "infinite strength": ({"strength": "inf"}, "--strength must be a finite number"),
    "negative weight": ({"weights.total-variation": -1}, "--weights.total-variation must not be negative"),
    "no steps": ({"steps": 0}, "--steps must be at least 1"),
    "tiny size": ({"size": 3}, "--size must be from 16"),
    "huge size": ({"size": 100000}, "--size must be from 16 to 4096"),
    "unknown ending": ({"out": "out.xyz"}, "pictures are written as .png"),
    "missing folder": ({"out": "nowhere/out.png"}, "no such folder"),
    "out is a folder": ({"out": "folder.png"}, "is a folder"),
    "overwrites an input": ({"out": "face.png"}, "would overwrite an input"),
    "strip is out": ({"strip": "out.png"}, "--strip and --out name the same file"),
    "mask of another size": ({"mask": "small.png"}, "mask has 8x8 pixels, the reference 32x32"),
    "attribute without directions": ({"guides": None, "attribute": "Smiling"}, "no attribute directions for the network 'tiny'"),
    "nine landmarks": ({"landmarks": "123"}, "--landmarks takes 10 numbers, not 1"),
    "face zero": ({"face": 0}, "--face must be at least 1"),
    "gallery without attribute": ({"gallery": "."}, "--gallery needs --attribute"),
    "match without gallery": ({"match": "Male"}, "which is missing"),
    "steps not a number": ({"steps": "many"}, "--steps"),
    "unknown optimizer": ({"optimizer": "newton"}, "--optimizer"),
    "unknown option": ({"colour": "red"}, "--colour"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_writes_nothing(files, run, name):
    (files / "empty.png").touch()
    (files / "text.png").write_text("not a picture")
    (files / "truncated.png").write_bytes((files / "face.png").read_bytes()[:200])
    (files / "folder.png").mkdir()
    PIL.Image.new("L", (8, 8)).save(files / "small.png")
    before = sorted(files.iterdir())
    changes, message = BAD[name]
    paths = ("reference", "guides", "params", "out", "strip", "mask")
    code, out, err = run(**{key: files / value if key in paths and value else value for key, value in changes.items()})
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert "Traceback" not in err + out
    assert sorted(files.iterdir()) == before


def test_a_non_finite_run_exits_1_and_says_so(files, run):
    code, out, _ = run(optimizer="sgd", learning_rate=1e38, steps=20)
    assert code == 1
    assert "non_finite" in out
    record = json.loads((files / "out.json").read_text())
    assert record["status"] == "non_finite"
    assert np.isfinite(record["loss"]["first"])


def test_control_c_keeps_the_best_picture(files):
    """A real process, interrupted once its descent goes on, still writes picture and record."""
    command = [sys.executable, "-m", "facegen_jax", *arguments(files, steps=1_000_000)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=None)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(20)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "interrupted" in out
    assert "Traceback" not in err
    assert json.loads((files / "out.json").read_text())["status"] == "interrupted"
    assert image.load(files / "out.png").shape == (32, 32, 3)


def test_an_unwritable_folder_is_refused_before_work(files, monkeypatch):
    def refuse(**_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(settings.EditError, match=r"cannot be written to \(Read-only file system\)"):
        settings.check(Edit(files / "face.png", files / "out.png", (files / "guide.png",)))


def test_defaults_of_command_and_objective_agree():
    weights = Weights()
    shares = (settings.DESCRIPTOR_SHARE * weights.identity, weights.attribute, weights.pixels, weights.total_variation, weights.chroma)
    assert settings.objective(weights).weights == shares


@pytest.mark.parametrize("guided", [True, False])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("described", [True, False])
def test_every_objective_holds_the_person_and_brings_the_attribute(guided, masked, described):
    terms = {type(term).__name__ for term in settings.objective(Weights(), guided=guided, masked=masked, described=described).terms}
    assert {"Attribute", "TotalVariation", "Chroma"} <= terms
    assert ("DescriptorIdentity" in terms) == described
    assert ("AttributePixels" in terms) != guided
