"""What an identity similarity means: measured on a gallery, kept as a file, found again for its network alone."""

import json
from pathlib import Path

import numpy as np
import pytest

from facegen_jax.gallery import baselines as baselines
from facegen_jax.gallery.features import Described
from facegen_jax.gallery.labels import Gallery, GalleryError
from facegen_jax.network.baselines import Baselines, load_baselines, save_baselines
from facegen_jax.network.checkpoint import CheckpointError, load_network

FOUND = Baselines(0.8, 0.1, 100, 20, "people")


def people(count: int, photos: int, noise: float) -> tuple[Gallery, Described]:
    """Photos as unit vectors around a random one for each person."""
    rng = np.random.default_rng(0)
    features = np.repeat(rng.normal(size=(count, 64)), photos, 0) + noise * rng.normal(
        size=(count * photos, 64)
    )
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    names = tuple(f"{number}.png" for number in range(count * photos))
    gallery = Gallery(
        Path("people"),
        names,
        tuple(f"person {number // photos}" for number in range(count * photos)),
        ("Smiling",),
        np.ones((count * photos, 1), np.int8),
    )
    return gallery, Described(
        features.astype(np.float32),
        np.full((len(names), 5, 2), np.nan, np.float32),
        ("",) * len(names),
        names,
    )


def test_one_person_and_two_are_told_apart():
    found = baselines.measure(*people(60, 4, 0.5))
    assert found.genuine == pytest.approx(0.8, abs=0.03)  # 1 / (1 + 0.5^2)
    assert abs(found.impostor) < 0.05
    assert found.pairs >= baselines.FEWEST
    assert found.people <= 60
    assert found.gallery == "people"
    assert found == baselines.measure(*people(60, 4, 0.5))


def test_photos_that_could_not_be_read_and_nameless_ones_do_not_count():
    gallery, described = people(40, 4, 0.5)
    spoilt = np.array(described.features)
    spoilt[::4] = 1.0
    failures = tuple("unreadable" if number % 4 == 0 else "" for number in range(160))
    expected = baselines.measure(gallery, described._replace(failures=failures))
    assert (
        baselines.measure(gallery, described._replace(features=spoilt, failures=failures))
        == expected
    )
    nameless = tuple(
        "" if number % 4 == 0 else who for number, who in enumerate(gallery.identities)
    )
    assert baselines.measure(
        gallery._replace(identities=nameless), described._replace(features=spoilt)
    ).genuine == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(
    ("count", "photos", "pairs"), [(200, 1, 0), (3, 4, 18), (3, 40, 75), (1, 400, 25)]
)
def test_too_few_people_are_refused(count, photos, pairs):
    with pytest.raises(
        GalleryError, match=f"{pairs} pairs of photos are of one person, at least 100 are needed"
    ):
        baselines.measure(*people(count, photos, 0.5))


def test_a_file_is_found_again_for_its_network_alone(tmp_path):
    save_baselines(tmp_path / "a.json", "net", "abc", FOUND)
    assert load_baselines("net", "abc", tmp_path / "a.json") == FOUND
    with pytest.raises(CheckpointError, match="made for another network than 'net'"):
        load_baselines("net", "abd", tmp_path / "a.json")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"genuine": "x"}',
        json.dumps({"network_sha256": "abc", **FOUND._asdict(), "impostor": "0.1"}),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(CheckpointError, match="not a file of baselines"):
        load_baselines("net", "abc", tmp_path / "a.json")


def test_those_that_ship_belong_to_the_network_that_ships():
    network = load_network()
    found = load_baselines(network.name, network.sha256)
    assert found
    assert 0 < found.impostor < found.genuine < 1
    assert load_baselines(network.name, "another") is None
    assert load_baselines("../weights/small", network.sha256) == found  # a name is no path
    assert load_baselines("", "") is None
