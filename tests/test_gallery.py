"""Galleries: features and their cache, nearest neighbours, and edits guided by them."""

import dataclasses
import json
import re

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
from facegen_jax.sweep import Sweep, run_sweep

PEOPLE = ("Ann", "Ann", "Bob", "Bob", "Cid", "Cid", "Dan", "")
EVERY_FACE = np.ones(len(PEOPLE), bool)


@pytest.fixture
def network(params):
    attributes = ("Smiling", "Male", "Other")
    return Network(backbone_of(params, 32), params, "tiny", attributes, file_sha256="hash")


@pytest.fixture
def folder(tmp_path, picture, rng, monkeypatch):
    """Eight faces: even rows smile, the first four are male, all wear a scarf; no Hat labels."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "gallery"
    (folder / "images").mkdir(parents=True)
    lines = ["filename,identity,Smiling,Male,Hat,Scarf"]
    for row, identity in enumerate(PEOPLE):
        noisy = picture + 0.3 * rng.normal(size=picture.shape)
        image.save(folder / "images" / f"{row}.png", np.clip(noisy, 0, 1).astype(np.float32))
        lines.append(f"{row}.png,{identity},{int(row % 2 == 0)},{int(row < 4)},,1")
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture
def computed(folder, network):
    """Describe the gallery and return how many faces were not in the cache."""

    def call(network=network, folder=folder, **options) -> int:
        totals = []
        features.describe(
            gallery.load_gallery(folder),
            network,
            mode="none",
            progress=lambda done, total: totals.append(total),
            **options,
        )
        return totals[0]

    return call


def describe(folder, network, layers=()):
    return features.describe(gallery.load_gallery(folder), network, layers, mode="none")


def test_features_have_unit_length_and_come_from_the_network(folder, network):
    described = describe(folder, network)
    np.testing.assert_allclose(np.linalg.norm(described.features, axis=1), 1, rtol=1e-5)
    face = image.load(folder / "images" / "3.png")
    expected = features.features_of(network, face[None])[0]
    np.testing.assert_allclose(described.features[3], expected, atol=1e-5)
    assert np.isnan(described.landmarks).all()


def test_cached_features_are_not_computed_again(folder, network, computed):
    assert computed() == 8
    assert computed() == 0
    first, again = describe(folder, network), describe(folder, network)
    np.testing.assert_array_equal(first.features, again.features)
    assert first.hashes == again.hashes


def test_changed_files_are_computed_again(folder, network, computed, picture):
    computed()
    before = describe(folder, network)
    image.save(folder / "images" / "5.png", picture)
    assert computed() == 1
    after = describe(folder, network)
    changed = np.any(before.features != after.features, axis=1)
    np.testing.assert_array_equal(changed, np.arange(8) == 5)


def test_each_network_layer_set_and_folder_has_its_own_cache(folder, network, computed):
    computed()
    assert computed(dataclasses.replace(network, file_sha256="other")) == 8
    assert computed(layers=("conv3_3",)) == 8
    assert computed(layers=("conv3_3", "conv4_3")) == 8
    assert computed() == 0
    assert computed(folder=folder.rename(folder.with_name("moved"))) == 8


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:100],
        lambda content: content[:-200],
        lambda content: b"x" * 5000,
    ],
    ids=["empty", "first bytes", "truncated", "garbage"],
)
def test_damaged_cache_is_rebuilt(damage, folder, network, computed, tmp_path):
    expected = describe(folder, network).features
    (cache,) = (tmp_path / "cache" / "facegen_jax" / "galleries").iterdir()
    cache.write_bytes(damage(cache.read_bytes()))
    assert computed() == 8
    np.testing.assert_array_equal(describe(folder, network).features, expected)


def test_interrupted_description_resumes(folder, network, computed, monkeypatch):
    monkeypatch.setattr(features, "BATCH", 2)
    monkeypatch.setattr(features, "SAVE_EVERY", 2)

    def stop(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        features.describe(gallery.load_gallery(folder), network, mode="none", progress=stop)
    assert 0 < computed() <= 6


def test_unreadable_images_are_reported_and_skipped(folder, network):
    (folder / "images" / "2.png").write_text("not an image")
    (folder / "images" / "4.png").write_bytes(b"")
    table, described = gallery.load_gallery(folder), describe(folder, network)
    assert [row for row, failure in enumerate(described.failures) if failure] == [2, 4]
    assert len(described.failures) == 8
    face = search.Query(described.features[0], 0, "Ann")
    smiling = labels.having(table, "Smiling")
    assert search.nearest(table, described, face, smiling, 1)[0] == [6]
    assert describe(folder, network).failures == described.failures


def test_nearest_returns_the_most_similar_faces_in_order(folder, network):
    table, described = gallery.load_gallery(folder), describe(folder, network)
    path = folder / "images" / "0.png"
    face = search.query(table, described, network, image.load(path), path)
    assert face.row == 0
    rows, cosines = search.nearest(table, described, face, EVERY_FACE, 6)
    assert set(rows) == {2, 3, 4, 5, 6, 7}  # neither the file itself nor Ann's other photo
    expected = sorted(described.features[2:] @ described.features[0], reverse=True)
    np.testing.assert_allclose(cosines, expected, rtol=1e-6)
    with pytest.raises(GalleryError, match=r"6 faces fit, 7 are needed"):
        search.nearest(table, described, face, EVERY_FACE, 7)


def test_nearest_keeps_the_best_aligned_candidates(folder, network, rng):
    table, described = gallery.load_gallery(folder), describe(folder, network)
    face = search.Query(described.features[0], 0, "Ann")
    by_similarity, _ = search.nearest(table, described, face, EVERY_FACE, 6)
    rotated = geometry.TEMPLATE @ np.array([[0.0, 40.0], [-40.0, 0.0]]) + 60  # the same geometry
    noisy = [rotated + 3 * rng.normal(size=(5, 2)) for _ in range(8)]
    landmarks = np.stack(noisy).astype(np.float32)
    landmarks[[by_similarity[3], by_similarity[1]]] = rotated
    landmarks[by_similarity[0]] = np.nan
    described = described._replace(landmarks=landmarks)

    def nearest(candidates):
        points = geometry.TEMPLATE * 31
        return search.nearest(
            table, described, face, EVERY_FACE, 2, points=points, candidates=candidates
        )

    rows, cosines = nearest(candidates=2)
    assert rows == [by_similarity[1], by_similarity[3]]
    assert cosines == sorted(cosines, reverse=True)
    assert nearest(candidates=1)[0] == by_similarity[:2]


def test_identity_excludes_photos_of_the_same_person(folder, network, tmp_path, picture):
    path = tmp_path / "new.png"
    image.save(path, picture)
    table, described = gallery.load_gallery(folder), describe(folder, network)
    face = search.query(table, described, network, picture, path, (), "Bob")
    assert not {2, 3} & set(search.nearest(table, described, face, EVERY_FACE, 6)[0])
    with pytest.raises(GalleryError, match="it has no identity 'Bab', did you mean 'Bob'"):
        search.query(table, described, network, picture, path, (), "Bab")


def test_copies_of_the_query_are_excluded(folder, network, tmp_path):
    """Under any name, and also where the identity is unknown."""
    content = (folder / "images" / "7.png").read_bytes()
    (folder / "images" / "6.png").write_bytes(content)
    copy = tmp_path / "my photo.png"
    copy.write_bytes(content)
    table, described = gallery.load_gallery(folder), describe(folder, network)
    face = search.query(table, described, network, image.load(copy), copy)
    assert not {6, 7} & set(search.nearest(table, described, face, EVERY_FACE, 5)[0])


def test_matching_uses_the_label_or_else_the_attribute_head(folder, network, picture):
    table, numbers = gallery.load_gallery(folder), np.zeros(4, np.float32)
    labelled, unlabelled = search.Query(numbers, 1), search.Query(numbers)
    chosen = search.matching(table, network, labelled, picture, "Male")
    np.testing.assert_array_equal(chosen, np.arange(8) < 4)
    chosen = search.matching(table, network, unlabelled, picture, "male")
    assert chosen.tolist() in ([True] * 4 + [False] * 4, [False] * 4 + [True] * 4)
    with pytest.raises(GalleryError, match="--match Scarf: the reference's own value is not known"):
        search.matching(table, network, unlabelled, picture, "Scarf")


@pytest.fixture
def run(run_command, tmp_path, params):
    """Run a command with the tiny network and without alignment."""
    network = tmp_path / "tiny.safetensors"
    metadata = {"network": "tiny", "image_size": "32"}
    metadata["attributes"] = json.dumps(["Smiling", "Male", "Other"])
    checkpoint.save_network(network, params, metadata)
    return lambda command, *arguments: run_command(
        command.main, *arguments, "--params", network, "--align", "none"
    )


def edit_arguments(folder, row, options, out):
    """Return the arguments of an edit of one gallery face by the gallery."""
    reference = folder / "images" / f"{row}.png"
    paths = ("--reference", reference, "--gallery", folder, "--out", out)
    return (*paths, *options.split())


def test_edit_by_gallery(run, folder, tmp_path):
    out = tmp_path / "out.png"
    arguments = edit_arguments(
        folder, 1, "--attribute smiling --k 2 --steps 5 --target patches", out
    )
    assert run(edit_command, *arguments)[0] == 0
    record = json.loads(out.with_suffix(".json").read_text())
    names = [guide["path"].rpartition("/")[2] for guide in record["guides"]]
    assert len(names) == 2
    assert set(names) <= {"2.png", "4.png", "6.png"}
    assert record["metrics"]["attribute_gain"] is not None
    assert len(record["inputs"]) == 3
    # Two males smile, but one of them has the reference's identity.
    assert run(edit_command, *arguments, "--match", "Male")[0] == 2


def test_edits_and_sweeps_say_how_an_unusual_table_was_read(run, folder, tmp_path):
    text = (folder / "labels.csv").read_text().replace(",", ";")
    (folder / "labels.csv").write_text(text, encoding="utf-16")
    (folder / "images" / "6.png").unlink()
    options = "--attribute Smiling --k 2 --steps 1 --target mean"
    code, _, err = run(edit_command, *edit_arguments(folder, 1, options, tmp_path / "out.png"))
    assert code == 0
    understood = "labels.csv: UTF-16, semicolons, 1/0: 7 faces, 3 attributes, 1 left out"
    assert understood in err

    (tmp_path / "pairs.csv").write_text("reference;attribute\ngallery/images/1.png;Smiling\n")
    notes = list[str]()

    def notify(message):
        notes.append(message)
        if len(notes) == 2:
            raise KeyboardInterrupt  # nothing has to be run

    sweep = Sweep(
        tmp_path / "pairs.csv",
        tmp_path / "out",
        params=str(tmp_path / "tiny.safetensors"),
        gallery=folder,
        align="none",
    )
    with pytest.raises(KeyboardInterrupt):
        next(run_sweep(sweep, notify=notify))
    assert understood in notes[1]


@pytest.mark.parametrize("target", ["patches", "mean", "weighted", "difference", None])
def test_record_names_the_guides_of_every_target(target, run, folder, tmp_path):
    """A difference is the default; the network scores it, so it is calibrated."""
    options = "--attribute Smiling --k 3 --steps 5" + (f" --target {target}" if target else "")
    target = target or "difference"
    out = tmp_path / "out.png"
    assert run(edit_command, *edit_arguments(folder, 7, options, out))[0] == 0
    record = json.loads(out.with_suffix(".json").read_text())
    names = [guide["path"].rpartition("/")[2] for guide in record["guides"]]
    rows = [int(name.removesuffix(".png")) for name in names]
    assert {row % 2 for row in rows} == ({0, 1} if target == "difference" else {0})
    assert len(rows) == (6 if target == "difference" else 3)
    assert ("guide_similarity" in record["metrics"]) == (target != "difference")
    assert ("strength_factor" in record["metrics"]) == (target == "difference")


def test_an_edit_names_the_images_that_it_could_not_read(run, folder, tmp_path):
    (folder / "images" / "2.png").write_text("not an image")
    options = "--attribute Smiling --k 2 --steps 1 --target mean"
    code, _, err = run(edit_command, *edit_arguments(folder, 1, options, tmp_path / "out.png"))
    assert code == 0
    assert re.search(r"1 of its images are left out: .*2\.png: not an image", err)
    assert err.count("\n") == 1


def test_network_without_a_descriptor_needs_layers(run, folder, tmp_path, params):
    convolutions = {name: layer for name, layer in params.items() if name.startswith("conv")}
    metadata = {"network": "tiny", "image_size": "32"}
    checkpoint.save_network(tmp_path / "tiny.safetensors", convolutions, metadata)
    options = "--attribute Smiling --k 2 --steps 2"
    arguments = edit_arguments(folder, 7, options, tmp_path / "out.png")
    code, _, err = run(edit_command, *arguments)
    assert (code, "has no descriptor" in err) == (2, True)
    assert run(edit_command, *arguments, "--similar-by", "conv5_3")[0] == 0


def test_difference_uses_every_available_face_and_can_be_scaled(run, folder, tmp_path):
    """Without --k it takes all faces, up to 100; scaling and shrinkage change the image."""
    images = set[bytes]()
    for ways in ("--scaling natural", "--scaling beta", "--scaling natural --no-shrinkage"):
        options = f"--attribute Smiling+Male:-1 --target difference --steps 30 {ways}"
        assert run(edit_command, *edit_arguments(folder, 7, options, tmp_path / "out.png"))[0] == 0
        assert len(json.loads((tmp_path / "out.json").read_text())["guides"]) == 4 + 3 + 4 + 3
        images.add((tmp_path / "out.png").read_bytes())
    assert len(images) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--attribute Smilling", "did you mean 'Smiling'?"),
        ("--attribute Smiling --k 9", "3 faces fit, 9 are needed"),
        ("--attribute Scarf", "8 faces have Scarf, 0 lack it, 0 are not labelled; a difference"),
        ("--attribute Scarf", "(--target patches needs no faces without it)"),
        ("--attribute Smiling --k 0", "--k must be at least 1"),
        ("--attribute Smiling --similar-by conv9_9", "no layer 'conv9_9'"),
        ("--attribute Smiling:0.5 --target mean", "guides either have an attribute or not"),
        ("--attribute Smiling --identity Zed", "it has no identity 'Zed'"),
        ("--attribute Smiling --candidates 0", "--candidates must be at least 1"),
        ("--attribute Smiling --directions x.safetensors", "--directions is where"),
        ("", "give either --guides"),
    ],
)
def test_bad_input_prints_one_line_and_writes_nothing(options, message, run, folder, tmp_path):
    out = tmp_path / "out.png"
    code, output, err = run(edit_command, *edit_arguments(folder, 1, options, out))
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert output == ""
    assert not out.exists()


def test_gallery_command_summarises_a_gallery(run, folder):
    (folder / "images" / "2.png").write_text("not an image")
    code, out, err = run(gallery_command, folder)
    assert code == 1
    assert out.startswith(f"{folder / 'labels.csv'}: UTF-8, commas, 1/0: 8 faces, 3 attributes, 0 ")
    assert "8 faces, 4 people" in out
    assert [line.split() for line in out.splitlines() if line.startswith(("Smiling", "Male"))] == [
        ["Smiling", "4", "4", "0"],
        ["Male", "4", "4", "0"],
    ]
    assert "2.png: not an image" in err
    assert run(gallery_command, folder / "images")[0] == 2
