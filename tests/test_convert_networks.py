"""Every container, style of names and wrapper gives the same network; several are told apart."""

import itertools
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from published_files import caffe, random_network, torch7
from published_files.flax import numbered
from published_files.network import WEIGHTED, channels_first, in_colour
from published_files.pytorch import pyvggface_key, torchvision_key
from published_files.tarball import OXFORD

import facegen_jax as fg
from facegen_jax.convert import __main__ as command
from facegen_jax.convert import check, conversion, convert
from facegen_jax.convert.choice import choose
from facegen_jax.convert.content import open_content
from facegen_jax.convert.cursor import SourceError
from facegen_jax.convert.layout import Parsed, canonical, stored_shapes
from facegen_jax.convert.naming import path_of
from facegen_jax.convert.source import read
from facegen_jax.network.vgg_face import VGGFace

WIDTHS, DENSE, GRID = (2, 2, 3, 3, 4), (5, 4, 3), 2
SHAPES = check.expected_shapes(VGGFace(WIDTHS, DENSE), 32 * GRID)
NETWORK = random_network(np.random.default_rng(0), WIDTHS, DENSE, GRID)
OTHER = random_network(np.random.default_rng(1), WIDTHS, DENSE, GRID)
WIDE = random_network(np.random.default_rng(2), (2, 2, 3, 3, 5), DENSE, GRID)
Arrays = dict[str, np.ndarray]
"""Arrays by name; the parts of a name are divided by dots."""


def pytorch_arrays(rename: Callable[[str], str]) -> Callable[[Arrays], Arrays]:
    def arrays(network: Arrays) -> Arrays:
        kernels = {f"{rename(name)}.weight": channels_first(network, name) for name in WEIGHTED}
        return kernels | {f"{rename(name)}.bias": network[f"{name}/bias"] for name in WEIGHTED}

    return arrays


def flax_arrays(rename: Callable[[str], str], kernel="kernel", bias="bias"):
    def arrays(network: Arrays) -> Arrays:
        return {
            f"{rename(name)}.{leaf}": network[f"{name}/{stored}"]
            for name in WEIGHTED
            for stored, leaf in (("kernel", kernel), ("bias", bias))
        }

    return arrays


def sequence(name: str) -> str:
    return str(2 * WEIGHTED.index(name))


STYLES = {
    "flat": ("RGB", pytorch_arrays(str)),
    "pyvggface": ("BGR", pytorch_arrays(pyvggface_key)),
    "torchvision": ("BGR", pytorch_arrays(torchvision_key)),
    "sequence": ("BGR", pytorch_arrays(sequence)),
    "flax": ("RGB", flax_arrays(str)),
    "flax-numbers": ("RGB", flax_arrays(numbered)),
    "nnx": ("RGB", flax_arrays(str, "kernel.value", "bias.value")),
    "slim": ("RGB", flax_arrays(str, "weights", "biases")),
    "keras-checkpoint": (
        "BGR",
        flax_arrays(lambda name: f"layer_with_weights-{WEIGHTED.index(name)}"),
    ),
}
"""Colour order that is assumed, and the arrays of a network."""


def prefixed(prefix: str) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {f"{prefix}{name}": array for name, array in arrays.items()}


def in_training(arrays: Arrays) -> Arrays:
    """Return a state in training: an optimizer's numbers have the names of the parameters."""
    moments = {
        f"opt_state.0.{moment}.{name}": array + 1
        for moment in ("mu", "nu")
        for name, array in arrays.items()
    }
    return {"step": np.int32(3) + np.zeros(1, np.int32)} | moments | prefixed("params.")(arrays)


def by_block(arrays: Arrays) -> Arrays:
    """Return a network whose layers are spread over modules."""
    return {
        f"stage{number % 3}.{name}": array for number, (name, array) in enumerate(arrays.items())
    }


WRAPPERS: dict[str, Callable[[Arrays], Arrays]] = {
    "plain": dict,
    "module": prefixed("module."),
    "backbone": prefixed("backbone."),
    "state_dict": prefixed("state_dict.module.net."),
    "params": prefixed("params."),
    "deep": prefixed("a.b.c.d.e.f."),
    "training": in_training,
    "beside": lambda arrays: arrays | {"decoder.up.weight": np.ones((2, 2), np.float32)},
    "head": lambda arrays: arrays | {"head.0.weight": np.ones((2, 2)), "head.0.bias": np.ones(2)},
}


