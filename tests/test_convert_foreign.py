"""Files of other programs are named for what they are, with the way out, and never half-read."""

import gzip
import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegen_jax.convert.content import Content, open_content
from facegen_jax.convert.cursor import SourceError
from facegen_jax.convert.source import read


def field(number: int, value: int | bytes) -> bytes:
    """Return a field of a protocol buffer."""

    def varint(value: int) -> bytes:
        low = value & 0x7F
        return bytes([low]) if value < 0x80 else bytes([low | 0x80]) + varint(value >> 7)

    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


NODE = field(1, b"conv1_1/Conv2D") + field(2, b"Conv2D") + field(3, b"x")
GRAPH = field(1, NODE) * 3 + field(4, field(1, 27))
META_GRAPH = field(1, field(2, b"ops") + field(4, b"serve")) + field(2, GRAPH)
TENSOR = field(1, 4) + field(2, 1) + field(8, b"conv1_1.weight") + field(9, bytes(16))
ONNX_GRAPH = field(1, field(4, b"Conv")) + field(2, b"main_graph") + field(5, TENSOR)
PADDLE_BLOCK = field(1, 0) + field(2, 0) + field(3, field(1, b"conv1_1.w_0"))
WEIGHTS = np.ones((2, 2), np.float32)


def flatbuffer(identifier: bytes) -> bytes:
    return struct.pack("<I", 28) + identifier + bytes(64)


def npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, WEIGHTS)
    return buffer.getvalue()


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"1")
    return buffer.getvalue()


def npz_of_a_dict() -> bytes:
    buffer = io.BytesIO()
    params: Any = {"conv1_1": 1}
    np.savez(buffer, params=params)
    return buffer.getvalue()


# The bytes are those of files that the programs wrote, shortened.
FILES = {
    "onnx": (field(1, 8) + field(2, b"pytorch") + field(3, b"2.1") + field(7, ONNX_GRAPH), "ONNX"),
    "onnx without a producer": (field(1, 10) + field(7, ONNX_GRAPH) + field(8, b""), "ONNX"),
    "onnx, cut": ((field(1, 8) + field(2, b"p") + field(7, ONNX_GRAPH))[:-20], "ONNX"),
    "onnx runtime": (flatbuffer(b"ORTM"), "ONNX Runtime"),
    "tflite": (flatbuffer(b"TFL3"), "TensorFlow Lite"),
    "executorch": (flatbuffer(b"ET12"), "ExecuTorch"),
    "coreml": (field(1, 4) + field(2, b"x") + field(500, b"layers"), "Core ML"),
    "coreml program": (field(1, 7) + field(2, b"x") + field(502, b"program"), "Core ML"),
    "saved_model.pb": (field(1, 1) + field(2, META_GRAPH), "TensorFlow SavedModel"),
    "graph.pb": (GRAPH, "frozen TensorFlow graph"),
    "model.ckpt.meta": (META_GRAPH, r"TensorFlow graph \(.meta\)"),
    "model.ckpt.index": (bytes(90) + bytes.fromhex("57fb808b247547db"), "TensorFlow checkpoint"),
    "model.ckpt.data-00000-of-00001": (WEIGHTS.tobytes() * 9, "TensorFlow checkpoint"),
    "checkpoint": (b'model_checkpoint_path: "model.ckpt"\n', "TensorFlow checkpoint"),
    "gguf": (b"GGUF\3\0\0\0" + bytes(80), "GGUF"),
    "ggml": (b"lmgg" + bytes(80), "GGML"),
    "mxnet": (struct.pack("<QQQI", 0x112, 0, 1, 0xF993FAC9) + bytes(80), "MXNet"),
    "pdparams": (pickle.dumps({"a": 1, "StructuredToParameterName@@": {}}, 4), "PaddlePaddle"),
    "pdiparams": (bytes(16) + struct.pack("<I", 8) + field(1, 5) + field(2, 64), "PaddlePaddle"),
    "pdmodel": (field(1, PADDLE_BLOCK) + field(4, field(1, 0)), "PaddlePaddle"),
    "pickle": (pickle.dumps({"conv1_1": [1.0]}, 4), "Python pickle, which can run code"),
    "old pickle": (pickle.dumps({"conv1_1": [1.0]}, 2), "Python pickle"),
    "pickle of protocol 0": (pickle.dumps({"conv1_1": [1.0]}, 0), "Python pickle"),
    "list of protocol 1": (pickle.dumps([1.0], 1), "Python pickle"),
    "object of protocol 0": (pickle.dumps(Path("a"), 0), "Python pickle"),
    "model-00001-of-00003.safetensors": (b"anything", r"one of 3 shards.*merge them"),
    "pytorch_model-00002-of-00002.bin": (b"anything", "one of 2 shards"),
    "__0_0.distcp": (zipped("archive/data.pkl"), "torch.distributed.*dcp_to_torch_save"),
    ".metadata": (
        b"\x80\4\x95\xfe\3\0\0\0\0\0\0\x8c%torch.distributed.checkpoint.metadata\x94.",
        "torch.distributed.*dcp_to_torch_save",
    ),
    "npz of a dict": (npz_of_a_dict(), "params.npy is a pickled Python object.*numpy.savez"),
    "npy": (npy(), "single NumPy array"),
    "ncnn": (b"7767517\n32 33\n", "ncnn"),
    "openvino": (b'<?xml version="1.0" ?>\n<net name="vgg" version="11">', "OpenVINO"),
    "web page": (b"\n<!DOCTYPE html><html><body>404</body></html>", "web page"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "Git LFS"),
    "index": (b'{"metadata": {}, "weight_map": {"conv1_1.weight": "a"}}', "index of several"),
    "tfjs": (b'{"format": "layers-model", "weightsManifest": []}', "TensorFlow.js"),
    "json": (b'{"image_size": 224}', "JSON text"),
    "prototxt": (b'name: "VGG_FACE_16_layers"\ninput: "data"\n', "Caffe's description"),
    "xz": (b"\xfd7zXZ\0" + bytes(80), "xz archive"),
    "bzip2": (b"BZh91AY&SY" + bytes(80), "bzip2"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(80), "7z"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(80), "Zstandard"),
    "rar": (b"Rar!\x1a\x07\0" + bytes(80), "RAR"),
    "dl4j": (zipped("configuration.json", "coefficients.bin"), "Deeplearning4j"),
    "mlpackage": (zipped("a/Manifest.json", "a/Data/com.apple.CoreML/model.mlmodel"), "Core ML"),
    "pt2": (zipped("vgg/archive_format", "vgg/models/model.json"), "torch.export"),
}


