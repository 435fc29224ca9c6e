"""The natural amount for one face: a trial, a factor on the strength, and who shares it."""

import functools
import json
from dataclasses import replace

import numpy as np
import pytest

from facegen_jax.descent.solver import Solver
from facegen_jax.edit import calibration, recipe
from facegen_jax.edit.engine import edit
from facegen_jax.edit.settings import Edit, Weights
from facegen_jax.faces import image
from facegen_jax.network import checkpoint
from facegen_jax.network.direction import load_direction, save_directions
from facegen_jax.network.features import extract
from facegen_jax.network.metrics import attribute_scores
from facegen_jax.sweep import Sweep, run_sweep
from facegen_jax.types import Features, Image


@pytest.fixture
def save(folder, params):
    """Save directions in which Hat brightens the top, with levels; returns options that use them.

    The output of the random network that rises most in a trial scores Hat.
    """
    file, path = folder / "tiny.safetensors", folder / "hat.safetensors"
    options = Edit(
        folder / "0.png",
        folder / "out.png",
        attribute="Hat",
        directions=path,
        params=str(file),
        align="none",
        steps=3,
    )

    def write(names: list[str], without: float = 0.0, having: float = 0.0) -> Edit:
        metadata = {"network": "tiny", "image_size": "32", "attributes": json.dumps(names)}
        checkpoint.save_network(file, params, metadata)
        network, reference = checkpoint.load_network(str(file)), image.load(folder / "0.png")
        bright = reference.copy()
        bright[2:12] -= 0.1
        layers = ("image", *recipe.TUNED_LAYERS)
        before, after = (extract(params, face, layers) for face in (reference, bright))
        maps: Features = {layer: np.asarray(after[layer] - before[layer]) for layer in layers}
        levels = {"levels": json.dumps({"Hat": [without, having]})}
        save_directions(path, network, {"Hat": maps}, {"Hat": 1.0}, {"Bare": "Hat"}, levels)
        return options

    plain = replace(write(["Hat", "B", "C"]), scaling="natural", steps=100)
    rises = logits(plain, edit(plain)[0].solution.image) - logits(plain)
    names = ["A", "B", "C"]
    names[int(np.argmax(rises))] = "Hat"
    return functools.partial(write, names)


def logits(options: Edit, face: Image | None = None) -> np.ndarray:
    """Return the network's scores of a face, or of the reference."""
    network = checkpoint.load_network(options.params)
    return np.asarray(
        attribute_scores(network, image.load(options.reference) if face is None else face)
    )


def score(options: Edit, face: Image | None = None) -> float:
    """Return the score of Hat."""
    names = checkpoint.load_network(options.params).attributes
    return float(logits(options, face)[names.index("Hat")])


def factor(options: Edit) -> float | None:
    """Return the factor that an edit records."""
    edit(options)
    record = json.loads(options.outputs[0].with_suffix(".json").read_text())
    return record["metrics"].get("strength_factor")


def usual(level: float) -> tuple[float, float]:
    """Return usual scores without and with an attribute that put a natural one at a level."""
    return level - calibration.SHARE, level + 1 - calibration.SHARE


@pytest.fixture
def converged(monkeypatch):
    """Make trials so long that the random network, too, responds in proportion."""
    monkeypatch.setattr(calibration, "TRIALS", (100, 100))


def test_factor_takes_the_score_to_its_level(save, converged):
    plain = replace(save(), scaling="natural", steps=100)
    own = score(plain)
    rise = score(plain, edit(plain)[0].solution.image) - own
    assert rise > 0.01
    for share in (0.4, 0.7, 1.0):
        found = factor(save(*usual(own + share * rise)))
        result = edit(replace(plain, strength=(found,)))[0].solution.image
        assert score(plain, result) - own == pytest.approx(share * rise, abs=0.15 * rise)
    assert factor(save(*usual(own + 100 * rise))) == pytest.approx(calibration.MOST)
    assert factor(save(*usual(own - rise))) == pytest.approx(calibration.LEAST)


