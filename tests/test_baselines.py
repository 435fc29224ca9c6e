"""Similarity baselines: measured on a gallery, saved, and loaded for the same network only."""

import json
from pathlib import Path

import numpy as np
import pytest

from facegen_jax.gallery import baselines
from facegen_jax.gallery.features import Described
from facegen_jax.gallery.labels import Gallery, GalleryError
from facegen_jax.network.baselines import Baselines, load_baselines, save_baselines
from facegen_jax.network.checkpoint import CheckpointError, load_network

SAVED = Baselines(0.8, 0.1, 100, 20, "people")


def people(count: int, photos: int, noise: float) -> tuple[Gallery, Described]:
    """Return a gallery whose features are unit vectors around a random centre for each person."""
    rng = np.random.default_rng(0)
    total = count * photos
    centres = np.repeat(rng.normal(size=(count, 64)), photos, 0)
    features = centres + noise * rng.normal(size=(total, 64))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    names = tuple(f"{number}.png" for number in range(total))
    identities = tuple(f"person {number // photos}" for number in range(total))
    labels = np.ones((total, 1), np.int8)
    gallery = Gallery(Path("people"), names, identities, ("Smiling",), labels)
    landmarks = np.full((total, 5, 2), np.nan, np.float32)
    return gallery, Described(features.astype(np.float32), landmarks, ("",) * total, names)


def test_medians_separate_one_person_from_two():
    measured = baselines.measure(*people(60, 4, 0.5))
    assert measured.genuine == pytest.approx(0.8, abs=0.03)  # 1 / (1 + 0.5^2)
    assert abs(measured.impostor) < 0.05
    assert measured.pairs >= baselines.MIN_PAIRS
    assert measured.people <= 60
    assert measured.gallery == "people"
    assert measured == baselines.measure(*people(60, 4, 0.5))


def test_unreadable_photos_and_unnamed_people_are_left_out():
    gallery, described = people(40, 4, 0.5)
    spoilt = np.array(described.features)
    spoilt[::4] = 1.0
    failures = tuple("unreadable" if number % 4 == 0 else "" for number in range(160))
    expected = baselines.measure(gallery, described._replace(failures=failures))
    assert (
        baselines.measure(gallery, described._replace(features=spoilt, failures=failures))
        == expected
    )
    unnamed = gallery._replace(
        identities=tuple(
            "" if number % 4 == 0 else identity
            for number, identity in enumerate(gallery.identities)
        )
    )
    measured = baselines.measure(unnamed, described._replace(features=spoilt))
    assert measured.genuine == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(
    ("count", "photos", "pairs"), [(200, 1, 0), (3, 4, 18), (3, 40, 75), (1, 400, 25)]
)
def test_too_few_pairs_of_one_person_are_refused(count, photos, pairs):
    with pytest.raises(
        GalleryError, match=f"{pairs} pairs of photos are of one person, at least 100 are needed"
    ):
        baselines.measure(*people(count, photos, 0.5))


def test_a_file_is_loaded_for_its_network_only(tmp_path):
    save_baselines(tmp_path / "a.json", "net", "abc", SAVED)
    assert load_baselines("net", "abc", tmp_path / "a.json") == SAVED
    with pytest.raises(CheckpointError, match="made for another network than 'net'"):
        load_baselines("net", "abd", tmp_path / "a.json")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"genuine": "x"}',
        json.dumps({"network_sha256": "abc", **SAVED._asdict(), "impostor": "0.1"}),
    ],
)
def test_a_file_without_baselines_is_refused(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(CheckpointError, match="not a file of baselines"):
        load_baselines("net", "abc", tmp_path / "a.json")


def test_shipped_baselines_belong_to_the_shipped_network():
    network = load_network()
    shipped = load_baselines(network.name, network.sha256)
    assert shipped
    assert 0 < shipped.impostor < shipped.genuine < 1
    assert load_baselines(network.name, "another") is None
    assert load_baselines("../weights/small", network.sha256) == shipped  # a name is not a path
    assert load_baselines("", "") is None
