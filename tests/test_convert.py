"""All layouts give equal parameters; wrong orders give warnings; bad files are refused."""

import gzip
import io
import json
import pickle
import re
import struct
import tarfile
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest
import safetensors
import safetensors.numpy
from published_files import LAYOUTS, Layout, class_names, random_network

import facegen_jax as fg
from facegen_jax.convert import __main__ as command
from facegen_jax.convert import check, conversion, convert, layout
from facegen_jax.convert.cursor import SourceError
from facegen_jax.convert.verify import verify
from facegen_jax.faces import image
from facegen_jax.network import checkpoint, named, published, vgg_face

WIDTHS, DENSE, GRID = (4, 6, 8, 8, 10), (12, 10, 7), 2
SHAPES = check.expected_shapes(vgg_face.VGGFace(WIDTHS, DENSE), 32 * GRID)
REFUSED = {
    "keras-rcmalli-latest": "an HDF5 group with dense link storage",
    "keras-rcmalli-notop-gzip": "a chunked or compressed HDF5 array",
}
"""Error message of each layout that no published file has."""
CONVERTIBLE = [case for case in LAYOUTS if case.name not in REFUSED]
NETWORK = random_network(np.random.default_rng(0), WIDTHS, DENSE, GRID)


@pytest.fixture
def network() -> dict[str, np.ndarray]:
    return dict(NETWORK)


@pytest.fixture
def write(tmp_path, network):
    def write(name: str, network=network):
        case = by_name(name)
        for module in case.needs:
            pytest.importorskip(module)
        case.write(tmp_path / case.filename, network)
        return tmp_path / case.filename

    return write


def by_name(name: str) -> Layout:
    return next(case for case in LAYOUTS if case.name == name)