def test_turning_down_looks_at_the_level_without(save):
    own = score(save())
    for name, strength in (("Hat", -1.0), ("Bare", 1.0), ("Hat:-2", 0.5)):
        down = {"attribute": name, "strength": (strength,)}
        assert factor(replace(save(own - 100, own), **down)) == pytest.approx(calibration.MOST)
        assert factor(replace(save(own + 10, own + 50), **down)) == pytest.approx(calibration.LEAST)


@pytest.mark.parametrize(
    ("level", "expected"),
    [(-1.0, -0.5), (1.0, 0.5), (2.0, 1.0), (2.5, 1.5), (3.0, 2.0), (4.0, 3.0)],
)
def test_crossing_is_linear_between_trials_in_any_order(level, expected):
    tried, scores = np.array([0.0, 2.0, 1.0]), np.array([0.0, 3.0, 2.0])
    assert calibration._crossing(tried, scores, level) == pytest.approx(expected)


@pytest.mark.parametrize(
    "change",
    [
        {"weights": Weights(identity=5.0, attribute=0.2)},
        {"learning_rate": 0.001},
        {"optimizer": "sgd"},
        {"strength": (2.5,)},
        {"noise": 0.1, "seed": 3},
        {"steps": 7},
    ],
)
def test_factor_depends_on_face_and_attribute_alone(change, save):
    own = score(save())
    options = save(*usual(own + 0.7))
    expected = factor(options)
    assert expected not in (None, calibration.LEAST, calibration.MOST)
    assert factor(replace(options, **change)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        {"scaling": "natural"},
        {"strength": (0.0,)},
        {"objective": "own.py:own"},
        {"attribute": None, "directions": None, "channels": ("conv4_3:1=2",)},
    ],
)
def test_other_edits_are_not_calibrated(change, save, tmp_path):
    if "objective" in change:
        (tmp_path / "own.py").write_text("import facegen_jax as fg\nown = 1.0 * fg.Attribute()\n")
        change = {"objective": f"{tmp_path}/own.py:own"}
    assert factor(replace(save(-1, 1), **change)) is None


def test_directions_without_levels_are_not_calibrated(save):
    options = save(-1, 1)
    network = checkpoint.load_network(options.params)
    maps = load_direction(network, "Hat", options.directions).maps
    save_directions(options.directions, network, {"Hat": maps}, {"Hat": 1.0}, {}, {})
    assert factor(options) is None


def test_sweep_and_edit_agree_and_settings_of_a_face_share_a_trial(save, folder, monkeypatch):
    own = score(save())
    options = save(*usual(own + 0.7))
    (folder / "pairs.csv").write_text("reference,attribute\n0.png,Hat\n1.png,Hat\n")
    base = {name: getattr(options, name) for name in ("params", "align", "directions", "steps")}
    grid = ("strength=1,2,-1", "weights.identity=0.5,2")
    trials = []
    run = Solver.run_stacked

    def counted(self, network, problems, count=None, progress=None):
        trials.append(count)
        return run(self, network, problems, count, progress)

    monkeypatch.setattr(Solver, "run_stacked", counted)
    sweep = Sweep(folder / "pairs.csv", folder / "out", grid, batch_size=5, **base)
    found = list(run_sweep(sweep))
    assert [each.status for each in found] == ["ok"] * 12
    assert sum(trials) == 2 * 4  # two trials of two faces, up and down
    for each in found:
        alone = replace(
            options,
            reference=folder / each.pair["reference"],
            strength=(each.grid["strength"],),
            weights=Weights(identity=float(str(each.grid["weights.identity"]))),
        )
        assert factor(alone) == pytest.approx(each.metrics["strength_factor"], rel=1e-4)
        written = image.load(folder / "out" / each.image)
        np.testing.assert_allclose(written, image.load(folder / "out.png"), atol=2 / 255)
