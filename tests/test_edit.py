"""The edit command: complete edits, the files they write, and one line for any bad input."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

from facegen_jax.__main__ import main
from facegen_jax.descent import losses
from facegen_jax.edit import checks, masks, parsing, recipe
from facegen_jax.edit.settings import Edit, Weights
from facegen_jax.faces import image, regions
from facegen_jax.files import OutputError
from facegen_jax.network import checkpoint
from facegen_jax.network.direction import save_directions
from facegen_jax.network.features import extract
from facegen_jax.types import Features

HAT, BEARD = slice(2, 12), slice(20, 30)
"""Rows that the tiny network's directions change."""


@pytest.fixture
def files(tmp_path, params, picture, guide):
    """A folder with a reference, a guide and a tiny network."""
    image.save(tmp_path / "face.png", picture)
    image.save(tmp_path / "guide.png", guide)
    metadata = {"network": "tiny", "image_size": "32"}
    checkpoint.save_network(tmp_path / "tiny.safetensors", params, metadata)
    return tmp_path


def arguments(folder, **changes):
    """Return the arguments of a short edit; a value of None leaves an option out."""
    options = {
        "reference": folder / "face.png",
        "guides": folder / "guide.png",
        "out": folder / "out.png",
        "params": folder / "tiny.safetensors",
        "steps": 5,
        "align": "none",
    } | changes
    return [
        str(part)
        for name, value in options.items()
        if value is not None
        for part in (
            f"--{name.replace('_', '-')}",
            *(value if isinstance(value, list) else [value]),
        )
    ]


@pytest.fixture
def run(files, run_command):
    """Run a short edit with changed options; returns its exit code, output and errors."""
    return lambda **changes: run_command(main, *arguments(files, **changes))


def change(folder, name="out.png"):
    """Return the difference between a result and the reference."""
    return image.load(folder / name) - image.load(folder / "face.png")


@pytest.fixture
def directions(files):
    """Options to tune by directions: Hat brightens the top, Beard darkens the bottom."""
    network = checkpoint.load_network(files / "tiny.safetensors")
    hat, beard = np.zeros((32, 32, 3), np.float32), np.zeros((32, 32, 3), np.float32)
    hat[HAT], beard[BEARD] = 0.2, -0.2
    reference = image.load(files / "face.png")
    own, *shifted = (
        extract(network.params, face, ("image", *recipe.TUNED_LAYERS))
        for face in (reference, reference + hat, reference + beard)
    )
    maps: dict[str, Features] = {
        name: {layer: np.asarray(features[layer] - own[layer]) for layer in own}
        for name, features in zip(("Hat", "Beard"), shifted, strict=True)
    }
    scales, opposites = {"Hat": 1.0, "Beard": 1.0}, {"Shaven": "Beard"}
    path = files / "directions.safetensors"
    save_directions(path, network, maps, scales, opposites, {})
    return {"guides": None, "directions": path, "steps": 60}


def test_writes_image_record_and_strip(files, run):
    code, out, _ = run(strip=files / "strip.png", steps=20, learning_rate=0.002)
    assert code == 0
    assert "out.png" in out
    assert image.load(files / "out.png").shape == (32, 32, 3)
    strip = image.load(files / "strip.png")
    assert strip.shape[1] > 2.9 * 224  # reference, guide, result
    record = json.loads((files / "out.json").read_text())
    assert set(record) == {
        "status",
        "config",
        "network",
        "inputs",
        "loss",
        "parts",
        "metrics",
        "seconds",
        "device",
        "versions",
        "notes",
    }
    assert record["notes"] == []
    assert record["status"] == "ok"
    assert record["loss"]["last"] < record["loss"]["first"]
    assert set(record["parts"]) == {
        "descriptor_identity",
        "identity",
        "attribute",
        "total_variation",
        "chroma",
    }
    assert record["config"]["steps"] == 20
    assert record["network"]["name"] == "tiny"
    assert [len(each["sha256"]) for each in record["inputs"]] == [64, 64]
    assert -1 <= record["metrics"]["identity_similarity"] <= 1