def zipped(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def read_back(path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read with the safetensors library instead of our own reader."""
    with safetensors.safe_open(path, "np") as file:
        names = file.keys()  # the file is not a dict and cannot be iterated
        return {name: file.get_tensor(name) for name in names}, file.metadata()


@pytest.mark.parametrize("case", CONVERTIBLE, ids=lambda case: case.name)
def test_every_layout_gives_the_same_parameters(case, write, network, tmp_path):
    dest = tmp_path / "out.safetensors"
    # Nothing in these files reveals the colour order; users know it, or their hash does.
    ambiguous = case.name.startswith("pytorch-flat-bgr")
    converted = convert(write(case.name), dest, SHAPES, colour="BGR" if ambiguous else None)
    tensors, metadata = read_back(dest)
    assert list(tensors) == sorted(
        name for name in network if case.dense or name.startswith("conv")
    )
    for name, tensor in tensors.items():
        assert tensor.dtype == np.float32
        if case.exact:
            np.testing.assert_array_equal(tensor, network[name], name)
        else:
            np.testing.assert_allclose(tensor, network[name], rtol=2**-8, atol=1e-6)
    assert metadata["source_colour_order"] == case.colour
    assert {
        "format_version",
        "network",
        "source_format",
        "source_sha256",
        "mean_rgb",
        "licence",
    } <= set(metadata)
    assert case.colour in converted.summary[2]
    loaded = checkpoint.load_network(dest)
    assert (loaded.name, loaded.size) == ("vgg-face", 224)


@pytest.mark.parametrize("name", ["keras-rcmalli", "hdf5-flat", "pytorch-pyvggface"])
def test_a_guessed_colour_order_gives_a_warning(name, write, tmp_path):
    warning = (
        "read as BGR, like known files with these names (check with --verify, change with --colour)"
    )
    dest = tmp_path / "out.safetensors"
    source = write(name)
    assert warning in convert(source, dest, SHAPES).warnings
    assert warning not in convert(source, dest, SHAPES, colour="BGR").warnings


def test_reads_the_weights_in_a_keras_archive(write, network, tmp_path):
    source = write("keras3-conv")
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.write(source, "model.weights.h5")
        archive.writestr("metadata.json", "{}")
    convert(tmp_path / "model.keras", tmp_path / "out.safetensors", SHAPES)
    np.testing.assert_array_equal(
        read_back(tmp_path / "out.safetensors")[0]["fc6/kernel"], network["fc6/kernel"]
    )


@pytest.mark.parametrize("name", REFUSED)
def test_unsupported_hdf5_features_are_refused_with_a_remedy(name, write, tmp_path):
    with pytest.raises(SourceError, match=f"{REFUSED[name]}.*h5py"):
        convert(write(name), tmp_path / "out.safetensors", SHAPES)
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize(
    "case",
    [case for case in LAYOUTS if case.name.startswith(("matconvnet", "tarball"))],
    ids=lambda case: case.name,
)
def test_class_names_are_kept(case, write, network, tmp_path):
    convert(write(case.name), tmp_path / "out.safetensors", SHAPES)
    assert list(checkpoint.load_network(tmp_path / "out.safetensors").classes) == class_names(
        network
    )


@pytest.mark.parametrize(("dtype", "tolerance"), [("float16", 2**-10), ("bfloat16", 2**-7)])
def test_lower_precision_is_smaller_and_close(dtype, tolerance, write, network, tmp_path):
    source = write("caffe-v1")
    convert(source, tmp_path / "out.safetensors", SHAPES, dtype=dtype)
    params = fg.load_params(tmp_path / "out.safetensors")
    assert (tmp_path / "out.safetensors").stat().st_size < 0.7 * source.stat().st_size
    for name, expected in network.items():
        layer, leaf = name.split("/")
        assert params[layer][leaf].dtype == jnp.float32
        np.testing.assert_allclose(params[layer][leaf], expected, rtol=tolerance, atol=1e-6)


def test_without_dense_layers(write, tmp_path):
    convert(write("caffe-v1"), tmp_path / "out.safetensors", SHAPES, dense=False)
    assert len(read_back(tmp_path / "out.safetensors")[0]) == 26


# Colour order, mean and flatten order, against the release's own pipeline in NumPy and SciPy.


def caffe_first_layer(network, face):
    """Run conv1_1 as Caffe does: BGR, 0-255 minus the mean in that order, OIHW kernels."""
    signal = pytest.importorskip("scipy.signal")
    bgr = 255 * face[..., ::-1] - np.array(
        [93.59396362304688, 104.76238250732422, 129.186279296875]
    )
    planes = np.pad(bgr.transpose(2, 0, 1), ((0, 0), (1, 1), (1, 1)))
    kernels = network["conv1_1/kernel"][:, :, ::-1].transpose(3, 2, 0, 1)  # as in the file
    maps = [
        signal.correlate(planes, kernel, "valid")[0] + bias
        for kernel, bias in zip(kernels, network["conv1_1/bias"], strict=True)
    ]
    return np.maximum(np.stack(maps, -1), 0)


def first_layer_error(write, network, face, tmp_path) -> float:
    convert(write("caffe-v1"), tmp_path / "out.safetensors", SHAPES)
    maps = np.asarray(
        fg.extract(fg.load_params(tmp_path / "out.safetensors"), face, ("conv1_1",))["conv1_1"]
    )
    expected = caffe_first_layer(network, face)
    return float(np.abs(maps - expected).max() / np.abs(expected).max())


def test_colour_order_and_mean_match_the_release(write, network, picture, tmp_path, monkeypatch):
    assert first_layer_error(write, network, picture, tmp_path) < 1e-5
    with monkeypatch.context() as wrong:
        wrong.setattr(vgg_face, "MEAN_RGB", vgg_face.MEAN_RGB[::-1])
        assert first_layer_error(write, network, picture, tmp_path) > 1e-2
    with monkeypatch.context() as wrong:
        wrong.setattr(conversion, "canonical", lambda parsed, _: layout.canonical(parsed, "RGB"))
        assert first_layer_error(write, network, picture, tmp_path) > 1e-2


def fc6_error(write, network, face, tmp_path) -> float:
    """Compare fc6 with Caffe's: weights (output, input), feature maps flattened channels first."""
    convert(write("caffe-v1"), tmp_path / "out.safetensors", SHAPES)
    large = np.kron(face, np.ones((2, 2, 1), np.float32))
    features = fg.extract(fg.load_params(tmp_path / "out.safetensors"), large, ("conv5_3", "fc6"))
    pooled = (
        np.asarray(features["conv5_3"])
        .reshape(GRID, 2, GRID, 2, -1)
        .max((1, 3))
        .transpose(2, 0, 1)
        .ravel()
    )
    weights = (
        network["fc6/kernel"]
        .reshape(GRID, GRID, WIDTHS[-1], -1)
        .transpose(3, 2, 0, 1)
        .reshape(DENSE[0], -1)
    )
    expected = np.maximum(weights @ pooled + network["fc6/bias"], 0)
    return float(np.abs(np.asarray(features["fc6"]) - expected).max() / np.abs(expected).max())


def test_flatten_order_matches_the_release(write, network, picture, tmp_path, monkeypatch):
    assert fc6_error(write, network, picture, tmp_path) < 1e-5
    with monkeypatch.context() as wrong:
        wrong.setattr(
            layout,
            "_fc6",
            lambda kernel, channels, axes: kernel.T.reshape(GRID, GRID, channels, -1),
        )
        assert fc6_error(write, network, picture, tmp_path) > 1e-2


# Order warnings, tested on the trained network that ships.


@pytest.fixture(scope="module")
def trained() -> dict[str, np.ndarray]:
    params = fg.load_params()
    tensors = {
        f"{name}/{leaf}": np.asarray(params[name][leaf])
        for name in layout.NAMES
        for leaf in ("kernel", "bias")
    }
    return tensors | {"fc6/kernel": tensors["fc6/kernel"].reshape(3, 3, 128, -1)}


def test_trained_and_random_networks_give_no_warnings(trained, network):
    assert check.order_warnings(trained) == []
    assert (
        check.order_warnings(
            network | {"fc6/kernel": network["fc6/kernel"].reshape(GRID, GRID, WIDTHS[-1], -1)}
        )
        == []
    )


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("conv1_1", lambda kernel: kernel[:, :, ::-1], "conv1_1: red and blue look swapped"),
        ("conv3_2", lambda kernel: kernel.swapaxes(2, 3), "conv3_2: inputs and outputs"),
        ("conv5_3", lambda kernel: kernel.swapaxes(2, 3), "conv5_3: inputs and outputs"),
        (
            "fc6",
            lambda kernel: np.ascontiguousarray(kernel.transpose(2, 0, 1, 3)).reshape(kernel.shape),
            "fc6: its inputs look",
        ),
        (
            "fc6",
            lambda kernel: kernel.reshape(128, 3, 3, -1).transpose(1, 2, 0, 3),
            "fc6: its inputs look",
        ),
    ],
)
def test_wrong_orders_give_warnings(trained, name, wrong, message):
    key = f"{name}/kernel"
    warnings = check.order_warnings(trained | {key: wrong(trained[key])})
    assert [warning for warning in warnings if warning.startswith(message)]