@pytest.mark.parametrize("name", FILES)
def test_foreign_files_are_named(name, tmp_path):
    content, described = FILES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=described) as error:
        read(open_content(tmp_path / name))
    message = str(error.value)
    assert "damaged" not in message
    assert "Caffe file" not in message
    assert message.isprintable()
    assert len(message) < 600  # cut off there


FOLDERS = {
    "saved model": (("saved_model.pb", "variables/variables.index"), "TensorFlow SavedModel"),
    "checkpoint": (("a.ckpt.index", "a.ckpt.data-00000-of-00001"), "TensorFlow checkpoint"),
    "mlpackage": (("Manifest.json", "Data/com.apple.CoreML/model.mlmodel"), "Core ML package"),
    "torch.distributed": (("__0_0.distcp", ".metadata"), "dcp_to_torch_save"),
    "tfjs": (("model.json", "group1-shard1of1.bin"), "TensorFlow.js"),
    "other": (("flax_model.msgpack", "config.json"), "give the network file.*flax_model.msgpack"),
    "empty": ((), "is a folder; give the network file itself"),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_foreign_folders_are_named(name, tmp_path):
    members, described = FOLDERS[name]
    for member in members:
        path: Path = tmp_path / member
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(b"1")
    with pytest.raises(SourceError, match=described):
        open_content(tmp_path)


def test_the_prefix_of_a_tensorflow_checkpoint_is_named(tmp_path):
    (tmp_path / "model.ckpt.index").write_bytes(b"1")
    with pytest.raises(SourceError, match="TensorFlow checkpoint"):
        open_content(tmp_path / "model.ckpt")


@pytest.mark.parametrize("name", FILES)
def test_any_beginning_of_a_foreign_file_is_refused_in_one_line(name):
    content = FILES[name][0]
    for size in (1, 7, 8, 15, 16, 17, 20, 40, 100):
        data = memoryview(content[:size])
        with pytest.raises(SourceError) as error:
            read(Content(data, name, size, "", ""))
        assert str(error.value).isprintable()


def test_a_gzipped_file_that_is_no_tarball(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(FILES["onnx"][0]))
    with pytest.raises(SourceError, match="a gzip file that holds no tarball; unpack it"):
        open_content(tmp_path / "a.gz")
