"""Networks whose weights are not all of them: what must be merged first is named, and only then."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from published_files import caffe, torch7
from published_files.flax import numbered
from published_files.network import WEIGHTED, in_colour
from published_files.pytorch import torchvision_key
from published_files.tarball import OXFORD
from test_convert_networks import (
    NETWORK,
    SHAPES,
    Arrays,
    assert_equal,
    flax_arrays,
    networks_of,
    prefixed,
    pytorch_arrays,
    write_msgpack,
    write_safetensors,
)

from facegen_jax.convert import convert
from facegen_jax.convert.choice import choose
from facegen_jax.convert.cursor import SourceError

FLAT = pytorch_arrays(str)(NETWORK)
ONE, KERNEL = np.ones(4, np.float32), np.ones((4, 4, 3, 3), np.float32)
STATISTICS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def norm(*names: str) -> Arrays:
    return {f"{name}.{leaf}": ONE for name in names for leaf in STATISTICS}


def renamed(old: str, new: str) -> Arrays:
    return {name.replace(old, new): array for name, array in FLAT.items()}


def vgg16_bn() -> Arrays:
    """Return torchvision's numbers, where a normalisation follows each convolution."""
    arrays: Arrays = {}
    for number, name in enumerate(name for name in WEIGHTED if name.startswith("conv")):
        for leaf in ("weight", "bias"):
            arrays[f"features.{3 * number}.{leaf}"] = FLAT[f"{name}.{leaf}"]
        arrays |= norm(f"features.{3 * number + 1}")
    return arrays


BATCH_NORM = r"has batch normalisation \({}, ...\), which VGG-Face has not: fold it into the conv"
LORA = r"has LoRA adapters \({}.*\): merge it first"
PRUNED = r"is pruned \({}.*\): call torch.nn.utils.prune.remove"
REPARAMETRISED = r"has reparametrised weights \({}.*remove_parametrizations"
UNMERGED = {
    "after each block": (FLAT | norm("bn1", "bn2"), BATCH_NORM, "bn1.running_mean"),
    "around": (
        prefixed("net.")(FLAT | norm("bn1_1")) | {"head.weight": ONE},
        BATCH_NORM,
        "net.bn1_1.running_mean",
    ),
    "in a module": (FLAT | norm("norms.0"), BATCH_NORM, "norms.0.running_mean"),
    "without biases": (
        {name: array for name, array in FLAT.items() if "bias" not in name} | norm("bn1"),
        BATCH_NORM,
        "bn1.running_mean",
    ),
    "torchvision": (vgg16_bn(), BATCH_NORM, "features.1.running_mean"),
    "slim": (
        flax_arrays(str, "weights", "biases")(NETWORK)
        | {"conv1_1.BatchNorm.moving_mean": ONE, "conv1_1.BatchNorm.beta": ONE},
        BATCH_NORM,
        "conv1_1.BatchNorm.moving_mean",
    ),
    "peft": (
        renamed(".weight", ".base_layer.weight") | {"conv1_1.lora_A.default.weight": KERNEL},
        LORA,
        "conv1_1.lora_A.default.weight",
    ),
    "adapters": (FLAT | {"conv1_1.lora_up.weight": KERNEL}, LORA, "conv1_1.lora_up.weight"),
    "pruned": (
        renamed(".weight", ".weight_orig") | {f"{name}.weight_mask": KERNEL for name in WEIGHTED},
        PRUNED,
        "conv1_1.weight_mask",
    ),
    "one pruned": (
        renamed("conv3_1.weight", "conv3_1.weight_orig") | {"conv3_1.weight_mask": KERNEL},
        PRUNED,
        "conv3_1.weight_mask",
    ),
    "one pruned of numbers": (
        {
            name.replace("features.0.weight", "features.0.weight_orig"): array
            for name, array in pytorch_arrays(torchvision_key)(NETWORK).items()
        }
        | {"features.0.weight_mask": KERNEL},
        PRUNED,
        "features.0.weight_mask",
    ),
    "weight norm": (
        renamed("conv3_1.weight", "conv3_1.parametrizations.weight.original0"),
        REPARAMETRISED,
        "conv3_1.parametrizations.weight.original0",
    ),
}


@pytest.mark.parametrize("name", UNMERGED)
def test_what_must_be_merged_is_named(name, tmp_path):
    arrays, message, tensor = UNMERGED[name]
    write_safetensors(tmp_path / "a", arrays)
    with pytest.raises(SourceError, match=message.format(tensor)):
        convert(tmp_path / "a", tmp_path / "out.safetensors", SHAPES)
    assert not (tmp_path / "out.safetensors").exists()


