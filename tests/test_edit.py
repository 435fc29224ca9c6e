"""The command line: a whole edit, its files, and one line for every kind of bad input."""

import json
import signal
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

from facegen_jax.__main__ import main
from facegen_jax.descent import losses
from facegen_jax.edit import checks, recipe
from facegen_jax.edit.attribute import default_region
from facegen_jax.edit.settings import Edit, Weights
from facegen_jax.faces import image, regions
from facegen_jax.network import checkpoint
from facegen_jax.network.direction import save_directions
from facegen_jax.network.vgg_face import extract
from facegen_jax.types import Features


@pytest.fixture
def files(tmp_path, params, picture, guide):
    """A reference, a guide and a tiny network on disk."""
    image.save(tmp_path / "face.png", picture)
    image.save(tmp_path / "guide.png", guide)
    checkpoint.save_network(
        tmp_path / "tiny.safetensors", params, {"network": "tiny", "image_size": "32"}
    )
    return tmp_path


def arguments(folder, **changes):
    given = {
        "reference": folder / "face.png",
        "guides": folder / "guide.png",
        "out": folder / "out.png",
        "params": folder / "tiny.safetensors",
    }
    given |= {"steps": 5, "align": "none"} | changes
    return [
        str(part)
        for name, value in given.items()
        if value is not None
        for part in (f"--{name.replace('_', '-')}", value)
    ]


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
    }
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


def test_the_record_repeats_the_run(files, run):
    run()
    first = image.load(files / "out.png")
    run(out=files / "again.png")
    np.testing.assert_array_equal(first, image.load(files / "again.png"))


def test_options_reach_the_run(files, run):
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


def change(folder, name="out.png"):
    return image.load(folder / name) - image.load(folder / "face.png")


@pytest.fixture
def directions(files):
    """Directions of the tiny network: Hat brightens the top, Beard darkens the bottom."""
    network = checkpoint.load_network(files / "tiny.safetensors")
    hat, beard = np.zeros((32, 32, 3), np.float32), np.zeros((32, 32, 3), np.float32)
    hat[2:12], beard[20:30] = 0.2, -0.2
    reference = image.load(files / "face.png")
    own, *moved = (
        extract(network.params, picture, ("image", *recipe.TUNED_LAYERS))
        for picture in (reference, reference + hat, reference + beard)
    )
    maps: dict[str, Features] = {
        name: {layer: np.asarray(each[layer] - own[layer]) for layer in own}
        for name, each in zip(("Hat", "Beard"), moved, strict=True)
    }
    save_directions(
        files / "made.safetensors",
        network,
        maps,
        {"Hat": 1.0, "Beard": 1.0},
        {"Shaven": "Beard"},
        {},
    )
    return {"guides": None, "directions": files / "made.safetensors", "steps": 60}


def test_several_strengths_follow_on_each_other(files, run, directions):
    """Each picture has its own file and record, starts from the one before, and shows more."""
    code, out, _ = run(
        **directions, attribute="Hat", strength="0.5,1,1.5", strip=files / "strip.png"
    )
    assert code == 0
    assert len(out.splitlines()) == 3
    assert not (files / "out.png").exists()
    amounts = [
        change(files, f"out_{strength}.png")[2:12].mean() for strength in ("0.5", "1", "1.5")
    ]
    assert amounts[0] > 0.02
    assert amounts[0] < amounts[1] < amounts[2]
    records = [
        json.loads((files / f"out_{strength}.json").read_text()) for strength in ("0.5", "1", "1.5")
    ]
    assert [record["config"]["strength"] for record in records] == [[0.5], [1.0], [1.5]]
    run(**directions, attribute="Hat", strength="1.5")
    alone = json.loads((files / "out.json").read_text())["loss"]
    assert records[2]["loss"]["first"] < alone["first"]
    assert image.load(files / "strip.png").shape[1] > 3.9 * 224


def test_attributes_add_up(files, run, directions):
    assert run(**directions, attribute="Hat+Beard:0.5")[0] == 0
    both = change(files)
    assert both[2:12].mean() > 0.05
    assert both[20:30].mean() < -0.02
    assert abs(both[2:12].mean()) > 1.3 * abs(both[20:30].mean())
    assert run(**directions, attribute="Hat+Shaven")[0] == 0
    assert change(files)[20:30].mean() > 0.02


