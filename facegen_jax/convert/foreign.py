"""Containers that are not read, recognised by their bytes and named with the way out."""

import re
import struct
from pathlib import Path

from .cursor import SourceError
from .protobuf import fields
from .remedies import (
    CHECKPOINT,
    COMPRESSED,
    DISTRIBUTED,
    FROZEN,
    MADE_OF,
    META,
    MXNET,
    ONNX,
    ORBAX_PART,
    PADDLE,
    PICKLE,
    SAVED_MODEL,
    SHARD,
)

SIGNATURES = (
    (4, b"TFL3", f"a TensorFlow Lite network, whose weights are often rounded; {MADE_OF}"),
    (4, b"ORTM", f"an ONNX Runtime network (.ort); {MADE_OF}"),
    (4, b"ET1", f"an ExecuTorch program (.pte); {MADE_OF}"),
    (0, b"GGUF", f"a GGUF file, the format of llama.cpp; {MADE_OF}"),
    *((0, magic, f"a GGML file; {MADE_OF}") for magic in (b"lmgg", b"tjgg", b"fmgg", b"algg")),
    (0, b"7767517\n", f"an ncnn network (.param); {MADE_OF}"),
    (0, struct.pack("<QQ", 0x112, 0), MXNET),
    (0, b"\x0c\xdb", ORBAX_PART),
    (0, b"\x93NUMPY", "a single NumPy array; save all of them, by name, with numpy.savez"),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the file; git lfs pull fetches it"),
    (0, b"\xfd7zXZ\0", f"an xz archive; {COMPRESSED}"),
    (0, b"BZh", f"a bzip2 archive; {COMPRESSED}"),
    (0, b"7z\xbc\xaf\x27\x1c", f"a 7z archive; {COMPRESSED}"),
    (0, b"\x28\xb5\x2f\xfd", f"a Zstandard archive; {COMPRESSED}"),
    (0, b"Rar!\x1a\x07", f"a RAR archive; {COMPRESSED}"),
)
"""Offset, bytes there, and what a file with them is."""
TABLE_MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
"""The last bytes of a TensorFlow checkpoint's index."""
TEXTS = (
    (rb"(?i)\s*<(!doctype html|html|head|body)", "a web page, not the file that it leads to"),
    (rb"\s*<\?xml[^>]*>\s*<net\b", f"an OpenVINO network; {MADE_OF}"),
    (rb'(?s)\s*\{.*"weight_map"', "an index of several files; merge them to one with safetensors"),
    (rb'(?s)\s*\{.*"weightsManifest"', f"a TensorFlow.js network; {MADE_OF}"),
    (
        rb'(?s)\s*\{.*"(tree_metadata|item_handlers)"',
        "a part of an Orbax checkpoint; give its folder",
    ),
    (rb"model_checkpoint_path:", CHECKPOINT),
    (rb'\s*\{\s*"', "a JSON text, not the weights"),
    (rb"\s*(name|layers?)\s*[:{]", "Caffe's description of a network; give the .caffemodel"),
)
"""Patterns of text at the beginning."""
OLD_PICKLE = re.compile(rb"[(]?[dl][pq.(]|[}\])][q.(]|\(lp|[(]?c[\w.]+\n[\w.]+\n")
"""How pickles of protocols 0 and 1 begin: a dict, a list, a tuple or a class."""
WEIGHTS_SHARD = re.compile(r".*-[0-9]{5}-of-([0-9]{5})\.(safetensors|bin|pth?)")
DATA_SHARD = re.compile(r".*\.data-[0-9]{5}-of-[0-9]{5}")
HEAD, TAIL, MAX_VERSION = 1 << 16, 1 << 16, 1000
PADDLE_KEY = b"StructuredToParameterName@@"


def recognise(data: memoryview, name: str) -> str | None:
    """Return what a file is, with the remedy; None if it may be a container that is read.

    Only the shards of a TensorFlow checkpoint are told by their name: they are bare numbers.
    """
    head = bytes(data[:HEAD])
    for offset, magic, described in SIGNATURES:
        if head[offset : offset + len(magic)] == magic:
            return described
    if bytes(data[-len(TABLE_MAGIC) :]) == TABLE_MAGIC:
        return CHECKPOINT
    if head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return _pickle(head, bytes(data[-TAIL:]))
    if OLD_PICKLE.match(head) and bytes(data[-1:]) == b".":
        return PICKLE
    text = head.removeprefix(b"\xef\xbb\xbf")
    for pattern, described in TEXTS:
        if re.match(pattern, text):
            return described
    if head[:16] == bytes(16) and head[16:17] > b"\0" and head[17:21] == b"\0\0\0\x08":
        return f"PaddlePaddle's parameters of a program (.pdiparams); {MADE_OF}"
    return _message(data) or (CHECKPOINT if DATA_SHARD.fullmatch(name) else None)