# Errors name the cause, and leave no files.


def change(name, **changes):
    return lambda network: network | {name: changes["to"](network[name])}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            change("conv3_2/kernel", to=lambda k: k[..., :-1]),
            r"conv3_2/bias has shape \(8,\), expected \(7,\)",
        ),
        (
            change("conv1_1/kernel", to=lambda k: k[:, :, :2]),
            r"conv1_1/kernel has shape \(3, 3, 2, 4\), VGG-Face has \(3, 3, 3, 4\)",
        ),
        (
            change("fc6/kernel", to=lambda k: k[:-1]),
            r"fc6/kernel has shape \(39, 12\), expected 10 channels times a square",
        ),
        (
            change("fc8/kernel", to=lambda k: k[1:]),
            r"fc8/kernel has shape \(9, 7\), VGG-Face has \(10, 7\)",
        ),
        (
            change("conv2_2/kernel", to=lambda k: np.where(k == k.max(), np.inf, k)),
            r"conv2_2/kernel of shape \(3, 3, 6, 6\) holds non-finite numbers",
        ),
        (
            change("fc7/bias", to=lambda b: b * np.nan),
            r"fc7/bias of shape \(10,\) holds non-finite numbers",
        ),
        (
            change("conv4_3/kernel", to=lambda k: k * 0),
            r"conv4_3/kernel of shape \(3, 3, 8, 8\) has 576 zeros among 576 numbers",
        ),
        (
            lambda network: {
                name: value for name, value in network.items() if not name.startswith("conv4_2")
            },
            "no weights for conv4_2",
        ),
        (
            lambda network: {
                name: value for name, value in network.items() if not name.startswith("fc7")
            },
            "30 tensors, dense layers fc6, fc8; expected",
        ),
    ],
)
def test_wrong_networks_name_the_tensor(damage, message, network, tmp_path):
    source, dest = tmp_path / "a.safetensors", tmp_path / "out.safetensors"
    source.write_bytes(
        safetensors.numpy.save(
            {name: np.ascontiguousarray(value) for name, value in damage(network).items()}
        )
    )
    with pytest.raises(SourceError, match=message):
        convert(source, dest, SHAPES)
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("case", CONVERTIBLE, ids=lambda case: case.name)
def test_truncated_files_are_refused(case, write, tmp_path):
    source = write(case.name)
    content = source.read_bytes()
    for length in (len(content) // 50, len(content) // 2, len(content) * 9 // 10):
        source.write_bytes(content[:length])
        with pytest.raises(SourceError):
            convert(source, tmp_path / "out.safetensors", SHAPES)
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("name", ["caffe-v1", "torch7-unfolded", "own-safetensors"])
def test_files_with_a_zero_half_are_refused(name, write, tmp_path):
    """An interrupted download into preallocated space leaves such files."""
    source = write(name)
    content = source.read_bytes()
    source.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    with pytest.raises(SourceError):
        convert(source, tmp_path / "out.safetensors", SHAPES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (bytes(100_000), "begins with zeros only: an unfinished download?"),
        (b"<html>404 Not Found</html>" * 20, "a web page, not the file"),
        (
            b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n" + bytes(100),
            "version 7.3.*save it again with -v7",
        ),
        (b"\x1f\x8b" + bytes(50), "damaged compressed data"),
        (gzip.compress(bytes(2000) + b"text" * 500, mtime=0), "a tarball without a network"),
        (gzip.compress(b"text" * 500, mtime=0), "a gzip file that holds no tarball; unpack it"),
        (zipped("weights/a.pth", b"1"), "unpack it and convert weights/a.pth"),
        (zipped("readme", b"1"), "a zip file that is no network itself; it holds readme"),
        (b"PK\3\4" + bytes(50), "not a readable zip container"),
    ],
)
def test_other_files_are_refused(content, message, tmp_path):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(SourceError, match=message):
        convert(tmp_path / "file", tmp_path / "out.safetensors", SHAPES)


