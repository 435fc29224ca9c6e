"""Attribute directions: their files and lookup by name."""

import dataclasses
import json

import numpy as np
import pytest
import safetensors.numpy

from facegen_jax.network import checkpoint, direction


@pytest.fixture
def network(tmp_path, params, monkeypatch):
    """A network called tiny that ships with directions of two attributes and one opposite."""
    path = tmp_path / "tiny.safetensors"
    metadata = {"network": "tiny", "image_size": "32"}
    metadata["attributes"] = json.dumps(["Old Age", "Hat", "x"])
    checkpoint.save_network(path, params, metadata)
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
def test_loads_scaled_maps_by_any_spelling(network, name):
    loaded = direction.load_direction(network, name)
    assert (loaded.attribute, loaded.sign) == ("Old Age", 1)
    assert set(loaded.maps) == {"conv1_2"}
    assert loaded.maps["conv1_2"].dtype == np.float32
    np.testing.assert_allclose(loaded.maps["conv1_2"], 1.5)


def test_opposite_has_negated_maps(network):
    loaded = direction.load_direction(network, "Young")
    assert (loaded.attribute, loaded.sign) == ("Old Age", -1)
    np.testing.assert_allclose(loaded.maps["conv1_2"], -1.5)


def test_unknown_name_lists_the_known_ones(network):
    message = r"unknown attribute 'Hut', did you mean 'Hat'\?; known are Hat, Old Age, Young"
    with pytest.raises(checkpoint.CheckpointError, match=message):
        direction.load_direction(network, "Hut")


def test_directions_of_another_network_are_refused(network):
    with pytest.raises(checkpoint.CheckpointError, match="hash differs"):
        direction.load_direction(dataclasses.replace(network, file_sha256="0" * 64), "Hat")
    message = "no attribute directions for the network 'other'"
    with pytest.raises(checkpoint.CheckpointError, match=message):
        direction.load_direction(dataclasses.replace(network, name="other"), "Hat")


def test_damaged_file_is_refused_in_one_line(network, tmp_path):
    path = tmp_path / "tiny_directions.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(checkpoint.CheckpointError, match="not a readable safetensors") as error:
        direction.load_direction(network, "Hat")
    assert "\n" not in str(error.value)
    path.write_bytes(safetensors.numpy.save({"a": np.zeros(1)}))
    with pytest.raises(checkpoint.CheckpointError, match="made for another"):
        direction.load_direction(network, "Hat")