OTHERS = {
    "a generator beside": prefixed("vgg.")(FLAT) | norm("gen.bn1") | {"gen.conv.weight": KERNEL},
    "a decoder below": FLAT | norm("decoder.bn") | {"decoder.conv.weight": KERNEL},
    "an optimizer of one": FLAT | {"optimizer.bn1.running_mean": ONE},
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_belongs_to_another_network_is_left_out(name, tmp_path):
    write_safetensors(tmp_path / "a", OTHERS[name])
    assert_equal(choose(networks_of(tmp_path / "a"), None, SHAPES)[0], NETWORK)


def test_another_network_with_batch_normalisation_is_called_so(tmp_path):
    write_safetensors(tmp_path / "a", norm("bn1") | {"conv1.weight": KERNEL})
    with pytest.raises(SourceError, match=r"another network; its first tensors are"):
        networks_of(tmp_path / "a")


# Other containers.


def write_flax(path: Path) -> None:
    arrays = prefixed("params.")(flax_arrays(numbered)(NETWORK))
    statistics = {"batch_stats.BatchNorm_0.mean": ONE, "params.BatchNorm_0.scale": ONE}
    write_msgpack(path, arrays | statistics)


def write_keras(path: Path, rename: Callable[[str], str], norms: Arrays, biases=True) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name in WEIGHTED:
            file[f"{rename(name)}/kernel"] = NETWORK[f"{name}/kernel"]
            if biases:
                file[f"{rename(name)}/bias"] = NETWORK[f"{name}/bias"]
        for name, array in norms.items():
            file[name] = array


def write_caffe(path: Path) -> None:
    """Append a layer to a network of the new format: name, type."""
    by_name = {case.name: case for case in caffe.LAYOUTS}
    by_name["caffe-new"].write(path, NETWORK)
    layer = b"\n\3bn1\x12\x09BatchNorm"
    path.write_bytes(path.read_bytes() + b"\xa2\x06" + bytes([len(layer)]) + layer)


def write_torch7(path: Path) -> None:
    module = torch7.network_module(in_colour(NETWORK, "BGR"), torch7.DEFAULT)
    norm = torch7.Module("nn.SpatialBatchNormalization", {"eps": 1e-5})
    with path.open("wb") as file:
        container = torch7.Module("nn.Sequential", {"modules": {1.0: module, 2.0: norm}})
        torch7.Writer(file, versioned=True).write(container)


def write_matconvnet(path: Path) -> None:
    scipy_io = pytest.importorskip("scipy.io")
    OXFORD(path, NETWORK)
    net = scipy_io.loadmat(path)["net"]
    layer = net["layers"][0, 0][0, 1]
    layer["type"][0, 0], layer["name"][0, 0] = np.array(["bnorm"]), np.array(["bn1_1"])
    with path.open("wb") as file:
        scipy_io.savemat(file, {"net": net})


OTHER_CONTAINERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "flax": (write_flax, "BatchNorm_0.mean, ..."),
    "keras": (
        lambda path: write_keras(path, str, {"bn1/moving_mean": ONE, "bn1/gamma": ONE}),
        "bn1.moving_mean, ...",
    ),
    "keras without biases": (
        lambda path: write_keras(path, str, {"bn1/bn1/moving_mean:0": ONE}, biases=False),
        "bn1.bn1.moving_mean:0",
    ),
    "keras by order": (
        lambda path: write_keras(
            path,
            lambda name: f"conv2d_{WEIGHTED.index(name)}",
            {"batch_normalization_1/vars/0": ONE},
        ),
        "batch_normalization_1.vars.0",
    ),
    "caffe": (write_caffe, "bn1"),
    "torch7": (write_torch7, "nn.SpatialBatchNormalization"),
    "matconvnet": (write_matconvnet, "bn1_1"),
}


@pytest.mark.parametrize("name", OTHER_CONTAINERS)
def test_batch_normalisation_in_other_containers(name, tmp_path):
    write, tensor = OTHER_CONTAINERS[name]
    write(tmp_path / "a")
    with pytest.raises(SourceError) as error:
        convert(tmp_path / "a", tmp_path / "out.safetensors", SHAPES)
    assert str(error.value).startswith(f"has batch normalisation ({tensor}), which VGG-Face has")