class Hostile:
    """An object that creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize(
    "wrap",
    [lambda hostile: hostile, lambda hostile: {"conv1_1.weight": hostile, "epoch": hostile}],
)
def test_pickles_are_never_executed(wrap, tmp_path):
    trace = tmp_path / "executed"
    with zipfile.ZipFile(tmp_path / "file.pth", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(wrap(Hostile(trace)), 2))
        archive.writestr("archive/data/0", bytes(100))
    with pytest.raises(SourceError, match=r"which is code|another network"):
        convert(tmp_path / "file.pth", tmp_path / "out.safetensors", SHAPES)
    assert not trace.exists()


def test_a_pickled_module_is_refused(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "file.pth")
    with pytest.raises(SourceError, match=r"save model.state_dict\(\)"):
        convert(tmp_path / "file.pth", tmp_path / "out.safetensors", SHAPES)


def bomb_tarball() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("a.mat")
        member.size = 30_000_000
        archive.addfile(member, io.BytesIO(bytes(member.size)))
    return buffer.getvalue()


def bomb_npz() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **{"conv1_1/kernel": np.zeros(10_000_000)})
    return buffer.getvalue()


@pytest.mark.parametrize("bomb", [bomb_tarball, bomb_npz])
def test_decompression_bombs_are_refused(bomb, tmp_path):
    (tmp_path / "file").write_bytes(bomb())
    with pytest.raises(SourceError, match=r"unpacks to|without a network"):
        convert(tmp_path / "file", tmp_path / "out.safetensors", SHAPES)


def many_empty_members() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for number in range(3000):
            archive.addfile(tarfile.TarInfo(f"{number}.mat"))
    return buffer.getvalue()


def header(kind: str, size: int) -> bytes:
    member = tarfile.TarInfo("a")
    member.type, member.size = kind.encode(), size
    return member.tobuf(tarfile.USTAR_FORMAT)


def npy(shape: str) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + bytes(12)


def safetensors_file(shape: str) -> bytes:
    entry = f'{{"dtype": "F32", "shape": {shape}, "data_offsets": [0, 4]}}'
    header = f'{{"conv1_1/kernel": {entry}}}'.encode()
    return len(header).to_bytes(8, "little") + header + bytes(4)


HOSTILE = {
    "a dict that contains itself a thousand times": lambda: zipped(
        "a/data.pkl",
        b"\x80\x02}q\x00(" + b"".join(b"K%ch\x00" % (i % 256) for i in range(1000)) + b"u.",
    ),
    "a memo of four billion entries": lambda: zipped("a/data.pkl", b"\x80\x02}r\xff\xff\xff\xff."),
    "a string of two gigabytes": lambda: zipped("a/data.pkl", b"\x80\x02X\xff\xff\xff\x7fabc."),
    "containers that contain each other": lambda: (
        b"".join(
            struct.pack("<iii", 3, index, 1)
            + struct.pack("<ii7s", 2, 7, b"modules")
            + struct.pack("<iii", 3, index + 1, 2)
            + struct.pack("<idii", 1, 1.0, 3, 1)
            + struct.pack("<id", 1, 2.0)
            for index in range(1, 60, 2)
        )
        + struct.pack("<ii", 3, 1)
    ),
    "nested tuples as a key": lambda: zipped(
        "a/data.pkl", b"\x80\x02}" + b")" + b"\x85" * 190_000 + b"K\1s."
    ),
    "doubling tuples as a key": lambda: zipped(
        "a/data.pkl", b"\x80\x02})q\0" + b"h\0h\0\x86q\0" * 60 + b"K\1s."
    ),
    "a name of doubling lists": lambda: zipped(
        "a/data.pkl", b"\x80\x04)q\0" + b"h\0h\0\x86q\0" * 60 + b"h\0\x93."
    ),
    "a table that is its own class": lambda: (
        struct.pack("<iiii", 4, 1, 2, 3)
        + b"V 1"
        + struct.pack("<ii", 2, 4)
        + b"nn.A"
        + struct.pack("<iii", 3, 2, 1)
        + struct.pack("<ii5s", 2, 5, b"class")
        + struct.pack("<ii", 3, 2)
    ),
    "a layer without a bias": lambda: (
        struct.pack("<iiii", 4, 1, 2, 3)
        + b"V 1"
        + struct.pack("<ii", 2, 9)
        + b"nn.Linear"
        + struct.pack("<iii", 3, 2, 0)
    ),
    "fifteen hundred long headers": lambda: gzip.compress(
        header("x", 10) + b"10 path=a\n".ljust(512, b"\0") * 1500
    ),
    "a header of sixteen megabytes": lambda: gzip.compress(header("x", 1 << 24)),
    "a fractional side": lambda: zipped("a.npy", npy("(3.5,)")),
    "an infinite side": lambda: zipped("a.npy", npy("(1e999,)")),
    "a side of text": lambda: zipped("a.npy", npy("('3',)")),
    "a huge shape without numbers": lambda: zipped(
        "a.npy", npy("(0, 2147483647, 2147483647, 2147483647)")
    ),
    "a tarball of three thousand files": many_empty_members,
    "a side of 4000 digits": lambda: safetensors_file(f"[{'9' * 4000}]"),
    "a thousand sides": lambda: safetensors_file(str([2**60] * 1000)),
    "a deep header": lambda: (
        (100_000).to_bytes(8, "little") + b"{" + b'"a":{' * 19_999 + bytes(100)
    ),
    "an npz side of 4000 digits": lambda: zipped(
        "a.npy",
        b"\x93NUMPY\1\0"
        + struct.pack("<H", 4100)
        + b"{'descr': '<f4', 'fortran_order': False, 'shape': (".ljust(4096, b"9")
        + b",)} ",
    ),
    "a zip that claims 65535 files": lambda: zipped("a", b"").replace(
        b"PK\5\6\0\0\0\0\1\0\1\0", b"PK\5\6\0\0\0\0\xff\xff\xff\xff"
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(name, tmp_path):
    (tmp_path / "file").write_bytes(HOSTILE[name]())
    with pytest.raises(SourceError):
        convert(tmp_path / "file", tmp_path / "out.safetensors", SHAPES)


def test_a_different_mean_gives_a_warning(tmp_path, network):
    scipy_io = pytest.importorskip("scipy.io")
    by_name("matconvnet-vlfeat").write(tmp_path / "a.mat", network)
    content = scipy_io.loadmat(tmp_path / "a.mat")
    content["meta"]["normalization"][0, 0]["averageImage"][0, 0][:] = 100
    scipy_io.savemat(tmp_path / "a.mat", {"layers": content["layers"], "meta": content["meta"]})
    assert any(
        "own mean (100.00" in warning
        for warning in convert(tmp_path / "a.mat", tmp_path / "out.safetensors", SHAPES).warnings
    )


@pytest.mark.parametrize(
    "name",
    ["caffe-v1", "keras-rcmalli", "own-safetensors", "torch7-unfolded", "pytorch-dag-legacy"],
)
def test_a_zeroed_tail_is_refused_or_gives_a_warning(name, write, tmp_path):
    """A tail that was zero before changes nothing, and may go unnoticed."""
    source = write(name)
    content = source.read_bytes().rstrip(b"\0")
    for count in (20, 40, 100, 400, 1000):
        source.write_bytes(content[:-count] + bytes(count))
        try:
            converted = convert(source, tmp_path / "out.safetensors", SHAPES)
        except SourceError:
            continue
        changed = any(
            not np.array_equal(value, NETWORK[key])
            for key, value in read_back(tmp_path / "out.safetensors")[0].items()
        )
        assert not changed or any("ends in zeros" in warning for warning in converted.warnings), (
            count
        )


def test_a_wrong_number_of_class_names_is_ignored_with_a_warning(write, tmp_path, network):
    source = write("tarball-caffe")
    with tarfile.open(source) as archive:
        members = [(member, archive.extractfile(member)) for member in archive if member.isreg()]
        contents = {member.name: file.read() for member, file in members if file}
    with tarfile.open(source, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for path, content in contents.items():
            member = tarfile.TarInfo("a" * 150 + "/" + path)  # too long for the header's name field
            content = b"one\ntwo\n" if path.endswith("names.txt") else content
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    converted = convert(source, tmp_path / "out.safetensors", SHAPES)
    assert any(
        "ignored the names of 2 classes: the network has 7" in warning
        for warning in converted.warnings
    )


@pytest.mark.parametrize(
    "tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
)
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_tarballs_of_every_format(tar_format, mode, write, tmp_path, network):
    source = write("caffe-v1")
    with tarfile.open(tmp_path / "a.tar", mode, format=tar_format) as archive:
        archive.add(
            source,
            "b" * (90 if tar_format == tarfile.USTAR_FORMAT else 200) + "/VGG_FACE.caffemodel",
        )
    convert(tmp_path / "a.tar", tmp_path / "out.safetensors", SHAPES)
    np.testing.assert_array_equal(
        read_back(tmp_path / "out.safetensors")[0]["fc7/kernel"], network["fc7/kernel"]
    )


def test_a_names_file_overrides_and_must_fit(write, tmp_path, network):
    names = tmp_path / "names.txt"
    names.write_text("\n".join(class_names(network)[::-1]) + "\n")
    convert(write("caffe-v1"), tmp_path / "out.safetensors", SHAPES, names=names)
    assert (
        list(checkpoint.load_network(tmp_path / "out.safetensors").classes)
        == class_names(network)[::-1]
    )
    names.write_text("one\ntwo\n")
    with pytest.raises(ValueError, match="has 2 lines, expected the names of 7 classes"):
        convert(write("caffe-v1"), tmp_path / "out.safetensors", SHAPES, names=names)


# The table of known files, and the paths of a converted one.


def test_the_table_is_in_the_model_card_and_every_row_is_tested():
    text = (checkpoint.WEIGHTS_FOLDER / "README.md").read_text()
    assert published.table() in text
    colours = {entry.layout: entry.colour for entry in published.PUBLISHED}
    assert set(colours) <= {case.name for case in CONVERTIBLE}
    assert colours == {case.name: case.colour for case in LAYOUTS if case.name in colours}


def test_a_known_hash_sets_the_colour_order(write, network, tmp_path, monkeypatch):
    source = write("pytorch-flat-bgr")
    unknown = convert(source, tmp_path / "out.safetensors", SHAPES)
    assert (unknown.metadata["source_known_as"], unknown.metadata["source_colour_order"]) == (
        "unknown",
        "RGB",
    )
    assert any("--colour BGR" in warning for warning in unknown.warnings)
    entry = published.PUBLISHED[0]._replace(
        file="mine.pth", colour="BGR", md5=("", unknown.metadata["source_md5"])
    )
    monkeypatch.setattr(published, "PUBLISHED", (*published.PUBLISHED, entry))
    known = convert(source, tmp_path / "out.safetensors", SHAPES)
    assert (known.metadata["source_known_as"], known.metadata["source_colour_order"]) == (
        "mine.pth",
        "BGR",
    )
    np.testing.assert_array_equal(
        read_back(tmp_path / "out.safetensors")[0]["conv1_1/kernel"], network["conv1_1/kernel"]
    )


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.delenv(named.FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(named, "WEIGHTS_FOLDER", tmp_path / "weights")
    return tmp_path


def test_a_missing_vgg_face_error_says_how_to_get_it(home):
    with pytest.raises(checkpoint.CheckpointError) as error:
        fg.load_params("vgg-face")
    message = str(error.value)
    commands = re.search(r"curl -LO (\S+) && python -m facegen_jax.convert (\S+)$", message)
    assert commands
    assert commands[1].endswith(commands[2])
    assert all(
        part in message
        for part in (
            "540 MB",
            "ee707ac6e890bc148cb155adeaad12be",
            "CC BY-NC 4.0",
            str(home / "cache"),
        )
    )


@pytest.mark.parametrize("location", ["cache", "weights", "variable"])
def test_vgg_face_is_found(location, home, params, monkeypatch):
    folder = {
        "cache": home / "cache" / "facegen_jax",
        "weights": home / "weights",
        "variable": home / "mine",
    }[location]
    if location == "variable":
        monkeypatch.setenv(named.FOLDER_VARIABLE, str(folder))
    folder.mkdir(parents=True)
    checkpoint.save_network(
        folder / "vgg-face.safetensors", params, {"network": "vgg-face", "image_size": "32"}
    )
    assert checkpoint.load_network("vgg-face").name == "vgg-face"


# The command line.


@pytest.fixture
def run(monkeypatch, capsys, home):
    """Run the command as if the published networks were tiny."""

    def run(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(conversion, "expected_shapes", lambda *_: SHAPES)
        monkeypatch.setattr("sys.argv", ["convert", *map(str, arguments)])
        try:
            code = command.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, *capsys.readouterr()

    return run


def test_command_writes_where_params_looks(run, write, home, network):
    code, out, err = run(write("tarball-caffe"))
    assert code == 0
    assert err == ""
    for part in (
        "Caffe .caffemodel (V1 layers)",
        "SHA-256",
        "unknown",
        "reversed to RGB",
        "32 tensors",
        "complete",
        "CC BY-NC 4.0",
    ):
        assert part in out
    np.testing.assert_array_equal(
        fg.load_params("vgg-face")["fc6"]["kernel"], network["fc6/kernel"]
    )


def test_command_lists_known_files(run):
    code, out, _ = run("--list")
    assert code == 0
    assert out.strip() == published.table()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give the file to convert"),
        (("nowhere.mat",), "nowhere.mat: no such file"),
        ((".",), "is a folder"),
        (("SOURCE", "out.pth"), "should end in .safetensors"),
        (("SOURCE", "nowhere/out.safetensors"), "nowhere: no such folder"),
        (("SOURCE", "out.safetensors", "--verify", "nowhere.png"), "nowhere.png: no such file"),
        (("SOURCE", "out.safetensors", "--names", "nowhere.txt"), "nowhere.txt"),
        (
            ("SOURCE", "out.safetensors", "--verify", "face.png", "--no-fc"),
            "--verify needs fc6 to fc8",
        ),
        (("SOURCE", "out.safetensors", "--dtype", "int8"), "--dtype"),
        (("SOURCE", "out.safetensors", "--network", ""), "--network is empty; give a name"),
        (("/dev/zero", "out.safetensors"), "is not a regular file"),
        (("TEXT", "out.safetensors"), "unknown container"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    arguments, message, run, write, home, monkeypatch
):
    monkeypatch.chdir(home)
    (home / "text").write_text("text " * 1000)
    fg.save_image(home / "face.png", np.zeros((9, 9, 3), np.float32))
    files = {"SOURCE": write("own-npz"), "TEXT": home / "text"}
    arguments = [files.get(argument, argument) for argument in arguments]
    before = sorted(home.rglob("*"))
    code, out, err = run(*arguments)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert out == ""
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize(
    ("folder", "reason"), [("file", "file is a file"), ("/proc/facegen", "No such file")]
)
def test_a_default_folder_that_cannot_be(folder, reason, run, write, home, monkeypatch):
    (home / "file").write_text("text")
    monkeypatch.setenv(named.FOLDER_VARIABLE, str(home / folder))
    code, out, err = run(write("own-npz"))
    assert (code, out, err.count("\n")) == (2, "", 1)
    message = f"{home / folder}: no folder can be made there for the converted network; give a DEST"
    assert message in err
    assert "set FACEGEN_WEIGHTS to a folder" in err
    assert reason in err


def test_a_full_disk_leaves_no_files(run, write, home, monkeypatch):
    source = write("own-npz")
    before = sorted(home.rglob("*"))

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("facegen_jax.convert.conversion.tensor_file.write", full)
    code, _, err = run(source, home / "out.safetensors")
    assert code == 2
    assert "No space left on device" in err
    assert sorted(home.rglob("*")) == before


def test_verify_shows_classes_and_both_colour_orders(run, write, home, network, picture):
    fg.save_image(home / "face.png", picture)
    dest = home / "out.safetensors"
    source = write("tarball-caffe")
    converted = conversion.convert(source, dest, SHAPES)
    assert converted.metadata["image_size"] == "224"
    tensors, metadata = read_back(dest)
    dest.write_bytes(safetensors.numpy.save(tensors, metadata | {"image_size": "64"}))
    lines = verify(dest, home / "face.png")
    assert len(lines) == 1 + 5 + 2
    assert "129.1863, 104.7624, 93.5940" in lines[0]
    large = image.resize(fg.load_image(home / "face.png"), (64, 64))
    probabilities = np.asarray(fg.classify(fg.load_params(dest), large))
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)
    best = int(probabilities.argmax())
    assert f"{probabilities[best]:.4f}  class {best}  {class_names(network)[best]}" in lines[1]
    assert "swapped" in lines[-2]
    assert "0.9464" in lines[-1]


def test_the_record_names_network_hash_and_colour_order(home, write, network):
    from facegen_jax.edit.record import _network

    convert(write("caffe-v1"), home / "out.safetensors", SHAPES)
    record = json.loads(json.dumps(_network(checkpoint.load_network(home / "out.safetensors"))))
    assert (record["name"], record["colour_order"], len(record["sha256"])) == (
        "vgg-face",
        "RGB",
        64,
    )
    assert record["source"]["colour_order"] == "BGR"
    assert record["source"]["format"] == "Caffe .caffemodel (V1 layers)"