def test_equal_options_give_equal_images(files, run):
    run()
    first = image.load(files / "out.png")
    run(out=files / "again.png")
    np.testing.assert_array_equal(first, image.load(files / "again.png"))


def test_options_take_effect(files, run):
    code, *_ = run(**{"weights.attribute": 0, "weights.identity": 1})
    assert code == 0
    np.testing.assert_allclose(
        image.load(files / "out.png"), image.load(files / "face.png"), atol=2 / 255
    )
    code, *_ = run(
        optimizer="sgd",
        size=48,
        noise=0.05,
        seed=3,
        **{"weights.total-variation": 0.5, "learning-rate": 0.01},
    )
    assert code == 0
    assert image.load(files / "out.png").shape == (48, 48, 3)


def test_mask_confines_the_attribute(files, run):
    """The left half has a larger share of the change when the mask covers it than otherwise."""
    mask = np.zeros((32, 32), np.uint8)
    mask[:, :16] = 255
    PIL.Image.fromarray(mask).save(files / "left.png")
    PIL.Image.fromarray(255 - mask).save(files / "right.png")
    ratio = {}
    for side in ("left", "right"):
        assert run(steps=30, mask=files / f"{side}.png")[0] == 0
        columns = np.abs(change(files)).mean((0, 2))
        ratio[side] = columns[:16].mean() / columns[16:].mean()
    assert ratio["left"] > 1.1 * ratio["right"]


def test_several_strengths_start_from_each_other(files, run, directions):
    """Each strength has an image and a record, starts from the previous image, and changes more."""
    strengths = ("0.5", "1", "1.5")
    code, out, _ = run(
        **directions, attribute="Hat", strength=",".join(strengths), strip=files / "strip.png"
    )
    assert code == 0
    assert len(out.splitlines()) == 3
    assert not (files / "out.png").exists()
    changes = [change(files, f"out_{strength}.png")[HAT].mean() for strength in strengths]
    assert changes[0] > 0.02
    assert changes[0] < changes[1] < changes[2]
    records = [json.loads((files / f"out_{strength}.json").read_text()) for strength in strengths]
    assert [record["config"]["strength"] for record in records] == [[0.5], [1.0], [1.5]]
    run(**directions, attribute="Hat", strength="1.5")
    alone = json.loads((files / "out.json").read_text())["loss"]
    assert records[2]["loss"]["first"] < alone["first"]
    assert image.load(files / "strip.png").shape[1] > 3.9 * 224


def test_attributes_add(files, run, directions):
    assert run(**directions, attribute="Hat+Beard:0.5")[0] == 0
    both = change(files)
    assert both[HAT].mean() > 0.05
    assert both[BEARD].mean() < -0.02
    assert abs(both[HAT].mean()) > 1.3 * abs(both[BEARD].mean())
    assert run(**directions, attribute="Hat+Shaven")[0] == 0
    assert change(files)[BEARD].mean() > 0.02


def test_channel_factor_raises_its_channel(files, run, params, picture):
    """The scaled channel's map grows more than the others do on average."""
    before = np.asarray(extract(params, picture, ("conv3_1",))["conv3_1"])
    channel = int(before.mean((0, 1)).argmax())
    weights = {f"weights.{name}": 0 for name in ("identity", "total-variation", "chroma")}
    assert run(guides=None, channels=f"conv3_1:{channel}=1.5", steps=60, **weights)[0] == 0
    after = np.asarray(extract(params, image.load(files / "out.png"), ("conv3_1",))["conv3_1"])
    growth = after.mean((0, 1)) / (before.mean((0, 1)) + 1e-6)
    assert growth[channel] > 1.15
    assert abs(growth[channel] - 1.5) < np.abs(np.delete(growth, channel) - 1.5).min()


def test_region_confines_the_attribute(files, run, directions):
    jaw = regions.region("jaw", 32) > 0.9
    hat_change = {}
    for region in ("jaw", "none"):
        assert run(**directions, attribute="Hat", region=region)[0] == 0
        hat_change[region] = np.abs(change(files))[HAT].mean()
    assert hat_change["jaw"] < 0.2 * hat_change["none"]
    assert run(**directions, attribute="Beard", region="jaw")[0] == 0
    magnitude = np.abs(change(files)).mean(-1)
    assert magnitude[jaw].mean() > 3 * magnitude[:12].mean()


