"""Checkpoints: saving and loading networks, and refusing damaged files."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from facegen_jax.network import checkpoint
from facegen_jax.network.vgg_face import CONVOLUTIONS


@pytest.fixture
def saved(tmp_path, params):
    path = tmp_path / "tiny.safetensors"
    metadata = {"network": "tiny", "image_size": "32", "attributes": json.dumps(["a", "b", "c"])}
    checkpoint.save_network(path, params, metadata)
    return path


def test_round_trip(saved, params):
    network = checkpoint.load_network(saved)
    assert (network.name, network.size, network.attributes) == ("tiny", 32, ("a", "b", "c"))
    assert len(network.sha256) == 64
    assert set(network.params) == set(params)
    for layer, leaves in params.items():
        for leaf, value in leaves.items():
            np.testing.assert_array_equal(network.params[layer][leaf], value)


def test_dense_layers_are_optional(tmp_path, params):
    convolutions = {name: params[name] for name in CONVOLUTIONS}
    checkpoint.save_network(tmp_path / "a.safetensors", convolutions, {})
    assert set(checkpoint.load_params(tmp_path / "a.safetensors")) == set(CONVOLUTIONS)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_dtypes_are_loaded_as_float32(tmp_path, params, dtype):
    tensors = {
        f"{layer}/{leaf}": np.asarray(value, dtype)
        for layer, leaves in params.items()
        for leaf, value in leaves.items()
    }
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors.numpy.save(tensors))
    assert checkpoint.load_params(path)["conv1_1"]["kernel"].dtype == jnp.float32


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.pop("conv3_2"), "lacks conv3_2"),
        (lambda p: p["conv2_1"].pop("bias"), "lacks conv2_1"),
        (
            lambda p: p["conv2_2"].update(kernel=jnp.zeros((3, 3, 6, 7))),
            r"conv2_2/kernel has shape \(3, 3, 6, 7\), expected \(3, 3, 6, 6\)",
        ),
        (
            lambda p: p["conv1_1"].update(kernel=jnp.zeros((3, 3, 4, 4))),
            r"conv1_1/kernel has shape \(3, 3, 4, 4\), expected \(3, 3, 3, 4\)",
        ),
        (
            lambda p: p["fc7"].update(kernel=jnp.zeros((11, 10))),
            r"fc7/kernel has shape \(11, 10\), expected \(12, 10\)",
        ),
        (
            lambda p: p["conv4_1"].update(bias=jnp.full(8, jnp.nan)),
            "conv4_1/bias holds non-finite numbers",
        ),
        (lambda p: p.update(extra={"kernel": jnp.zeros(3)}), "unknown layer 'extra'"),
        (lambda p: p["conv1_1"].update(gain=jnp.zeros(3)), "needs kernel and bias"),
    ],
)
def test_invalid_tensors_are_named(tmp_path, params, damage, message):
    copy = {layer: dict(leaves) for layer, leaves in params.items()}
    damage(copy)
    checkpoint.save_network(tmp_path / "a.safetensors", copy, {})
    with pytest.raises(checkpoint.CheckpointError, match=message):
        checkpoint.load_network(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "content", [None, b"", b"\x00", b"not a network, just text", b"\xff" * 100]
)
def test_unreadable_file_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "a.safetensors"
    if content is not None:
        path.write_bytes(content)
    message = "no such network file" if content is None else "not a readable safetensors"
    with pytest.raises(checkpoint.CheckpointError, match=message) as error:
        checkpoint.load_network(path)
    assert "\n" not in str(error.value)


def test_truncated_file_is_refused(saved):
    content = saved.read_bytes()
    for length in (7, 50, len(content) // 2, len(content) - 1):
        saved.write_bytes(content[:length])
        with pytest.raises(checkpoint.CheckpointError, match="not a readable safetensors"):
            checkpoint.load_network(saved)
