"""Attribute directions as files."""

import json

import numpy as np
import pytest
import safetensors.numpy

from facegen_jax.network import checkpoint, direction


@pytest.fixture
def network(tmp_path, params, monkeypatch):
    """A network called tiny, with directions for two attributes and one opposite beside it."""
    path = tmp_path / "tiny.safetensors"
    checkpoint.save_network(
        path,
        params,
        {"network": "tiny", "image_size": "32", "attributes": json.dumps(["Old Age", "Hat", "x"])},
    )
    monkeypatch.setattr(direction, "WEIGHTS_FOLDER", tmp_path)
    network = checkpoint.load_network(path)
    maps = {
        "Old Age": {"conv1_2": np.full((32, 32, 4), 0.5)},
        "Hat": {"conv1_2": np.ones((32, 32, 4)), "conv2_2": np.ones((16, 16, 6))},
    }
    direction.save_directions(
        tmp_path / "tiny_directions.safetensors",
        network,
        maps,
        {"Old Age": 3.0, "Hat": 1.0},
        {"Young": "Old Age"},
        {"faces": "2"},
    )
    return network


@pytest.mark.parametrize("name", ["Old Age", "old_age", "OLD-AGE"])
def test_scaled_and_found_by_any_spelling(network, name):
    found = direction.load_direction(network, name)
    assert (found.attribute, found.sign) == ("Old Age", 1)
    assert set(found.maps) == {"conv1_2"}
    assert found.maps["conv1_2"].dtype == np.float32
    np.testing.assert_allclose(found.maps["conv1_2"], 1.5)


def test_an_opposite_is_the_negative(network):
    found = direction.load_direction(network, "Young")
    assert (found.attribute, found.sign) == ("Old Age", -1)
    np.testing.assert_allclose(found.maps["conv1_2"], -1.5)


def test_unknown_names_list_the_known_ones(network):
    with pytest.raises(
        checkpoint.CheckpointError,
        match=r"unknown attribute 'Hut', did you mean 'Hat'\?; known are Hat, Old Age, Young",
    ):
        direction.load_direction(network, "Hut")


def test_directions_of_another_network_are_refused(network):
    with pytest.raises(checkpoint.CheckpointError, match="hash differs"):
        direction.load_direction(network._replace(sha256="0" * 64), "Hat")
    with pytest.raises(
        checkpoint.CheckpointError, match="no attribute directions for the network 'other'"
    ):
        direction.load_direction(network._replace(name="other"), "Hat")


def test_a_damaged_file_gives_one_line(network, tmp_path):
    path = tmp_path / "tiny_directions.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(checkpoint.CheckpointError, match="not a readable safetensors") as caught:
        direction.load_direction(network, "Hat")
    assert "\n" not in str(caught.value)
    path.write_bytes(safetensors.numpy.save({"a": np.zeros(1)}))
    with pytest.raises(checkpoint.CheckpointError, match="made for another"):
        direction.load_direction(network, "Hat")
