"""Directions fitted on a gallery, and how well they separate held-out faces."""

import json
import shlex

import numpy as np
import pytest

from facegen_jax import __main__ as edit_command
from facegen_jax import gallery
from facegen_jax.faces import image
from facegen_jax.gallery import GalleryError, directions, features, sample, separation
from facegen_jax.gallery import __main__ as gallery_command
from facegen_jax.network import checkpoint, direction
from facegen_jax.network.protocol import Network
from facegen_jax.network.vgg_face import backbone_of

LAYERS = ("image", "conv2_2")
HAT, BEARD = (slice(2, 8), slice(10, 22)), (slice(28, 32), slice(10, 22))


@pytest.fixture
def network(params):
    return Network(backbone_of(params, 32), params, "tiny", file_sha256="hash")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """120 grey images: Hat brightens the top, Beard darkens the bottom, and the two correlate."""
    rng, folder = np.random.default_rng(1), tmp_path_factory.mktemp("hats") / "gallery"
    (folder / "images").mkdir(parents=True)
    lines = ["filename,identity,Hat,No Hat,Beard,Rare"]
    for row in range(120):
        hat = row % 2
        beard = hat if row % 10 < 8 else 1 - hat
        face = 0.5 + 0.05 * rng.normal(size=(32, 32, 3))
        face[HAT] += 0.3 * hat
        face[BEARD] -= 0.3 * beard
        image.save(folder / "images" / f"{row}.png", np.clip(face, 0, 1).astype(np.float32))
        lines.append(f"{row}.png,P{row // 2},{hat},{1 - hat},{beard},{int(row < 3)}")
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def build(folder, network, *attributes, controls=()):
    table = gallery.load_gallery(folder)
    described = features.describe(table, network, mode="none")
    return directions.build([(table, described)], network, attributes, controls, LAYERS, "none")


def test_direction_is_the_change_by_its_attribute(folder, network):
    change = np.asarray(build(folder, network, "Hat", controls=("Beard",)).maps["Hat"]["image"])
    assert change[HAT].mean() == pytest.approx(0.3, abs=0.03)
    assert np.abs(change[BEARD]).mean() < 0.05
    assert np.abs(change[12:20]).mean() < 0.05


def test_correlated_attribute_leaks_in_without_a_control(folder, network):
    change = np.asarray(build(folder, network, "Hat").maps["Hat"]["image"])
    assert change[BEARD].mean() < -0.1


def test_light_is_no_part_of_a_direction(network, tmp_path):
    """Photos with a hat were taken in brighter light, or light from the right."""
    rng, ramp = np.random.default_rng(2), np.linspace(-0.15, 0.15, 32)[None, :, None]
    (tmp_path / "images").mkdir()
    lines = ["filename,Hat"]
    for row in range(120):
        hat, side = row % 2, rng.uniform(-1, 1)
        face = 0.5 + 0.05 * rng.normal(size=(32, 32, 3)) + 0.1 * (hat + rng.uniform(-1, 1))
        face += (side + hat) * ramp
        face[HAT] += 0.2 * hat
        image.save(tmp_path / "images" / f"{row}.png", np.clip(face, 0, 1).astype(np.float32))
        lines.append(f"{row}.png,{hat}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    change = np.asarray(build(tmp_path, network, "Hat").maps["Hat"]["image"])
    assert change[HAT].mean() == pytest.approx(0.2, abs=0.04)
    assert abs(change[8:].mean()) < 0.03
    assert np.abs(change[8:].mean((0, 2))).max() < 0.05


def test_directions_separate_held_out_people(folder, network):
    fitted = build(folder, network, "Hat", "Beard")
    assert fitted.separation["Hat"]["image"] > 0.95
    assert fitted.separation["Beard"]["image"] > 0.95
    table = gallery.load_gallery(folder)
    described = features.describe(table, network, mode="none")
    taken = sample.take(table, described, ("Hat",), "none")
    assert fitted.faces["Hat"] == sample.counts([taken], 0)
    assert sum(fitted.faces["Hat"].values()) == 120
    assert 0 < fitted.faces["Hat"]["held_out_with"] < fitted.faces["Hat"]["with"]


def test_held_out_people_do_not_affect_the_fit(folder, network, tmp_path):
    table = gallery.load_gallery(folder)
    held_out = sample.held_out(table)
    assert 0.1 < held_out.mean() < 0.3
    for identity in table.identities:
        assert len(set(held_out[[each == identity for each in table.identities]])) == 1
    before = build(folder, network, "Hat").maps["Hat"]
    blackened = tmp_path / folder.name
    (blackened / "images").mkdir(parents=True)
    (blackened / "labels.csv").write_bytes((folder / "labels.csv").read_bytes())
    for row, name in enumerate(table.filenames):
        black = np.zeros((32, 32, 3), np.float32)
        face = black if held_out[row] else image.load(folder / "images" / name)
        image.save(blackened / "images" / name, face)
    after = build(blackened, network, "Hat")
    for layer in LAYERS:
        np.testing.assert_array_equal(after.maps["Hat"][layer], before[layer])
    assert after.separation["Hat"]["image"] == 0.5


def test_separation_is_the_share_of_ordered_pairs(rng):
    scores, has = np.round(rng.normal(size=40), 1), rng.random(40) < 0.4
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[has] for b in scores[~has]]
    assert separation.separation(scores, has) == pytest.approx(np.mean(pairs))