def nested(arrays: Arrays, make: Callable[[np.ndarray], Any] = np.asarray) -> dict[str, Any]:
    """Return arrays as dicts in dicts."""
    tree: dict[str, Any] = {}
    for name, array in arrays.items():
        *around, leaf = name.split(".")
        inner = tree
        for part in around:
            inner = inner.setdefault(part, {})
        inner[leaf] = make(array)
    return tree


def write_pytorch(path: Path, arrays: Arrays, legacy: bool = False) -> None:
    """Write the outermost level as a dict, and the rest of each name as a key of it."""
    torch = pytest.importorskip("torch")
    state: dict[str, Any] = {}
    for name, array in arrays.items():
        first, _, rest = name.partition(".")
        inner = state.setdefault(first, {}) if rest.count(".") > 1 else state
        inner[rest if inner is not state else name] = torch.from_numpy(np.ascontiguousarray(array))
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)


def write_safetensors(path: Path, arrays: Arrays) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    safetensors.save_file({name: np.ascontiguousarray(each) for name, each in arrays.items()}, path)


def write_npz(path: Path, arrays: Arrays) -> None:
    with path.open("wb") as file:
        renamed = {name.replace(".", "/"): array for name, array in arrays.items()}
        np.savez(file, allow_pickle=False, **renamed)


def write_msgpack(path: Path, arrays: Arrays) -> None:
    from flax.serialization import msgpack_serialize

    path.write_bytes(msgpack_serialize(nested(arrays)))


def write_orbax(path: Path, arrays: Arrays) -> None:
    import orbax.checkpoint as orbax

    with orbax.StandardCheckpointer() as checkpointer:
        checkpointer.save(path.absolute(), nested(arrays))


CONTAINERS: dict[str, Callable[[Path, Arrays], None]] = {
    "pytorch": write_pytorch,
    "pytorch-legacy": lambda path, arrays: write_pytorch(path, arrays, legacy=True),
    "safetensors": write_safetensors,
    "npz": write_npz,
    "msgpack": write_msgpack,
}


def networks_of(path: Path) -> tuple[Parsed, ...]:
    return read(open_content(path))


def assert_equal(parsed: Parsed, network: Arrays, colour: str | None = None) -> None:
    """Check that a network is bit-equal to the canonical one, with its colours in a known order."""
    tensors = canonical(parsed, colour)  # pyright: ignore[reportArgumentType]
    shapes = stored_shapes(tensors)
    assert set(tensors) == set(network)
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(tensor.reshape(shapes[name]), network[name], name)