def test_identity_region_holds_the_reference(files, run, directions):
    """The hat changes less where the identity is held."""
    hat_change = {}
    for region in ("hair+brows+eyes", "none"):
        options = {"identity_region": region, "weights.identity": 10}
        assert run(**directions, attribute="Hat", **options)[0] == 0
        hat_change[region] = np.abs(change(files))[HAT].mean()
    assert hat_change["hair+brows+eyes"] < 0.7 * hat_change["none"]


@pytest.mark.parametrize(
    ("attribute", "guided", "region"),
    [
        ("Smiling", False, "mouth+cheeks"),
        ("Hat", False, None),
        ("Smiling+Hat", False, None),
        ("Senior", False, None),
        ("Senior", True, "face"),
        ("smiling+Bushy_Eyebrows", True, "mouth+cheeks+brows"),
        ("Smiling+Hat", True, "face"),
        ("Hat", True, "face"),
        ("Eyeglasses/No Eyewear", True, "eyes+brows"),
        (None, True, "face"),
    ],
)
def test_default_regions(attribute, guided, region, tmp_path):
    options = Edit(tmp_path / "face.png", tmp_path / "out.png", attribute=attribute)
    attributes = parsing.amounts(attribute) if attribute else ()
    assert masks.acting(options, attributes, guided=guided) == region


@pytest.mark.parametrize("mode", ["luma", "statistics", "histogram"])
def test_colours_are_preserved(mode, files, run):
    """Towards a guide of other colours, the same run without the option drifts further."""
    if mode == "histogram":
        pytest.importorskip("skimage", reason="needs the extra `colour`")
    weights = {"weights.chroma": 0, "weights.total-variation": 1}
    drift = {}
    for colour in ("free", mode):
        assert run(steps=100, region="none", colour=colour, **weights)[0] == 0
        difference = losses.chroma(change(files)) if mode == "luma" else change(files).mean((0, 1))
        drift[colour] = float(np.abs(difference).mean())
    assert drift[mode] < 0.3 * drift["free"]
    if mode != "luma":
        assert run(steps=40, region="jaw", colour=mode, colour_at="outside", **weights)[0] == 0