def test_channels_can_be_tuned(files, run, params, picture):
    """The tuned channel's map grows more than the others do on average."""
    maps = np.asarray(extract(params, picture, ("conv3_1",))["conv3_1"])
    channel = int(maps.mean((0, 1)).argmax())
    weights = {f"weights.{name}": 0 for name in ("identity", "total-variation", "chroma")}
    assert run(guides=None, channels=f"conv3_1:{channel}=1.5", steps=60, **weights)[0] == 0
    after = np.asarray(extract(params, image.load(files / "out.png"), ("conv3_1",))["conv3_1"])
    grown = after.mean((0, 1)) / (maps.mean((0, 1)) + 1e-6)
    assert grown[channel] > 1.15
    assert abs(grown[channel] - 1.5) < np.abs(np.delete(grown, channel) - 1.5).min()


def test_a_region_says_where_the_attribute_acts(files, run, directions):
    inside = regions.region("jaw", 32) > 0.9
    shares = {}
    for region in ("jaw", "none"):
        assert run(**directions, attribute="Hat", region=region)[0] == 0
        shares[region] = np.abs(change(files))[2:12].mean()
    assert shares["jaw"] < 0.2 * shares["none"]
    assert run(**directions, attribute="Beard", region="jaw")[0] == 0
    moved = np.abs(change(files)).mean(-1)
    assert moved[inside].mean() > 3 * moved[:12].mean()


def test_identity_has_a_place_of_its_own(files, run, directions):
    """Held at the top, the hat comes less; nowhere, more."""
    amounts = {}
    for held in ("hair+brows+eyes", "none"):
        assert (
            run(**directions, attribute="Hat", identity_region=held, **{"weights.identity": 10})[0]
            == 0
        )
        amounts[held] = np.abs(change(files))[2:12].mean()
    assert amounts["hair+brows+eyes"] < 0.7 * amounts["none"]


@pytest.mark.parametrize(("attribute", "guided", "region"), [("Smiling", False, "mouth+cheeks"), ("smiling+Bushy_Eyebrows", True, "mouth+cheeks+brows"),
    ("Hat", False, None), ("Smiling+Hat", False, None), ("Hat", True, "face"), ("Eyeglasses/No Eyewear", True, "eyes+brows"), (None, True, "face")])  # fmt: skip
def test_attributes_have_a_region_by_default(attribute, guided, region, tmp_path):
    config = Edit(tmp_path / "face.png", tmp_path / "out.png", attribute=attribute)
    assert default_region(config, guided=guided) == region


@pytest.mark.parametrize("way", ["luma", "statistics", "histogram"])
def test_colours_can_be_kept(way, files, run):
    """By guides of other colours; the same run without the option strays further."""
    if way == "histogram":
        pytest.importorskip("skimage", reason="needs the extra `colour`")
    weights = {"weights.chroma": 0, "weights.total-variation": 1}
    strayed = {}
    for colours in ("free", way):
        assert run(steps=40, region="none", colour=colours, **weights)[0] == 0
        difference = losses.chroma(change(files)) if way == "luma" else change(files).mean((0, 1))
        strayed[colours] = float(np.abs(difference).mean())
    assert strayed[way] < 0.3 * strayed["free"]
    if way != "luma":
        assert run(steps=40, region="jaw", colour=way, colour_at="outside", **weights)[0] == 0


