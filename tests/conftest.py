"""Strict JAX settings, a tiny random network, smooth test images, and the labelled photos."""

import csv
import gc
import os
import shutil
import tempfile
from pathlib import Path

# Tests compile thousands of tiny programs: compile them fast rather than well. Processes that
# tests start inherit this.
FAST_COMPILATION = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {FAST_COMPILATION}"
# Processes of one run share what they compile; the cache of whoever runs the tests is not touched.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="facegen-tests-")
PROGRAMS = os.environ["JAX_COMPILATION_CACHE_DIR"]
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"
os.environ.pop("FACEGEN_CACHE", None)
gc.set_threshold(50_000)  # tracing makes millions of short-lived objects, few of them in cycles

import jax  # noqa: E402  (after the flags)
import numpy as np  # noqa: E402
import pytest  # noqa: E402

jax.config.update("jax_compilation_cache_dir", PROGRAMS)  # a plugin may have imported JAX before
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

from facegen_jax.descent.optimizer import OPTIMIZERS  # noqa: E402  (after the settings)
from facegen_jax.faces import image  # noqa: E402
from facegen_jax.network import checkpoint, vgg_face  # noqa: E402
from facegen_jax.sweep import Sweep, run_sweep  # noqa: E402

FACES = Path(os.environ.get("FACEGEN_FACES", Path(__file__).parents[2] / "shared" / "faces"))
TINY = vgg_face.VGGFace((4, 6, 8, 8, 8), (12, 10, 3))
EACH_OPTIMIZER = [
    pytest.param(name, marks=pytest.mark.long) if name == "lbfgs" else name for name in OPTIMIZERS
]
"""The named optimizers; L-BFGS compiles several times as long as the others."""
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>&amp;\"'$"
"""A name that would run a script on a page that fails to escape it."""


def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):  # the process that all others belong to
        shutil.rmtree(PROGRAMS, ignore_errors=True)


def pytest_collection_modifyitems(items):
    if FACES.is_dir():
        return
    if os.environ.get("CI"):
        pytest.exit(f"CI must not skip the tests on real faces, but {FACES} is missing", 1)
    for item in items:
        if item.get_closest_marker("faces"):
            item.add_marker(
                pytest.mark.skip(reason=f"needs the labelled photos at {FACES} (or FACEGEN_FACES)")
            )


@pytest.fixture(scope="session")
def faces() -> Path:
    return FACES


def random_params(module: vgg_face.VGGFace, size: int):
    """Return random parameters (He), drawn by NumPy: JAX compiles seconds of random numbers."""
    rng = np.random.default_rng(0)

    def draw(leaf):
        fan_in = np.prod(leaf.shape[:-1])  # a bias has none
        scale = np.float32(np.sqrt(2 / fan_in) if leaf.ndim > 1 else 0)
        return jax.numpy.asarray(scale * rng.standard_normal(leaf.shape, np.float32))

    return jax.tree.map(draw, vgg_face.param_shapes(module, size))


@pytest.fixture(scope="session")
def params():
    """Parameters of a tiny random network for 32x32 images."""
    return random_params(TINY, 32)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def smooth_image(rng: np.random.Generator, phase: float = 0.0) -> np.ndarray:
    """Return a smooth 32x32 image with values well inside [0, 1]."""
    rows = np.sin(np.linspace(0, 6, 32)[:, None, None] + rng.uniform(0, 6, 3))
    columns = np.cos(np.linspace(0, 4, 32)[None, :, None] + phase)
    return (0.5 + 0.3 * rows * columns).astype(np.float32)


@pytest.fixture
def picture(rng):
    return smooth_image(rng)


@pytest.fixture
def guide(picture):
    return np.ascontiguousarray(picture[::-1, ::-1, ::-1])


@pytest.fixture
def run_command(monkeypatch, capsys):
    """Call a command's `main` with arguments; returns its exit code, output and errors."""

    def call(main, *arguments) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["command", *map(str, arguments)])
        try:
            code = main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, *capsys.readouterr()

    return call


def write_inputs(folder: Path, params) -> None:
    """Write a tiny network, six images and a table of four pairs, two of them with two guides."""
    metadata = {"network": "tiny", "image_size": "32"}
    checkpoint.save_network(folder / "tiny.safetensors", params, metadata)
    rng = np.random.default_rng(0)
    for number in range(6):
        image.save(folder / f"{number}.png", smooth_image(rng))
    (folder / "pairs.csv").write_text(
        "reference,guides,name\n"
        "0.png,1.png,first\n"
        "1.png,2.png;3.png,\n"
        "2.png,4.png,\n"
        "3.png,4.png;5.png,\n"
    )


@pytest.fixture
def folder(tmp_path, params):
    """A folder with the inputs of a small sweep."""
    write_inputs(tmp_path, params)
    return tmp_path


@pytest.fixture(scope="session")
def swept(tmp_path_factory, params) -> Path:
    """The output folder of a sweep with five pairs, three settings and intermediate frames.

    One pair has a hostile name, one reference a hostile filename, and one reference is missing.
    """
    folder = tmp_path_factory.mktemp("swept")
    write_inputs(folder, params)
    (folder / "4.png").rename(folder / "<img src=x onerror=alert(1)>.png")
    rows = [
        ["reference", "guides", "name"],
        ["0.png", "1.png", "first"],
        ["1.png", "2.png;3.png", ""],
        ["3.png", "5.png", HOSTILE],
        ["<img src=x onerror=alert(1)>.png", "5.png", ""],
        ["gone.png", "1.png", ""],
    ]
    with (folder / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    sweep = Sweep(
        folder / "pairs.csv",
        folder / "out",
        ("weights.attribute=0.1,1,10",),
        params=str(folder / "tiny.safetensors"),
        align="none",
        steps=20,
        frames_every=7,
    )
    assert len(list(run_sweep(sweep))) == 15
    return folder / "out"