def by_name(name: str) -> str | None:
    """Return what a part of a network is, which its content does not tell from a whole one."""
    shard = WEIGHTS_SHARD.fullmatch(name)
    if shard and int(shard[1]) > 1:
        return SHARD.format(int(shard[1]))
    return DISTRIBUTED if name.endswith(".distcp") else None


def _pickle(head: bytes, tail: bytes) -> str:
    if b"torch.distributed.checkpoint" in head:
        return DISTRIBUTED
    return PADDLE if PADDLE_KEY in tail else PICKLE


def _message(data: memoryview) -> str | None:
    """Return what network a protocol buffer holds, if it is one that is not read."""
    found = _outline(data)
    numbers = [number for number, _ in found]
    first = found[0] if found else (0, 0)
    if first[0] != 1:
        return None
    if isinstance(first[1], int) and first[1] < MAX_VERSION:  # Caffe's field 1 is its name
        if any(number >= 200 for number in numbers):
            return f"a Core ML network; {MADE_OF}"
        if any(number == 7 and _outline(content, 1) for number, content in found):
            return ONNX
        return SAVED_MODEL if 2 in numbers and _is_meta_graph(found[1][1]) else None
    if _is_meta_graph(data):
        return META
    if _is_graph(data):
        return FROZEN
    block = _outline(first[1])
    is_block = [number for number, _ in block[:2]] == [1, 2] and 4 in numbers
    return f"a PaddlePaddle program (.pdmodel); {MADE_OF}" if is_block else None


def _outline(data: int | memoryview, count: int = 64) -> list[tuple[int, int | memoryview]]:
    """Return the first fields of a message as far as they can be read; none of anything else."""
    found: list[tuple[int, int | memoryview]] = []
    try:
        if isinstance(data, memoryview):
            for field in fields(data, "a message", largest=3000, clip=True):
                found.append(field)
                if len(found) == count:
                    break
    except SourceError:
        return found
    return found


def _is_meta_graph(data: int | memoryview) -> bool:
    """Return whether a message is TensorFlow's MetaGraphDef, whose second field is a graph."""
    return any(number == 2 and _is_graph(content) for number, content in _outline(data, 3)[1:])


def _is_graph(data: int | memoryview) -> bool:
    """Return whether a message is TensorFlow's GraphDef: nodes with a name and an operation."""
    nodes = _outline(data, 1)
    node = _outline(nodes[0][1], 2) if nodes and nodes[0][0] == 1 else []
    return [number for number, _ in node] == [1, 2] and all(
        isinstance(text, memoryview) and re.fullmatch(rb"[\w./>\\-]+", bytes(text[:200]))
        for _, text in node
    )


def zip_kind(names: list[str]) -> str | None:
    """Return what a zip file is from the names of its members, if it is no network."""
    for member, described in (
        ("coefficients.bin", f"a Deeplearning4j network; {MADE_OF}"),
        ("saved_model.pb", f"a zip file of {SAVED_MODEL}"),
        ("model.mlmodel", f"a Core ML package; {MADE_OF}"),
        ("archive_format", f"a program of torch.export (.pt2); {MADE_OF}"),
    ):
        if any(name.rpartition("/")[2] == member for name in names):
            return described
    return None


def folder_kind(folder: Path) -> str | None:
    """Return what a folder of several files is, if it is known and not read."""
    if (folder / "saved_model.pb").is_file():
        return SAVED_MODEL
    if any(folder.glob("*.distcp")):
        return DISTRIBUTED
    if (folder / "Manifest.json").is_file() and (folder / "Data").is_dir():
        return f"a Core ML package; {MADE_OF}"
    if any(folder.glob("*.index")) and any(folder.glob("*.data-*")):
        return CHECKPOINT
    if (folder / "model.json").is_file() and any(folder.glob("*.bin")):
        return f"a TensorFlow.js network; {MADE_OF}"
    return None