BAD = {
    "missing reference": ({"reference": "nowhere.png"}, "nowhere.png: no such file"),
    "missing guide": ({"guides": "nowhere.png"}, "nowhere.png: no such file"),
    "empty picture": ({"reference": "empty.png"}, "empty.png: is empty"),
    "text as picture": ({"reference": "text.png"}, "text.png: not an image"),
    "truncated picture": ({"guides": "truncated.png"}, "truncated.png: cannot be read"),
    "missing network": ({"params": "nowhere.safetensors"}, "no such network file"),
    "text as network": ({"params": "text.png"}, "not a readable safetensors file"),
    "no attribute, no guide": ({"guides": None}, "give either --guides"),
    "both": ({"attribute": "Smiling"}, "give either --guides"),
    "nan weight": ({"weights.attribute": "nan"}, "--weights.attribute must be a finite number"),
    "nan rate": ({"learning_rate": "nan"}, "--learning-rate must be a finite number"),
    "infinite strength": ({"strength": "inf"}, "--strength must be a finite number"),
    "negative weight": (
        {"weights.total-variation": -1},
        "--weights.total-variation must not be negative",
    ),
    "no steps": ({"steps": 0}, "--steps must be at least 1"),
    "tiny size": ({"size": 3}, "--size must be from 16"),
    "huge size": ({"size": 100000}, "--size must be from 16 to 4096"),
    "unknown ending": ({"out": "out.xyz"}, "pictures are written as .png"),
    "missing folder": ({"out": "nowhere/out.png"}, "no such folder"),
    "out is a folder": ({"out": "folder.png"}, "is a folder"),
    "overwrites an input": ({"out": "face.png"}, "would overwrite an input"),
    "strip is out": ({"strip": "out.png"}, "--strip and --out name the same file"),
    "mask of another size": ({"mask": "small.png"}, "mask has 8x8 pixels, the reference 32x32"),
    "no such directions": (
        {"guides": None, "attribute": "x", "directions": "nowhere.safetensors"},
        "no such file of attribute directions",
    ),
    "a picture for directions": (
        {"guides": None, "attribute": "x", "directions": "face.png"},
        "not a readable safetensors",
    ),
    "directions for guides": (
        {"directions": "face.png"},
        "--directions is where --attribute NAME is looked up",
    ),
    "no number in strengths": ({"strength": "1,x"}, "--strength"),
    "the same strength twice": (
        {"strength": "1,1"},
        "--strength takes one number, or several different ones",
    ),
    "no amount": ({"guides": None, "attribute": "Smiling:much"}, "'much' is no amount"),
    "empty name": ({"guides": None, "attribute": "Smiling+"}, "expected names with finite amounts"),
    "channel without factor": (
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
    "difference without gallery": (
        {"target": "difference"},
        "--target difference compares faces of --gallery",
    ),
    "k without gallery": ({"k": 3}, "which is missing"),
    "colours nowhere": (
        {"region": "none", "colour": "luma", "colour_at": "inside"},
        "--colour-at inside needs a place",
    ),
    "unknown colours": ({"colour": "sepia"}, "--colour"),
    "box without looking": ({"box": "1 2 3 4"}, "--box"),
    "attribute without directions": (
        {"guides": None, "attribute": "Smiling"},
        "no attribute directions for the network 'tiny'",
    ),
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
    paths = ("reference", "guides", "params", "out", "strip", "mask", "directions")
    code, out, err = run(
        **{
            key: files / value if key in paths and value else value
            for key, value in changes.items()
        }
    )
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


def test_an_unwritable_folder_is_refused_before_work(files, monkeypatch):
    def refuse(**_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(checks.EditError, match=r"cannot be written to \(Read-only file system\)"):
        checks.check(Edit(files / "face.png", files / "out.png", guides=(files / "guide.png",)))


def test_defaults_of_command_and_objective_agree():
    weights = Weights()
    shares = (
        recipe.DESCRIPTOR_SHARE * weights.identity,
        weights.attribute,
        weights.pixels,
        weights.total_variation,
        weights.chroma,
    )
    assert recipe.objective(weights).weights == shares


@pytest.mark.parametrize("guided", [True, False])
@pytest.mark.parametrize("area", [None, 0.25])
@pytest.mark.parametrize("described", [True, False])
@pytest.mark.parametrize("held", [True, False])
def test_every_objective_holds_the_person_and_brings_the_attribute(guided, area, described, held):
    made = recipe.objective(Weights(), guided=guided, area=area, held=held, described=described)
    terms = [type(term).__name__ for term in made.terms]
    assert {"Attribute", "TotalVariation", "Chroma"} <= set(terms)
    assert ("DescriptorIdentity" in terms) == described
    assert ("AttributePixels" in terms) != guided
    assert terms.count("Identity") == held + (not described)
    assert {getattr(term, "mask", None) for term in made.terms} == {
        None,
        *(["inside"] if area else []),
        *(["identity"] if held else []),
    }


def test_a_small_region_is_pushed_no_harder_for_being_small():
    whole, part = (recipe.objective(Weights(), area=area) for area in (None, 0.25))
    assert part.weights[1:3] == tuple(0.5 * weight for weight in whole.weights[1:3])
