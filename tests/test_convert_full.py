"""A random full-size network in all layouts, against PyTorch and in an edit (`make test-long`)."""

import json
import os
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
import safetensors
from published_files import LAYOUTS, MEAN_RGB, random_network
from test_convert import CONVERTIBLE

import facegen_jax as fg
from facegen_jax.convert import check, convert
from facegen_jax.faces import image
from facegen_jax.network.vgg_face import CONVOLUTIONS, DENSE, VGGFace

pytestmark = pytest.mark.long
SHAPES = check.expected_shapes(VGGFace(), 224)
FULL = [case for case in CONVERTIBLE if case.name != "flax-msgpack-training"]
"""Without the one that takes three times the memory: an optimizer has two more networks."""


@pytest.fixture(scope="module")
def network() -> dict[str, np.ndarray]:
    return random_network(np.random.default_rng(1))


def converted(name, network, folder):
    """Write a layout and convert it; return the source and converted files."""
    case = next(case for case in LAYOUTS if case.name == name)
    for module in case.needs:
        pytest.importorskip(module)
    source, dest = folder / case.filename, folder / "out.safetensors"
    case.write(source, network)
    convert(source, dest, SHAPES, colour="BGR" if name.startswith("pytorch-flat-bgr") else None)
    return source, dest


@pytest.mark.parametrize("case", FULL, ids=lambda case: case.name)
def test_every_layout_is_bit_equal(case, network, tmp_path):
    source, dest = converted(case.name, network, tmp_path)
    with safetensors.safe_open(dest, "np") as file:
        names = file.keys()
        assert len(names) == (32 if case.dense else 26)
        for name in names:
            if case.exact:
                assert np.array_equal(file.get_tensor(name), network[name]), name
            else:
                np.testing.assert_allclose(
                    file.get_tensor(name), network[name], rtol=2**-8, atol=1e-6
                )
    source.unlink()  # half a gigabyte each
    dest.unlink()


@pytest.fixture(scope="module")
def face(faces):
    photo = next(path for path in sorted((faces / "lfw" / "images").rglob("*")) if path.is_file())
    return photo, image.resize(image.centre_square(image.load(photo)), (224, 224))


@pytest.mark.faces
def test_features_agree_with_pytorch_on_a_face(network, face, tmp_path):
    """Run the release's own pipeline in PyTorch on the source file, ours on the converted one.

    The release uses BGR, its own mean, and a channels-first flatten.
    """
    torch = pytest.importorskip("torch")
    from torch.nn import functional as F

    source, dest = converted("pytorch-pyvggface", network, tmp_path)
    state = torch.load(source, weights_only=True)
    bgr = np.ascontiguousarray((255 * face[1] - MEAN_RGB)[..., ::-1])
    x = torch.from_numpy(bgr).permute(2, 0, 1)[None]
    expected = {}
    for name in CONVOLUTIONS:
        if name.endswith("_1") and name != "conv1_1":
            x = F.max_pool2d(x, 2)
        key = f"features.conv_{name[4:]}"
        x = F.relu(F.conv2d(x, state[f"{key}.weight"], state[f"{key}.bias"], padding=1))
        expected[name] = x[0].permute(1, 2, 0)
    x = F.max_pool2d(x, 2).flatten(1)
    for name in DENSE:
        x = F.linear(x, state[f"fc.{name}.weight"], state[f"fc.{name}.bias"])
        x = x if name == "fc8" else F.relu(x)
        expected[name] = x[0]
    features = fg.extract(fg.load_params(dest), jnp.asarray(face[1]), (*CONVOLUTIONS, *DENSE))
    errors = {
        name: float(np.linalg.norm(features[name] - maps.numpy()) / np.linalg.norm(maps.numpy()))
        for name, maps in expected.items()
    }
    assert set(errors) == set(CONVOLUTIONS) | set(DENSE)
    assert max(errors.values()) <= 1e-5, errors


@pytest.mark.faces
def test_an_edit_at_full_size_records_its_network(network, face, tmp_path):
    source, dest = converted("tarball-caffe", network, tmp_path)
    folder = tmp_path / "weights"
    folder.mkdir()
    dest.rename(folder / "vgg-face.safetensors")
    source.unlink()
    photo = str(face[0])
    command = [
        sys.executable,
        "-m",
        "facegen_jax",
        "--params",
        "vgg-face",
        "--reference",
        photo,
        "--guides",
        photo,
        "--steps",
        "3",
    ]
    process = subprocess.run(
        [*command, "--out", str(tmp_path / "out.png")],
        env={**os.environ, "FACEGEN_WEIGHTS": str(folder)},
        check=False,
    )
    assert process.returncode == 0
    record = json.loads((tmp_path / "out.json").read_text())["network"]
    assert (record["name"], record["colour_order"]) == ("vgg-face", "RGB")
    assert record["sha256"] == fg.load_network(folder / "vgg-face.safetensors").sha256
    assert record["source"]["colour_order"] == "BGR"
    assert record["source"]["format"] == "Caffe .caffemodel (V1 layers)"
    assert image.load(tmp_path / "out.png").shape == (224, 224, 3)