def check_style(style: str, container: str, wrapper: str, folder: Path) -> None:
    colour, arrays = STYLES[style]
    CONTAINERS[container](folder / style, WRAPPERS[wrapper](arrays(in_colour(NETWORK, colour))))
    parsed, _ = choose(networks_of(folder / style), None, SHAPES)
    assert (style, parsed.colour) == (style, colour)
    assert_equal(parsed, NETWORK)


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_every_style_in_containers_and_wrappers(container, wrapper, tmp_path):
    """Two styles each, so that every pair of style, container and wrapper occurs."""
    first = [*CONTAINERS].index(container) + [*WRAPPERS].index(wrapper)
    for number in (first, first + len(CONTAINERS)):
        style = [*STYLES][number % len(STYLES)]
        check_style(style, container, wrapper, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_every_style_in_every_container_and_wrapper(container, wrapper, tmp_path):
    for style in STYLES:
        check_style(style, container, wrapper, tmp_path)


# Several networks: asked for by name, choices listed, or the only one that fits.

PAIRS = {
    "model and its average": ("model", "ema_model"),
    "student and teacher": ("student", "teacher"),
    "state dicts": ("state_dict", "ema_state_dict"),
    "generator and discriminator": ("nets.generator", "nets.discriminator"),
    "parameters of a state": ("state.params", "state.ema_params"),
}


def pair_of(names: tuple[str, str], first: Arrays, second: Arrays, style: str) -> Arrays:
    colour, arrays = STYLES[style]
    return {
        key: array
        for name, network in zip(names, (first, second), strict=True)
        for key, array in prefixed(f"{name}.module.")(arrays(in_colour(network, colour))).items()
    }


@pytest.mark.parametrize("names", PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_one_of_two_networks_is_asked_for_by_name(container, names, tmp_path):
    number = [*CONTAINERS].index(container) + [*PAIRS.values()].index(names)
    style = ("flat", "pyvggface", "torchvision", "flax")[number % 4]
    CONTAINERS[container](tmp_path / "a", pair_of(names, NETWORK, OTHER, style))
    networks = networks_of(tmp_path / "a")
    assert {path_of(each.name) for each in networks} == {path_of(name) for name in names}
    with pytest.raises(SourceError, match="2 networks") as error:
        choose(networks, None, SHAPES)
    assert all(each.name in str(error.value) for each in networks)
    for name, network in zip(names, (NETWORK, OTHER), strict=True):
        for spelling in (name, name.split(".")[-1], name.replace(".", "/")):
            parsed, line = choose(networks, spelling, SHAPES)
            assert_equal(parsed, network)
            assert all(each.name in line for each in networks)
    with pytest.raises(SourceError, match=r"no network 'modle'.*it holds"):
        choose(networks, "modle", SHAPES)


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_only_network_that_fits_is_taken_and_told(container, tmp_path):
    CONTAINERS[container](tmp_path / "a", pair_of(("wide", "vgg"), WIDE, NETWORK, "flat"))
    parsed, line = choose(networks_of(tmp_path / "a"), None, SHAPES)
    assert_equal(parsed, NETWORK)
    assert "2 networks" in line
    assert line.endswith("took vgg, the only one of VGG-Face's shape")


@pytest.mark.parametrize("container", CONTAINERS)
def test_equal_copies_are_one_network(container, tmp_path):
    CONTAINERS[container](tmp_path / "a", pair_of(("model", "ema"), NETWORK, NETWORK, "flax"))
    parsed, line = choose(networks_of(tmp_path / "a"), None, SHAPES)
    assert_equal(parsed, NETWORK)
    assert line.endswith(f"took {parsed.name}, which the others equal")


@pytest.mark.parametrize("container", CONTAINERS)
def test_none_that_fits_says_why(container, tmp_path):
    CONTAINERS[container](tmp_path / "a", pair_of(("a", "b"), WIDE, WIDE, "torchvision"))
    with pytest.raises(SourceError, match=r"none of them VGG-Face \(a: conv5_1.* has shape"):
        choose(networks_of(tmp_path / "a"), None, SHAPES)


def test_a_network_at_the_top_is_called_by_a_dot(tmp_path):
    arrays = pytorch_arrays(pyvggface_key)
    tensors = arrays(in_colour(NETWORK, "BGR")) | prefixed("ema.")(arrays(in_colour(OTHER, "BGR")))
    write_safetensors(tmp_path / "a", tensors)
    networks = networks_of(tmp_path / "a")
    assert_equal(choose(networks, "ema", SHAPES)[0], OTHER)
    (top,) = (each.name for each in networks if each.name != "ema")
    assert_equal(choose(networks, top, SHAPES)[0], NETWORK)
    flat = pytorch_arrays(str)
    write_safetensors(tmp_path / "b", flat(NETWORK) | prefixed("ema.")(flat(OTHER)))
    networks = networks_of(tmp_path / "b")
    assert {each.name for each in networks} == {"ema", "."}
    assert_equal(choose(networks, ".", SHAPES)[0], NETWORK)


def test_layers_spread_over_modules_are_one_network(tmp_path):
    arrays = by_block(pytorch_arrays(str)(NETWORK))
    write_safetensors(tmp_path / "a", arrays)
    assert_equal(choose(networks_of(tmp_path / "a"), None, SHAPES)[0], NETWORK)
    write_safetensors(tmp_path / "b", arrays | prefixed("ema.")(pytorch_arrays(str)(OTHER)))
    networks = networks_of(tmp_path / "b")
    assert_equal(choose(networks, "ema", SHAPES)[0], OTHER)
    assert_equal(choose(networks, ".", SHAPES)[0], NETWORK)


def test_networks_that_only_their_styles_tell_apart(tmp_path):
    colour, arrays = STYLES["torchvision"]
    tensors = pytorch_arrays(str)(NETWORK) | arrays(in_colour(OTHER, colour))
    write_safetensors(tmp_path / "a", tensors)
    networks = networks_of(tmp_path / "a")
    with pytest.raises(SourceError, match="choose one by name"):
        choose(networks, None, SHAPES)
    assert_equal(choose(networks, "flat names", SHAPES)[0], NETWORK)
    assert_equal(choose(networks, "torchvision numbers", SHAPES)[0], OTHER)


def test_a_name_for_a_single_network(tmp_path):
    write_npz(tmp_path / "a", flax_arrays(str)(NETWORK))
    networks = networks_of(tmp_path / "a")
    assert_equal(choose(networks, ".", SHAPES)[0], NETWORK)
    with pytest.raises(SourceError, match="holds one only; leave out --network"):
        choose(networks, "ema", SHAPES)


def test_names_of_any_depth_are_refused_or_read_in_one_line(tmp_path):
    for depth in (50, 59, 5000):
        around = ".".join("ab") * depth
        names = (f"{around}.one", f"{around}.two")
        write_npz(tmp_path / "a", pair_of(names, NETWORK, OTHER, "flat"))
        with pytest.raises(SourceError, match=r"2 networks|another network"):
            choose(networks_of(tmp_path / "a"), None, SHAPES)


def test_quantised_kernels_are_refused(tmp_path):
    arrays = flax_arrays(str)(NETWORK)
    arrays["conv3_1.kernel"] = (100 * arrays["conv3_1.kernel"]).astype(np.int8)
    write_npz(tmp_path / "a", arrays)
    with pytest.raises(SourceError, match="conv3_1/kernel holds int8 numbers: a quantised network"):
        convert(tmp_path / "a", tmp_path / "out.safetensors", SHAPES)


def write_keras(path: Path, models: dict[str, Arrays], rename: Callable[[str], str]) -> None:
    """Write models nested in a model, as Keras 2 does."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for (model, network), name in itertools.product(models.items(), WEIGHTED):
            for leaf in ("kernel", "bias"):
                file[f"{model}/{rename(name)}/{leaf}:0"] = network[f"{name}/{leaf}"]


@pytest.mark.parametrize("rename", [str, lambda name: f"conv2d_{WEIGHTED.index(name)}"])
def test_models_nested_in_a_keras_model(rename, tmp_path):
    first, second = in_colour(NETWORK, "BGR"), in_colour(OTHER, "BGR")
    write_keras(tmp_path / "one.h5", {"vgg": first}, rename)
    assert_equal(choose(networks_of(tmp_path / "one.h5"), None, SHAPES)[0], NETWORK)
    write_keras(tmp_path / "two.h5", {"generator": first, "discriminator": second}, rename)
    networks = networks_of(tmp_path / "two.h5")
    assert_equal(choose(networks, "generator", SHAPES)[0], NETWORK)
    assert_equal(choose(networks, "discriminator", SHAPES)[0], OTHER)
    with pytest.raises(SourceError, match="discriminator, generator; choose one by name"):
        choose(networks, None, SHAPES)


def test_networks_in_one_mat_file(tmp_path):
    scipy_io = pytest.importorskip("scipy.io")
    nets = {}
    for name, network in (("net", NETWORK), ("net_average", OTHER)):
        OXFORD(tmp_path / "one.mat", network)
        nets[name] = scipy_io.loadmat(tmp_path / "one.mat")["net"]
    scipy_io.savemat(tmp_path / "two.mat", nets)
    networks = networks_of(tmp_path / "two.mat")
    assert_equal(choose(networks, "net", SHAPES)[0], NETWORK)
    assert_equal(choose(networks, "net_average", SHAPES)[0], OTHER)
    with pytest.raises(SourceError, match="net, net_average"):
        choose(networks, None, SHAPES)


def test_networks_in_a_torch7_table(tmp_path):
    first, second = (in_colour(network, "BGR") for network in (NETWORK, OTHER))
    modules = {
        name: torch7.network_module(network, torch7.DEFAULT)
        for name, network in (("model", first), ("ema", second))
    }
    loss = torch7.Module("nn.ClassNLLCriterion", {"sizeAverage": True})
    with (tmp_path / "a.t7").open("wb") as file:
        table = {"epoch": 3, "criterion": loss, "nets": modules}
        torch7.Writer(file, versioned=True).write(table)
    networks = networks_of(tmp_path / "a.t7")
    assert [each.name for each in networks] == ["nets.model", "nets.ema"]
    assert_equal(choose(networks, "model", SHAPES)[0], NETWORK)
    assert_equal(choose(networks, "nets.ema", SHAPES)[0], OTHER)
    with pytest.raises(SourceError, match=r"nets.model, nets.ema"):
        choose(networks, None, SHAPES)


def test_networks_in_one_tarball(tmp_path):
    for name, network in (("vgg", NETWORK), ("ema", OTHER)):
        caffe.LAYOUTS[0].write(tmp_path / f"{name}.caffemodel", network)
    source, dest = tmp_path / "a.tar.gz", tmp_path / "out.safetensors"
    with tarfile.open(source, "w:gz") as archive:
        for name in ("vgg", "ema"):
            archive.add(tmp_path / f"{name}.caffemodel", f"nets/{name}.caffemodel")
    with pytest.raises(SourceError, match=r"2 networks: nets/vgg.caffemodel, nets/ema.caffemodel"):
        convert(source, dest, SHAPES)
    converted = convert(source, dest, SHAPES, network="ema.caffemodel")
    assert "left in the tarball: nets/vgg.caffemodel" in converted.summary
    np.testing.assert_array_equal(fg.load_params(dest)["fc8"]["kernel"], OTHER["fc8/kernel"])


def test_a_small_file_beside_the_network_in_a_tarball_is_told(tmp_path):
    caffe.LAYOUTS[0].write(tmp_path / "vgg.caffemodel", NETWORK)
    write_npz(tmp_path / "detector.npz", {"a": np.ones(3)})
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in ("detector.npz", "vgg.caffemodel"):
            archive.add(tmp_path / name, name)
    converted = convert(tmp_path / "a.tar", tmp_path / "out.safetensors", SHAPES)
    assert "left in the tarball: detector.npz" in converted.summary


# Orbax folders.


@pytest.fixture(scope="module")
def orbax_folder(tmp_path_factory) -> Path:
    """Return a folder of a run: two steps of a state with a network and its average."""
    folder = tmp_path_factory.mktemp("run")
    for step, networks in ((1, (OTHER, NETWORK)), (2, (NETWORK, OTHER))):
        write_orbax(folder / str(step), pair_of(("params", "ema"), *networks, "flax"))
    return folder


def test_orbax_folders_are_read_exactly(orbax_folder):
    networks = networks_of(orbax_folder / "2")
    assert_equal(choose(networks, "params", SHAPES)[0], NETWORK)
    assert_equal(choose(networks, "ema", SHAPES)[0], OTHER)
    with pytest.raises(SourceError, match="ema, params; choose one by name"):
        choose(networks, None, SHAPES)


def test_a_folder_of_several_orbax_checkpoints_lists_them(orbax_folder):
    with pytest.raises(SourceError, match=r"holds 2 Orbax checkpoints; give one of them: .*1, .*2"):
        open_content(orbax_folder)


@pytest.mark.parametrize("options", [{"use_ocdbt": False}, {"use_zarr3": True}])
def test_every_form_of_orbax(options, tmp_path):
    import orbax.checkpoint as orbax

    tree = nested(prefixed("params.")(flax_arrays(str)(NETWORK)), jnp.bfloat16)
    handler = orbax.PyTreeCheckpointHandler(**options)
    with orbax.Checkpointer(handler) as checkpointer:
        checkpointer.save((tmp_path / "a").absolute(), tree)
    rounded = {name: array.astype(jnp.bfloat16) for name, array in NETWORK.items()}
    assert_equal(choose(networks_of(tmp_path), None, SHAPES)[0], rounded)


@pytest.mark.parametrize("part", ["manifest.ocdbt", "_METADATA", "d/*"])
def test_a_part_of_an_orbax_folder_leads_to_the_folder(part, orbax_folder):
    with pytest.raises(SourceError, match="part of an Orbax checkpoint; give its folder"):
        networks_of(next((orbax_folder / "1").glob(part)))


def test_an_orbax_folder_without_its_numbers_is_refused(orbax_folder, tmp_path):
    shutil.copytree(orbax_folder / "1", tmp_path / "a")
    for path in (tmp_path / "a").rglob("d/*"):
        path.unlink()
    with pytest.raises(SourceError, match="Orbax checkpoint that cannot be read"):
        networks_of(tmp_path / "a")


# The command line.


def test_the_command_asks_and_takes_by_name(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(conversion, "expected_shapes", lambda *_: SHAPES)
    source, dest = tmp_path / "a.msgpack", tmp_path / "out.safetensors"
    write_msgpack(source, pair_of(("params", "ema_params"), NETWORK, OTHER, "flax"))

    def run(*options: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["convert", str(source), str(dest), *options])
        return command.main(), *capsys.readouterr()

    code, out, err = run()
    assert (code, out, err.count("\n"), dest.exists()) == (2, "", 1, False)
    assert "ema_params, params; choose one by name, such as --network ema_params" in err
    code, out, _ = run("--network", "ema_params")
    assert code == 0
    assert "took ema_params, as asked" in out
    loaded = fg.load_network(dest)
    assert loaded.metadata["source_network"] == "ema_params"
    np.testing.assert_array_equal(loaded.params["fc8"]["kernel"], OTHER["fc8/kernel"])