def test_pair_of_opposites_is_unknown_where_both_are_0(folder, network):
    table = gallery.load_gallery(folder)
    ambiguous = np.arange(120) % 4 == 0
    changed = np.where(ambiguous[:, None], 0, table.labels).astype(np.int8)
    described = features.describe(table, network, mode="none")
    names = ("Hat/No Hat", "Hat")
    taken = sample.take(table._replace(labels=changed), described, names, "none")
    np.testing.assert_array_equal(np.isnan(taken.labels[:, 0]), ambiguous)
    assert not np.isnan(taken.labels[:, 1]).any()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("Cap",), "no gallery has the attribute 'Cap'; they label Beard, Hat"),
        (("Rare",), "Rare: . faces with it"),
    ],
)
def test_attributes_with_too_few_faces_are_refused(names, message, folder, network):
    with pytest.raises(GalleryError, match=message):
        build(folder, network, *names)


@pytest.fixture
def run(run_command, tmp_path, params):
    """Run a command with the tiny network and without alignment."""
    network = tmp_path / "tiny.safetensors"
    checkpoint.save_network(network, params, {"network": "tiny", "image_size": "32"})
    return lambda command, *arguments: run_command(
        command.main, *arguments, "--params", network, "--align", "none"
    )


def test_edit_uses_directions_built_by_the_gallery_command(run, folder, tmp_path):
    path, out = tmp_path / "hats.safetensors", tmp_path / "out.png"
    attributes = ("--attributes", "Hat/No Hat", "Beard")
    code, output, err = run(
        gallery_command, folder, "--directions", path, *attributes, "--scales", 2, 1
    )
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in output.splitlines()[1:]] == ["Hat", "Beard"]

    network = checkpoint.load_network(tmp_path / "tiny.safetensors")
    hat, bare = (direction.load_direction(network, name, path) for name in ("hat", "No Hat"))
    assert np.asarray(hat.maps["image"])[HAT].mean() == pytest.approx(0.6, abs=0.1)
    np.testing.assert_array_equal(np.asarray(bare.maps["image"]), -np.asarray(hat.maps["image"]))
    _, metadata, _ = checkpoint.read_tensors(path)
    assert json.loads(metadata["separation"])["Hat"]["image"] > 0.95
    assert json.loads(metadata["faces"])["Hat"]["with"] > 30

    reference = folder / "images" / "0.png"
    paths = ("--reference", reference, "--directions", path, "--out", out)
    assert run(edit_command, *paths, "--attribute", "Hat", "--steps", 30)[0] == 0
    change = image.load(out) - image.load(reference)
    assert change[HAT].mean() > 0.02
    assert change[HAT].mean() > 3 * abs(change[12:20].mean())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            "--directions x.safetensors",
            "--directions FILE and --attributes NAME [...] belong together",
        ),
        (
            "--directions x.npz --attributes Hat",
            "expected the name of a .safetensors file",
        ),
        (
            "--directions x.safetensors --attributes Hat Beard --scales 1 2 3",
            "--scales takes one number, or one for each",
        ),
        (
            "--directions x.safetensors --attributes Hat 'Hat/No Hat'",
            "--attributes names one twice",
        ),
        (
            "--directions x.safetensors --attributes Cap",
            "no gallery has the attribute 'Cap'",
        ),
        (
            "--directions x.safetensors --attributes Hat --layers conv9_9",
            "no layer 'conv9_9'",
        ),
    ],
)
def test_bad_input_prints_one_line_and_writes_nothing(
    options, message, run, folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(gallery_command, folder, *shlex.split(options))
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert out == ""
    assert not (tmp_path / "x.safetensors").exists()