BAD_INPUTS = {
    "missing reference": ({"reference": "nowhere.png"}, "nowhere.png: no such file"),
    "missing guide": ({"guides": "nowhere.png"}, "nowhere.png: no such file"),
    "empty image": ({"reference": "empty.png"}, "empty.png: is empty"),
    "text as an image": ({"reference": "text.png"}, "text.png: not an image"),
    "truncated image": ({"guides": "truncated.png"}, "truncated.png: cannot be read"),
    "missing network": ({"params": "nowhere.safetensors"}, "no such network file"),
    "text as a network": ({"params": "text.png"}, "not a readable safetensors file"),
    "neither attribute nor guides": ({"guides": None}, "give either --guides"),
    "attribute and guides": ({"attribute": "Smiling"}, "give either --guides"),
    "NaN weight": ({"weights.attribute": "nan"}, "--weights.attribute must be a finite number"),
    "NaN learning rate": ({"learning_rate": "nan"}, "--learning-rate must be a finite number"),
    "infinite strength": ({"strength": "inf"}, "--strength must be a finite number"),
    "negative weight": (
        {"weights.total-variation": -1},
        "--weights.total-variation must not be negative",
    ),
    "no steps": ({"steps": 0}, "--steps must be from 1 to 1000000"),
    "tiny size": ({"size": 3}, "--size must be from 16"),
    "huge size": ({"size": 100000}, "--size must be from 16 to 4096"),
    "unknown extension": ({"out": "out.xyz"}, "images are written as .png"),
    "missing folder": ({"out": "nowhere/out.png"}, "no such folder"),
    "out is a folder": ({"out": "folder.png"}, "is a folder"),
    "out is an input": ({"out": "face.png"}, "would overwrite an input"),
    "strip is out": ({"strip": "out.png"}, "out.png: --out and --strip name the same file"),
    "mask of another size": ({"mask": "small.png"}, "mask has 8x8 pixels, the reference 32x32"),
    "mask that is all black": ({"mask": "black.png"}, "black.png: the mask selects nothing"),
    "NaN pixels": ({"reference": "nan.tif"}, "nan.tif: 9 of 1024 pixels are NaN or infinite"),
    "one row of pixels": ({"guides": "row.png"}, "row.png: 2001x1 pixels; a photo of a face needs"),
    "links in a circle": ({"reference": "circle.png"}, "circle.png: "),
    "a pipe": ({"guides": "pipe.png"}, "pipe.png: is a pipe or a device; expected a file"),
    "missing directions": (
        {"guides": None, "attribute": "x", "directions": "nowhere.safetensors"},
        "no such file of attribute directions",
    ),
    "an image as directions": (
        {"guides": None, "attribute": "x", "directions": "face.png"},
        "not a readable safetensors",
    ),
    "directions and guides": (
        {"directions": "face.png"},
        "--directions is where --attribute NAME is looked up",
    ),
    "strength not a number": ({"strength": "1,x"}, "--strength"),
    "repeated strength": (
        {"strength": "1,1"},
        "--strength takes one number, or several different ones",
    ),
    "amount not a number": (
        {"guides": None, "attribute": "Smiling:much"},
        "expected names with finite amounts, as in Smiling+Eyeglasses:0.5, not 'Smiling:much'",
    ),
    "empty attribute": (
        {"guides": None, "attribute": "Smiling+"},
        "expected names with finite amounts, as in Smiling+Eyeglasses:0.5, not ''",
    ),
    "channel without a factor": (
        {"guides": None, "channels": "conv3_1:4"},
        "expected LAYER:CHANNEL=FACTOR",
    ),
    "channel too large": (
        {"guides": None, "channels": "conv3_1:99=2"},
        "no channel conv3_1:99; conv3_1 has channels 0 to 7",
    ),
    "unknown layer": ({"guides": None, "channels": "conv9_1:0=2"}, "no layer 'conv9_1'"),
    "channels and guides": ({"channels": "conv3_1:0=2"}, "give either --guides"),
    "unknown region": ({"region": "ear"}, "unknown region 'ear'; expected mouth"),
    "region and mask": (
        {"region": "mouth", "mask": "face.png"},
        "give either --mask or --region, not both",
    ),
    "difference without a gallery": (
        {"target": "difference"},
        "--target difference compares faces of --gallery",
    ),
    "k without a gallery": ({"k": 3}, "which is missing"),
    "colours inside no region": (
        {"region": "none", "colour": "luma", "colour_at": "inside"},
        "--colour-at inside needs a region where the attribute acts",
    ),
    "unknown colour mode": ({"colour": "sepia"}, "--colour"),
    "box without alignment": ({"box": [1, 2, 3, 4]}, "--align none looks for no face"),
    "attribute without directions": (
        {"guides": None, "attribute": "Smiling"},
        "no attribute directions for the network 'tiny'",
    ),
    "a box that is not finite": ({"box": [1, 2, "nan", 4]}, "--box takes finite numbers, not nan"),
    "a box and landmarks": (
        {"box": [1, 2, 3, 4], "landmarks": list(range(10))},
        "give either --box or --landmarks",
    ),
    "a box and a number of a face": ({"box": [1, 2, 3, 4], "face": 2}, "--face chooses among"),
    "landmarks of one number": (
        {"landmarks": "123"},
        "--landmarks takes 10 numbers, not 1",
    ),
    "face zero": ({"face": 0}, "--face must be at least 1"),
    "gallery without attribute": ({"gallery": "."}, "--gallery needs --attribute"),
    "match without a gallery": ({"match": "Male"}, "which is missing"),
    "steps not a number": ({"steps": "many"}, "--steps"),
    "unknown optimizer": ({"optimizer": "newton"}, "--optimizer"),
    "unknown option": ({"hue": "red"}, "--hue"),
}


