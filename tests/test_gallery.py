"""Faces of a gallery described, cached and searched; and an edit by the most similar of them."""

import json

import numpy as np
import pytest

from facegen_jax import __main__ as edit_command
from facegen_jax import gallery
from facegen_jax.faces import geometry, image
from facegen_jax.gallery import GalleryError, features, labels, search
from facegen_jax.gallery import __main__ as gallery_command
from facegen_jax.network import checkpoint
from facegen_jax.network.protocol import Network
from facegen_jax.network.vgg_face import backbone_of

PEOPLE = ("Ann", "Ann", "Bob", "Bob", "Cid", "Cid", "Dan", "")


@pytest.fixture
def network(params):
    return Network(
        backbone_of(params, 32), params, "tiny", ("Smiling", "Male", "Other"), file_sha256="hash"
    )


@pytest.fixture
def folder(tmp_path, picture, rng, monkeypatch):
    """Eight different pictures; Smiling at even places, Male at the first four, Hat known of nobody."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place = tmp_path / "gallery"
    (place / "images").mkdir(parents=True)
    rows = ["filename,identity,Smiling,Male,Hat,Scarf"]
    for number, person in enumerate(PEOPLE):
        image.save(
            place / "images" / f"{number}.png",
            np.clip(picture + 0.3 * rng.normal(size=picture.shape), 0, 1).astype(np.float32),
        )
        rows.append(f"{number}.png,{person},{int(number % 2 == 0)},{int(number < 4)},,1")
    (place / "labels.csv").write_text("\n".join(rows))
    return place


@pytest.fixture
def count(folder, network):
    """Describe the gallery and tell how many faces had to be computed."""

    def count(network=network, **options) -> int:
        totals = []
        features.describe(
            gallery.load_gallery(folder),
            network,
            mode="none",
            progress=lambda done, total: totals.append(total),
            **options,
        )
        return totals[0]

    return count


def described(folder, network, layers=()):
    return features.describe(gallery.load_gallery(folder), network, layers, mode="none")


def test_features_have_unit_length_and_are_those_of_the_network(folder, network):
    found = described(folder, network)
    np.testing.assert_allclose(np.linalg.norm(found.features, axis=1), 1, rtol=1e-5)
    picture = image.load(folder / "images" / "3.png")
    np.testing.assert_allclose(
        found.features[3], features.features_of(network, picture[None])[0], atol=1e-5
    )
    assert np.isnan(found.landmarks).all()


def test_a_second_time_computes_nothing(folder, network, count):
    assert count() == 8
    assert count() == 0
    first, again = described(folder, network), described(folder, network)
    np.testing.assert_array_equal(first.features, again.features)
    assert first.hashes == again.hashes


def test_what_changed_is_computed_again(folder, network, count, picture):
    count()
    before = described(folder, network)
    image.save(folder / "images" / "5.png", picture)
    assert count() == 1
    after = described(folder, network)
    changed = np.any(before.features != after.features, axis=1)
    np.testing.assert_array_equal(changed, np.arange(8) == 5)


def test_another_network_layer_or_folder_never_shares_a_cache(folder, network, count):
    count()
    assert count(network._replace(sha256="other")) == 8
    assert count(layers=("conv3_3",)) == 8
    assert count(layers=("conv3_3", "conv4_3")) == 8
    assert count() == 0
    folder.rename(folder.with_name("moved"))
    moved = []
    features.describe(
        gallery.load_gallery(folder.with_name("moved")),
        network,
        mode="none",
        progress=lambda done, total: moved.append(total),
    )
    assert moved[0] == 8


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:100],
        lambda content: content[:-200],
        lambda content: b"x" * 5000,
    ],
)
def test_a_damaged_cache_is_made_anew(damage, folder, network, count, tmp_path):
    expected = described(folder, network).features
    (cache,) = (tmp_path / "cache" / "facegen_jax" / "galleries").iterdir()
    cache.write_bytes(damage(cache.read_bytes()))
    assert count() == 8
    np.testing.assert_array_equal(described(folder, network).features, expected)


def test_a_killed_run_goes_on(folder, network, count, monkeypatch):
    monkeypatch.setattr(features, "BATCH", 2)
    monkeypatch.setattr(features, "SAVE_EVERY", 2)

    def stop(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        features.describe(gallery.load_gallery(folder), network, mode="none", progress=stop)
    assert 0 < count() <= 6


def test_unreadable_pictures_are_told_and_left_out(folder, network):
    (folder / "images" / "2.png").write_text("no picture")
    (folder / "images" / "4.png").unlink()
    found = described(folder, network)
    assert [bool(failure) for failure in found.failures] == [
        False,
        False,
        True,
        False,
        True,
        False,
        False,
        False,
    ]
    face = search.Query(found.features[0], 0, "Ann")
    smiling = labels.having(gallery.load_gallery(folder), "Smiling")
    places, _ = search.nearest(gallery.load_gallery(folder), found, face, smiling, 1)
    assert places == [6]
    again = described(folder, network)
    assert again.failures == found.failures


def test_nearest_are_the_nearest(folder, network):
    found, table = described(folder, network), gallery.load_gallery(folder)
    face = search.query(
        table, found, network, image.load(folder / "images" / "0.png"), folder / "images" / "0.png"
    )
    assert face.row == 0
    everyone = np.ones(8, bool)
    places, cosines = search.nearest(table, found, face, everyone, 6)
    assert set(places) == {2, 3, 4, 5, 6, 7}  # neither the file itself nor the other picture of Ann
    np.testing.assert_allclose(
        cosines, sorted(found.features[2:] @ found.features[0], reverse=True), rtol=1e-6
    )
    with pytest.raises(GalleryError, match=r"6 faces fit, 7 are needed"):
        search.nearest(table, found, face, everyone, 7)


def test_of_similar_faces_those_whose_landmarks_fit_are_taken(folder, network, rng):
    found, table = described(folder, network), gallery.load_gallery(folder)
    face = search.Query(found.features[0], 0, "Ann")
    by_similarity, _ = search.nearest(table, found, face, np.ones(8, bool), 6)
    turned = (
        geometry.TEMPLATE @ np.array([[0.0, 40.0], [-40.0, 0.0]]) + 60
    )  # the same geometry, elsewhere
    landmarks = np.stack([turned + 3 * rng.normal(size=(5, 2)) for _ in range(8)]).astype(
        np.float32
    )
    fitting = [by_similarity[3], by_similarity[1]]
    landmarks[fitting] = turned
    landmarks[by_similarity[0]] = np.nan
    found = found._replace(landmarks=landmarks)
    taken, cosines = search.nearest(
        table, found, face, np.ones(8, bool), 2, points=geometry.TEMPLATE * 31, candidates=2
    )
    assert taken == [by_similarity[1], by_similarity[3]]
    assert cosines == sorted(cosines, reverse=True)
    assert (
        search.nearest(
            table, found, face, np.ones(8, bool), 2, points=geometry.TEMPLATE * 31, candidates=1
        )[0]
        == by_similarity[:2]
    )


def test_a_named_person_is_never_their_own_guide(folder, network, tmp_path, picture):
    image.save(tmp_path / "new.png", picture)
    found, table = described(folder, network), gallery.load_gallery(folder)
    face = search.query(table, found, network, picture, tmp_path / "new.png", (), "Bob")
    assert not {2, 3} & set(search.nearest(table, found, face, np.ones(8, bool), 6)[0])
    with pytest.raises(GalleryError, match="nobody in it is called 'Bab', did you mean 'Bob'"):
        search.query(table, found, network, picture, tmp_path / "new.png", (), "Bab")


def test_the_same_file_under_another_name_is_no_guide(folder, network, tmp_path):
    """Also of a person whom nobody named."""
    (folder / "images" / "6.png").write_bytes((folder / "images" / "7.png").read_bytes())
    elsewhere = tmp_path / "my photo.png"
    elsewhere.write_bytes((folder / "images" / "7.png").read_bytes())
    found = described(folder, network)
    face = search.query(
        gallery.load_gallery(folder), found, network, image.load(elsewhere), elsewhere
    )
    places, _ = search.nearest(gallery.load_gallery(folder), found, face, np.ones(8, bool), 5)
    assert not {6, 7} & set(places)


def test_matching_takes_the_label_and_else_what_the_network_sees(folder, network, picture):
    table = gallery.load_gallery(folder)
    inside, outside = (
        search.Query(np.zeros(4, np.float32), 1),
        search.Query(np.zeros(4, np.float32)),
    )
    np.testing.assert_array_equal(
        search.matching(table, network, inside, picture, "Male"), np.arange(8) < 4
    )
    seen = search.matching(table, network, outside, picture, "male")
    assert seen.tolist() in ([True] * 4 + [False] * 4, [False] * 4 + [True] * 4)
    with pytest.raises(GalleryError, match="--match Scarf: the reference's own value is not known"):
        search.matching(table, network, outside, picture, "Scarf")


@pytest.fixture
def run(monkeypatch, capsys, tmp_path, params):
    checkpoint.save_network(
        tmp_path / "tiny.safetensors",
        params,
        {"network": "tiny", "image_size": "32", "attributes": '["Smiling", "Male", "Other"]'},
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


def test_command_edits_by_the_gallery(run, folder, tmp_path):
    out = tmp_path / "out.png"
    arguments = (
        "--reference",
        folder / "images" / "1.png",
        "--gallery",
        folder,
        "--attribute",
        "smiling",
        "--k",
        2,
        "--steps",
        5,
        "--out",
        out,
    )
    assert run(edit_command, *arguments)[0] == 0
    record = json.loads(out.with_suffix(".json").read_text())
    assert len(record["guides"]) == 2
    assert {guide["path"].rpartition("/")[2] for guide in record["guides"]} <= {
        "2.png",
        "4.png",
        "6.png",
    }
    assert record["metrics"]["attribute_gain"] is not None
    assert len(record["inputs"]) == 3
    assert (
        run(edit_command, *arguments, "--match", "Male")[0] == 2
    )  # of men who smile there are two, one of them the same person


@pytest.mark.parametrize("target", ["patches", "mean", "weighted", "difference"])
def test_every_target_comes_from_one_command(target, run, folder, tmp_path):
    """Pictures differ by target, and the record names the faces that were used."""
    arguments = (
        "--reference",
        folder / "images" / "7.png",
        "--gallery",
        folder,
        "--attribute",
        "Smiling",
        "--k",
        3,
        "--steps",
        5,
    )
    assert (
        run(edit_command, *arguments, "--target", target, "--out", tmp_path / f"{target}.png")[0]
        == 0
    )
    record = json.loads((tmp_path / f"{target}.json").read_text())
    used = [
        int(guide["path"].rpartition("/")[2].removesuffix(".png")) for guide in record["guides"]
    ]
    assert {number % 2 for number in used} == ({0, 1} if target == "difference" else {0})
    assert len(used) == (6 if target == "difference" else 3)
    assert ("guide_similarity" in record["metrics"]) == (target != "difference")


def test_a_network_without_a_descriptor_needs_layers(run, folder, tmp_path, params):
    convolutions = {name: layer for name, layer in params.items() if name.startswith("conv")}
    checkpoint.save_network(
        tmp_path / "tiny.safetensors", convolutions, {"network": "tiny", "image_size": "32"}
    )
    arguments = (
        "--reference",
        folder / "images" / "7.png",
        "--gallery",
        folder,
        "--attribute",
        "Smiling",
        "--k",
        2,
        "--steps",
        2,
    )
    code, _, err = run(edit_command, *arguments, "--out", tmp_path / "out.png")
    assert (code, "has no descriptor" in err) == (2, True)
    assert (
        run(edit_command, *arguments, "--similar-by", "conv5_3", "--out", tmp_path / "out.png")[0]
        == 0
    )


def test_a_difference_takes_what_there_is_and_can_be_scaled(run, folder, tmp_path):
    """By default as many faces as there are, up to 100; beta is another factor, so another picture."""
    arguments = (
        "--reference",
        folder / "images" / "7.png",
        "--gallery",
        folder,
        "--attribute",
        "Smiling+Male:-1",
        "--target",
        "difference",
        "--steps",
        5,
    )
    for scaling in ("natural", "beta"):
        assert (
            run(
                edit_command, *arguments, "--scaling", scaling, "--out", tmp_path / f"{scaling}.png"
            )[0]
            == 0
        )
    assert len(json.loads((tmp_path / "beta.json").read_text())["guides"]) == 4 + 3 + 4 + 3
    assert not np.array_equal(
        image.load(tmp_path / "natural.png"), image.load(tmp_path / "beta.png")
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("--attribute", "Smilling"), "did you mean 'Smiling'?"),
        (("--attribute", "Smiling", "--k", "9"), "3 faces fit, 9 are needed"),
        (("--attribute", "Smiling", "--k", "0"), "--k must be at least 1"),
        (("--attribute", "Smiling", "--similar-by", "conv9_9"), "no layer 'conv9_9'"),
        (("--attribute", "Smiling:0.5"), "guides have an attribute or not"),
        (("--attribute", "Smiling", "--identity", "Zed"), "nobody in it is called 'Zed'"),
        (("--attribute", "Smiling", "--candidates", "0"), "--candidates must be at least 1"),
        (("--attribute", "Smiling", "--directions", "x.safetensors"), "--directions is where"),
        ((), "give either --guides"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(changes, message, run, folder, tmp_path):
    code, out, err = run(
        edit_command,
        "--reference",
        folder / "images" / "1.png",
        "--gallery",
        folder,
        "--out",
        tmp_path / "out.png",
        *changes,
    )
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert out == ""
    assert not (tmp_path / "out.png").exists()


def test_command_shows_a_gallery(run, folder):
    (folder / "images" / "2.png").write_text("no picture")
    code, out, err = run(gallery_command, folder)
    assert code == 1
    assert "8 faces, 4 people" in out
    assert [line.split() for line in out.splitlines() if line.startswith(("Smiling", "Male"))] == [
        ["Smiling", "4", "4", "0"],
        ["Male", "4", "4", "0"],
    ]
    assert "2.png: not an image" in err
    assert run(gallery_command, folder / "images")[0] == 2
