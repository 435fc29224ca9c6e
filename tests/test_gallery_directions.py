"""Directions made of a gallery, and how well they separate faces that were held out."""

import json

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
HAT, BEARD = (slice(2, 8), slice(10, 22)), (slice(24, 30), slice(10, 22))


@pytest.fixture
def network(params):
    return Network(backbone_of(params, 32), params, "tiny", file_sha256="hash")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """120 grey pictures: a Hat brightens the top, a Beard darkens the bottom, and most who have the one have the other."""
    rng, place = np.random.default_rng(1), tmp_path_factory.mktemp("made") / "gallery"
    (place / "images").mkdir(parents=True)
    rows = ["filename,identity,Hat,No Hat,Beard,Rare"]
    for number in range(120):
        hat = number % 2
        beard = hat if number % 10 < 8 else 1 - hat
        picture = 0.5 + 0.05 * rng.normal(size=(32, 32, 3))
        picture[HAT] += 0.3 * hat
        picture[BEARD] -= 0.3 * beard
        image.save(place / "images" / f"{number}.png", np.clip(picture, 0, 1).astype(np.float32))
        rows.append(f"{number}.png,P{number // 2},{hat},{1 - hat},{beard},{int(number < 3)}")
    (place / "labels.csv").write_text("\n".join(rows))
    return place


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def build(folder, network, *attributes, controls=()):
    table = gallery.load_gallery(folder)
    described = features.describe(table, network, mode="none")
    return directions.build([(table, described)], network, attributes, controls, LAYERS, "none")


def test_a_direction_is_what_the_attribute_changes(folder, network):
    change = np.asarray(build(folder, network, "Hat", controls=("Beard",)).maps["Hat"]["image"])
    assert change[HAT].mean() == pytest.approx(0.3, abs=0.03)
    assert np.abs(change[BEARD]).mean() < 0.05
    assert np.abs(change[12:20]).mean() < 0.05


def test_without_the_control_its_change_comes_along(folder, network):
    change = np.asarray(build(folder, network, "Hat").maps["Hat"]["image"])
    assert change[BEARD].mean() < -0.1


def test_directions_separate_people_who_were_held_out(folder, network):
    made = build(folder, network, "Hat", "Beard")
    assert made.separation["Hat"]["image"] > 0.95
    assert made.separation["Beard"]["image"] > 0.95
    table = gallery.load_gallery(folder)
    assert made.faces["Hat"] == sample.counts(
        [sample.take(table, features.describe(table, network, mode="none"), ("Hat",), "none")], 0
    )
    assert sum(made.faces["Hat"].values()) == 120
    assert 0 < made.faces["Hat"]["held_out_with"] < made.faces["Hat"]["with"]


def test_held_out_people_do_not_touch_the_fit(folder, network, tmp_path):
    table = gallery.load_gallery(folder)
    out = sample.held_out(table)
    assert 0.1 < out.mean() < 0.3
    assert all(
        len(set(out[[name == each for name in table.identities]])) == 1 for each in table.identities
    )
    before = build(folder, network, "Hat").maps["Hat"]
    changed = tmp_path / folder.name
    changed.mkdir()
    (changed / "images").mkdir()
    (changed / "labels.csv").write_bytes((folder / "labels.csv").read_bytes())
    for place, name in enumerate(table.filenames):
        picture = (
            np.zeros((32, 32, 3), np.float32)
            if out[place]
            else image.load(folder / "images" / name)
        )
        image.save(changed / "images" / name, picture)
    again = build(changed, network, "Hat")
    for layer in LAYERS:
        np.testing.assert_array_equal(again.maps["Hat"][layer], before[layer])
    assert again.separation["Hat"]["image"] == 0.5


def test_separation_is_the_share_of_pairs_in_order(rng):
    scores, has = np.round(rng.normal(size=40), 1), rng.random(40) < 0.4
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[has] for b in scores[~has]]
    assert separation.separation(scores, has) == pytest.approx(np.mean(pairs))