@pytest.mark.parametrize("case", BAD_INPUTS)
def test_bad_input_prints_one_line_and_writes_nothing(files, run, case):
    (files / "empty.png").touch()
    (files / "text.png").write_text("not an image")
    (files / "truncated.png").write_bytes((files / "face.png").read_bytes()[:200])
    (files / "folder.png").mkdir()
    PIL.Image.new("L", (8, 8)).save(files / "small.png")
    PIL.Image.new("L", (32, 32)).save(files / "black.png")
    PIL.Image.new("L", (2001, 1)).save(files / "row.png")
    PIL.Image.fromarray(
        np.where(np.arange(1024) < 9, np.nan, 0.5).astype(np.float32).reshape(32, 32)
    ).save(files / "nan.tif")
    (files / "circle.png").symlink_to(files / "circle.png")
    os.mkfifo(files / "pipe.png")
    before = sorted(files.iterdir())
    changes, message = BAD_INPUTS[case]
    paths = ("reference", "guides", "params", "out", "strip", "mask", "directions")
    code, out, err = run(
        **{
            name: files / value if name in paths and value else value
            for name, value in changes.items()
        }
    )
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert "Traceback" not in err + out
    assert sorted(files.iterdir()) == before


def test_what_was_unusual_about_files_is_printed_and_recorded(files, run):
    face = image.load(files / "face.png").mean(-1)
    face /= face.max()
    PIL.Image.fromarray(np.round(4095 * face).astype(np.uint16)).save(files / "deep.tif")
    PIL.Image.fromarray(np.uint8(7 * (face > face.mean()))).save(files / "classes.png")
    code, _, err = run(reference=files / "deep.tif", mask=files / "classes.png", steps=1)
    assert code == 0
    notes = [
        f"{files / 'deep.tif'}: read as 12 bits: no value is above 4095",
        f"{files / 'classes.png'}: mask read as class numbers 7, all selected",
    ]
    assert [line.partition(": ")[2] for line in err.splitlines()] == notes
    assert json.loads((files / "out.json").read_text())["notes"] == notes


def test_non_finite_run_exits_1(files, run):
    code, out, _ = run(optimizer="sgd", learning_rate=1e38, steps=20)
    assert code == 1
    assert "non_finite" in out
    record = json.loads((files / "out.json").read_text())
    assert record["status"] == "non_finite"
    assert np.isfinite(record["loss"]["first"])


@pytest.mark.long
def test_interrupt_keeps_the_best_image(files):
    """A process interrupted during its descent still writes its image and record."""
    command = [sys.executable, "-m", "facegen_jax", *arguments(files, steps=1_000_000)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=None
    )
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


def test_unwritable_folder_is_refused_up_front(files, monkeypatch):
    def refuse(path, mode):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    options = Edit(files / "face.png", files / "out.png", guides=(files / "guide.png",))
    with pytest.raises(OutputError, match=r"cannot be written to \(Read-only file system\)"):
        checks.check_outputs(options)


def test_default_weights_become_the_objective_weights():
    weights = Weights()
    assert recipe.objective(weights).weights == (
        recipe.TUNED_DESCRIPTOR * weights.identity,
        weights.attribute,
        weights.pixels,
        weights.total_variation,
        weights.chroma,
    )


@pytest.mark.parametrize("guided", [True, False])
@pytest.mark.parametrize("area", [None, 0.25])
@pytest.mark.parametrize("described", [True, False])
@pytest.mark.parametrize("held", [True, False])
def test_objective_has_identity_and_attribute_terms(guided, area, described, held):
    objective = recipe.objective(
        Weights(), guided=guided, area=area, held=held, described=described
    )
    terms = [type(term).__name__ for term in objective.terms]
    assert {"Attribute", "TotalVariation", "Chroma"} <= set(terms)
    assert ("DescriptorIdentity" in terms) == described
    assert ("AttributePixels" in terms) != guided
    assert terms.count("Identity") == held + (not described)
    assert {getattr(term, "mask", None) for term in objective.terms} == {
        None,
        *(["inside"] if area else []),
        *(["identity"] if held else []),
    }


def test_attribute_weights_scale_with_the_root_of_the_area():
    """The masked distances are means over the region, so a small region would else pull harder."""
    whole, part = (recipe.objective(Weights(), area=area) for area in (None, 0.25))
    assert part.weights[1:3] == tuple(0.5 * weight for weight in whole.weights[1:3])
