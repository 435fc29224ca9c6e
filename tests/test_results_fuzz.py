"""Damaged files of results, and of what is kept between runs: read, left out, or one line.

`FACEGEN_FUZZ` sets the number of files per reader.
"""

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import random_params
from mutations import drawn, mutated

from facegen_jax.descent.solver import Descent
from facegen_jax.edit.request import Own
from facegen_jax.edit.settings import Edit
from facegen_jax.faces import image
from facegen_jax.gallery import features
from facegen_jax.network.adapters import Function
from facegen_jax.network.baselines import load_baselines
from facegen_jax.network.checkpoint import CheckpointError, read_network, save_network
from facegen_jax.network.direction import load_direction, save_directions
from facegen_jax.network.protocol import Network
from facegen_jax.network.vgg_face import VGGFace
from facegen_jax.report import curves, results
from facegen_jax.report.frame import read_results
from facegen_jax.report.report import write_report
from facegen_jax.report.result import Result
from facegen_jax.report.results import ResultsError
from facegen_jax.report.table import write_table
from facegen_jax.sweep import manifest, owner, snapshot
from facegen_jax.sweep.plan import Plan
from facegen_jax.sweep.settings import Sweep, SweepError

FILES = int(os.environ.get("FACEGEN_FUZZ", "40"))
REFUSALS = (ResultsError, SweepError, CheckpointError)
NETWORK = Network(
    Function(lambda params, images: {}, ("conv1_1",), 32), {}, name="net", file_sha256="0" * 64
)
SCORED = Result(
    id="a1",
    name="Zoë",
    status="ok",
    error=None,
    pair={"reference": "a.png", "guides": "b.png;c.png", "strength": "0.5"},
    grid={"weights.attribute": 0.1, "seed": 7},
    loss={"first": 2.0, "last": 1.0},
    parts={"identity": {"first": 1.0, "last": 0.5}},
    metrics={"identity_similarity": 0.9, "attribute_gains": {"Smiling": 0.5}},
    seconds={"run": 1.0, "prepare": 0.1},
    guides=[{"path": "b.png", "similarity": 0.5}],
    notes=["no face was found"],
    image="images/a1.png",
    trace="traces/a1.npz",
    before="faces/0.png",
    shown=("faces/1.png",),
    frames="frames/a1",
)
FAILED = SCORED._replace(id="b2", status="failed", error="gone", image=None, trace=None)
VALUES = (
    *(None, True, False, 0, -1, 7, 2**40, 2**64, 10**400, 0.5, -0.0, 1e308, 1e-320),
    *(float("nan"), float("inf"), -float("inf"), "", "0", "nan", "1e999", "ok", "failed", "a.png"),
    *("\0", "\ud800", "\u2028", "\x1b[31m", "é𝔸", "x" * 300, "../a.png", "/etc/passwd", "C:\\a"),
    *("</script>", "=1+1", "1" * 5000, [], {}, [[]], [{}], {"": None}, {"a": {"b": [1]}}),
)
TOKENS = (
    *(b"\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b"{", b"}", b"[", b"]", b'"', b",", b":"),
    *(
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"1" * 5000,
        b"NaN",
        b"1e999",
        b"\\ud800",
        b"//",
        b"{}\n",
    ),
)
"""Deep nesting is more than Python's parser of JSON follows."""


def changed(value: object, random: Random) -> object:
    """Return a JSON value with one of its parts taken out, renamed, or replaced by any other."""
    if isinstance(value, dict) and value and random.random() < 0.8:
        key = random.choice(sorted(value))
        if (kind := random.randrange(8)) == 0:
            return {name: each for name, each in value.items() if name != key}
        if kind == 1:
            return value | {str(random.choice(VALUES)): value[key]}
        return value | {key: changed(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.8:
        place = random.randrange(len(value))
        return [*value[:place], changed(value[place], random), *value[place + 1 :]]
    return random.choice(VALUES)


def damaged_json(content: bytes, random: Random) -> bytes:
    """Change values in lines of JSON, put in tokens, and change bytes; some or all of it."""
    lines = [json.loads(line) for line in content.splitlines()]
    for _ in range(random.choice((0, 1, 1, 2, 4))):
        place = random.randrange(len(lines))
        lines[place] = changed(lines[place], random)
    content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    if random.random() < 0.3:
        place = random.randrange(len(content) + 1)
        content = content[:place] + random.choice(TOKENS) + content[place:]
    return mutated(content, drawn(random)) if random.random() < 0.3 else content


def damaged_archive(content: bytes, random: Random) -> bytes:
    """Change an archive's bytes, or its arrays: other values, types, shapes and names, or none."""
    if random.random() < 0.3:
        return mutated(content, drawn(random))
    with np.load(io.BytesIO(content)) as stored:
        arrays = {name: stored[name] for name in stored.files}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.save(member, _other(array, random) if random.random() < 0.3 else array)
            saved = member.getvalue()
            if random.random() < 0.2:  # with a checksum that fits
                saved = mutated(saved, drawn(random))
            if random.random() > 0.1:
                archive.writestr(f"{name}.npy", saved)
    return buffer.getvalue()


def _other(array: np.ndarray, random: Random) -> np.ndarray:
    kinds = (np.float64, np.float32, np.int8, np.uint64, np.complex64, "S3", "U3", "M8[s]", bool)
    number = random.choice((np.nan, np.inf, 0, -1, 3.4e38))
    return random.choice(
        (
            lambda: np.zeros(array.shape, random.choice(kinds)),
            lambda: array[:0],
            lambda: array[:1],
            lambda: array[..., None],
            lambda: np.concatenate([array, array]),
            lambda: np.array(0),
            lambda: np.full(array.shape, number, np.float32),
            lambda: array.T.astype(">f8") if array.dtype.kind == "f" else array.T,
        )
    )()


def damaged_tensors(content: bytes, random: Random) -> bytes:
    """Change the header of a safetensors file, the JSON in its metadata, or bytes anywhere."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    metadata = header["__metadata__"]
    inner = [name for name in metadata if name in ("scales", "opposites", "levels", "attributes")]
    if random.random() < 0.7:
        key = random.choice(inner)
        metadata[key] = damaged_json(metadata[key].encode(), random).decode(errors="replace")
    packed = json.dumps(header).encode()
    if random.random() < 0.3:
        packed = damaged_json(packed, random)
    whole = len(packed).to_bytes(8, "little") + packed + content[8 + length :]
    return mutated(whole, drawn(random)) if random.random() < 0.2 else whole


def archive(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # pyright: ignore[reportArgumentType]
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The folder of a sweep with a good and a failed result."""
    monkeypatch.setattr(manifest, "_commit", lambda: None)
    picture = np.full((4, 4, 3), 0.5, np.float32)
    for name in ("images/a1.png", "faces/0.png", "faces/1.png", "frames/a1/7.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(tmp_path / name, picture)
    (tmp_path / "traces").mkdir()
    (tmp_path / "traces/a1.npz").write_bytes(TRACE)
    (tmp_path / "pairs.csv").write_text("reference,guides\na.png,b.png;c.png\n")
    manifest.write_manifest(sweep(tmp_path), NETWORK, PLAN, tmp_path)
    (tmp_path / "results.jsonl").write_bytes(results.line(SCORED) + results.line(FAILED))
    return tmp_path


def sweep(folder: Path, **options) -> Sweep:
    return Sweep(folder / "pairs.csv", folder, ("seed=0,7",), **options)


PLAN = Plan(Edit(Path("a.png"), Path("b.png")), Own(), [], [], [], {}, 0)
STEPS = np.linspace(1, 0, 9)
TRACE = archive(total=STEPS.astype(np.float32), identity=STEPS)
STATE = {"image": jnp.zeros((2, 4, 4, 3)), "step": jnp.zeros(2, jnp.int32)}
IDS = ["a1", "b2"]
FRESH = Descent(STATE, np.zeros((2, 0, 3), np.float32), None)  # pyright: ignore[reportArgumentType]


def report(path: Path) -> None:
    write_table(path.parent)
    for file in write_report(path.parent):
        assert file.stat().st_size


def results_of(path: Path) -> None:
    pytest.importorskip("pandas")
    assert len(read_results(path.parent)) in (1, 2)
    assert results.outcomes(path.parent)
    report(path)


def resume(path: Path) -> None:
    for extend in (False, True):
        manifest.write_manifest(sweep(path.parent, extend=extend), NETWORK, PLAN, path.parent)


def trace(path: Path) -> None:
    loaded = curves.load_curves(path, curves.POINTS)
    assert loaded is None or json.dumps(curves.pack(loaded), allow_nan=False)


def checkpoint(path: Path) -> None:
    restored = snapshot.load(path.parent, IDS, FRESH)
    for leaf, fresh in zip(*map(jax.tree.leaves, (restored.state, STATE)), strict=True):
        assert (leaf.shape, leaf.dtype) == (fresh.shape, fresh.dtype)
    for batch in snapshot.saved_batches(path.parent):
        assert all(isinstance(each, str) for each in batch)


def described(path: Path) -> None:
    for sha256, vector, points, failure in features._read(path.name).values():
        assert np.isfinite(vector).all()
        assert (vector.ndim, points.shape) == (1, (5, 2))
        assert {type(sha256), type(failure)} == {str}


def held(path: Path) -> None:
    assert owner.is_held(path) in (True, False)
    assert owner.described(path).isprintable()


def medians(path: Path) -> None:
    loaded = load_baselines("net", "0" * 64, path)
    assert loaded
    assert all(isinstance(each, int | float) for each in loaded[:4])


def direction(path: Path) -> None:
    found = load_direction(NETWORK, "Smiling", path)
    assert all(maps.dtype == np.float32 for maps in found.maps.values())


def parameters(path: Path) -> None:
    network = read_network(path)
    assert network.size > 0
    assert all(isinstance(name, str) for name in network.attributes)


def directions(path: Path) -> bytes:
    save_directions(
        path,
        NETWORK,
        {"Smiling": {"conv1_1": np.ones((2, 2, 3), np.float32)}},
        {"Smiling": 0.5},
        {"Sad": "Smiling"},
        {"levels": json.dumps({"Smiling": [-1.5, 2.5]})},
    )
    return path.read_bytes()


def checkpoint_of_a_network(path: Path) -> bytes:
    params = random_params(VGGFace((1, 1, 1, 1, 1), (2, 2, 2)), 32)
    metadata = {"network": "tiny", "image_size": "32", "attributes": '["Smiling", "Male"]'}
    save_network(path, params, metadata)
    return path.read_bytes()


MEDIANS = {"network": "net", "network_sha256": "0" * 64, "genuine": 0.7, "impostor": 0.1}
KNOWN = {
    "names": np.array(["a.jpg", "b.jpg"]),
    "hashes": np.array(["0" * 64, "1" * 64]),
    "features": np.ones((2, 3), np.float32),
    "landmarks": np.ones((2, 5, 2), np.float32),
    "failures": np.array(["", "no face"]),
}
CASES: dict[str, tuple[str, Callable[[Path], None], Callable[[bytes, Random], bytes]]] = {
    "results": ("results.jsonl", results_of, damaged_json),
    "provenance": ("sweep.json", report, damaged_json),
    "settings": ("sweep.json", resume, damaged_json),
    "trace": ("traces/a1.npz", trace, damaged_archive),
    "checkpoint": ("checkpoint", checkpoint, damaged_archive),
    "features": ("features.npz", described, damaged_archive),
    "lock": (".lock", held, damaged_json),
    "baselines": ("baselines.json", medians, damaged_json),
    "directions": ("directions.safetensors", direction, damaged_tensors),
    "network": ("network.safetensors", parameters, damaged_tensors),
}


def seed(name: str, path: Path) -> bytes:
    """Return a good file of a reader."""
    if name == "checkpoint":
        return archive(
            ids=np.array(IDS),
            trace=np.zeros((2, 5, 3), np.float32),
            leaf_0=np.zeros((2, 4, 4, 3), np.float32),
            leaf_1=np.zeros(2, np.int32),
        )
    if name == "features":
        return archive(**KNOWN)
    if name == "lock":
        return owner.entry().encode()
    if name == "baselines":
        return json.dumps({**MEDIANS, "pairs": 100, "people": 7, "gallery": "faces"}).encode()
    if name == "directions":
        return directions(path)
    if name == "network":
        return checkpoint_of_a_network(path)
    content = path.read_bytes()
    return json.dumps(json.loads(content)).encode() if path.name == "sweep.json" else content


@pytest.mark.parametrize("name", CASES)
def test_damaged_files(name, folder, monkeypatch):
    filename, read, damaged = CASES[name]
    path = folder / filename
    if name == "checkpoint":
        path = snapshot._path(folder, IDS)
    monkeypatch.setattr(features.cache, "folder", lambda: folder.parent)
    monkeypatch.setattr(features, "FOLDER", folder.name)
    content = seed(name, path)
    path.write_bytes(content)
    read(path)
    for number in range(FILES):
        path.write_bytes(damaged(content, Random(f"{name} {number}")))
        try:
            read(path)
        except REFUSALS as error:
            message = str(error)
            assert message.startswith((str(folder), "unknown attribute")), number
            assert message.isprintable(), number