def test_a_pair_counts_only_clean_labels(folder, network):
    """Where both are 0 the label is unknown."""
    table = gallery.load_gallery(folder)
    unclear = table._replace(
        labels=np.where((np.arange(120) % 4 == 0)[:, None], 0, table.labels).astype(np.int8)
    )
    taken = sample.take(
        unclear, features.describe(table, network, mode="none"), ("Hat/No Hat", "Hat"), "none"
    )
    np.testing.assert_array_equal(np.isnan(taken.labels[:, 0]), np.arange(120) % 4 == 0)
    assert not np.isnan(taken.labels[:, 1]).any()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("Cap",), "no gallery has the attribute 'Cap'; they label Beard, Hat"),
        (("Rare",), "Rare: . faces with it"),
    ],
)
def test_names_without_enough_faces_are_refused(names, message, folder, network):
    with pytest.raises(GalleryError, match=message):
        build(folder, network, *names)


@pytest.fixture
def run(monkeypatch, capsys, tmp_path, params):
    checkpoint.save_network(
        tmp_path / "tiny.safetensors", params, {"network": "tiny", "image_size": "32"}
    )

    def run(command, *arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(
            "sys.argv",
            [
                "command",
                *map(str, arguments),
                "--params",
                str(tmp_path / "tiny.safetensors"),
                "--align",
                "none",
            ],
        )
        try:
            code = command.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, *capsys.readouterr()

    return run


def test_command_makes_directions_that_edits_use(run, folder, tmp_path):
    made = tmp_path / "made.safetensors"
    code, out, err = run(
        gallery_command,
        folder,
        "--directions",
        made,
        "--attributes",
        "Hat/No Hat",
        "Beard",
        "--scales",
        2,
        1,
    )
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["Hat", "Beard"]
    network = checkpoint.load_network(tmp_path / "tiny.safetensors")
    hat, bare = (direction.load_direction(network, name, made) for name in ("hat", "No Hat"))
    assert np.asarray(hat.maps["image"])[HAT].mean() == pytest.approx(0.6, abs=0.1)
    np.testing.assert_array_equal(np.asarray(bare.maps["image"]), -np.asarray(hat.maps["image"]))
    _, metadata, _ = checkpoint.read_tensors(made)
    assert json.loads(metadata["separation"])["Hat"]["image"] > 0.95
    assert json.loads(metadata["faces"])["Hat"]["with"] > 30
    arguments = (
        "--reference",
        folder / "images" / "0.png",
        "--attribute",
        "Hat",
        "--directions",
        made,
        "--steps",
        30,
        "--out",
        tmp_path / "out.png",
    )
    assert run(edit_command, *arguments)[0] == 0
    change = image.load(tmp_path / "out.png") - image.load(folder / "images" / "0.png")
    assert change[HAT].mean() > 0.02
    assert change[HAT].mean() > 3 * abs(change[12:20].mean())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--directions", "x.safetensors"),
            "--directions FILE and --attributes NAME [...] belong together",
        ),
        (
            ("--directions", "x.npz", "--attributes", "Hat"),
            "expected the name of a .safetensors file",
        ),
        (
            (
                "--directions",
                "x.safetensors",
                "--attributes",
                "Hat",
                "Beard",
                "--scales",
                "1",
                "2",
                "3",
            ),
            "--scales takes one number, or one for each",
        ),
        (
            ("--directions", "x.safetensors", "--attributes", "Hat", "Hat/No Hat"),
            "--attributes names one twice",
        ),
        (
            ("--directions", "x.safetensors", "--attributes", "Cap"),
            "no gallery has the attribute 'Cap'",
        ),
        (
            ("--directions", "x.safetensors", "--attributes", "Hat", "--layers", "conv9_9"),
            "no layer 'conv9_9'",
        ),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    arguments, message, run, folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(gallery_command, folder, *arguments)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert out == ""
    assert not (tmp_path / "x.safetensors").exists()
