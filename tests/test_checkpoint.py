"""Checkpoints: saving and loading networks, and refusing damaged files."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from facegen_jax.network import checkpoint, direction
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


def tensors(*names: str) -> bytes:
    return safetensors.numpy.save({name: np.zeros(1, np.float32) for name in names})


CONVERT = "python -m facegen_jax.convert"
OTHERS = {
    "PyTorch's names": (tensors("conv1_1.weight", "conv1_1.bias"), f"or not yet; .*{CONVERT}"),
    "torch.save": (b"PK\3\4" + bytes(80), f"a zip file, as torch.save .*{CONVERT}"),
    "gzip": (b"\x1f\x8b" + bytes(80), f"a gzip file.*{CONVERT}"),
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(80), "a picture"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(80), f"an HDF5 file.*{CONVERT}"),
    "text": (b"text" * 80, r"begins with b'texttext', not with the length"),
    "empty": (b"", "the file is empty"),
    "cut": (b"\xff\xff\0\0\0\0\0\0{", "its header should have 65535 bytes, but the file has 9"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_named(tmp_path, name):
    content, message = OTHERS[name]
    (tmp_path / "a b").write_bytes(content)
    with pytest.raises(checkpoint.CheckpointError, match=message) as error:
        checkpoint.load_network(tmp_path / "a b")
    assert str(error.value).endswith(f"{CONVERT} '{tmp_path}/a b'")


def test_networks_and_directions_are_told_apart(saved, tmp_path):
    network, path = checkpoint.load_network(saved), tmp_path / "directions.safetensors"
    maps = {"Hat": {"conv1_2": np.ones((32, 32, 4))}}
    direction.save_directions(path, network, maps, {"Hat": 1.0}, {}, {})
    with pytest.raises(checkpoint.CheckpointError, match="a file of attribute directions, not"):
        checkpoint.load_network(path)
    with pytest.raises(checkpoint.CheckpointError, match="a network, not attribute directions"):
        direction.load_direction(network, "Hat", saved)
    path.write_bytes(b"\xff\xd8\xff\xe0" + bytes(80))
    with pytest.raises(checkpoint.CheckpointError, match=r"picture.*facegen_jax.gallery") as error:
        direction.load_direction(network, "Hat", path)
    assert "convert" not in str(error.value)


def test_truncated_file_is_refused(saved):
    content = saved.read_bytes()
    for length in (7, 50, len(content) // 2, len(content) - 1):
        saved.write_bytes(content[:length])
        with pytest.raises(checkpoint.CheckpointError, match="not a readable safetensors"):
            checkpoint.load_network(saved)
