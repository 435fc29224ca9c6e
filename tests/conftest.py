"""Strict JAX settings, a tiny random network, and the labelled photos where they are."""

import csv
import os
from pathlib import Path

import jax
import numpy as np
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

from facegen_jax.faces import image  # noqa: E402  (after the settings)
from facegen_jax.network import checkpoint, vgg_face  # noqa: E402
from facegen_jax.sweep import Sweep, run_sweep  # noqa: E402

FACES = Path(os.environ.get("FACEGEN_FACES", Path(__file__).parents[2] / "shared" / "faces"))
TINY = vgg_face.VGGFace((4, 6, 8, 8, 8), (12, 10, 3))


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
def params():
    """A tiny random network for 32x32 pictures."""
    return vgg_face.init_params(jax.random.key(0), TINY, 32)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def picture(rng):
    """A smooth 32x32 picture away from 0 and 1."""
    waves = np.sin(np.linspace(0, 6, 32)[:, None, None] + rng.uniform(0, 6, 3)) * np.cos(
        np.linspace(0, 4, 32)[None, :, None]
    )
    return (0.5 + 0.3 * waves).astype(np.float32)


@pytest.fixture
def guide(picture):
    return np.ascontiguousarray(picture[::-1, ::-1, ::-1])


@pytest.fixture
def folder(tmp_path, params):
    """A tiny network, six pictures and a table of four pairs, two of them with two guides."""
    fill(tmp_path, params)
    return tmp_path


def fill(place: Path, params) -> None:
    checkpoint.save_network(
        place / "tiny.safetensors", params, {"network": "tiny", "image_size": "32"}
    )
    rng = np.random.default_rng(0)
    for number in range(6):
        waves = np.sin(np.linspace(0, 6, 32)[:, None, None] + rng.uniform(0, 6, 3)) * np.cos(
            np.linspace(0, 4, 32)[None, :, None]
        )
        image.save(place / f"{number}.png", (0.5 + 0.3 * waves).astype(np.float32))
    (place / "pairs.csv").write_text(
        "reference,guides,name\n0.png,1.png,first\n1.png,2.png;3.png,\n2.png,4.png,\n3.png,4.png;5.png,\n"
    )


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>&amp;\"'$"


@pytest.fixture(scope="session")
def swept(tmp_path_factory, params) -> Path:
    """The folder of a sweep: five faces, one of them with a hostile name and one missing, three settings, pictures on the way."""
    place = tmp_path_factory.mktemp("swept")
    fill(place, params)
    (place / "4.png").rename(place / "<img src=x onerror=alert(1)>.png")
    rows = [
        ["0.png", "1.png", "first"],
        ["1.png", "2.png;3.png", ""],
        ["3.png", "5.png", HOSTILE],
        ["<img src=x onerror=alert(1)>.png", "5.png", ""],
        ["gone.png", "1.png", ""],
    ]
    with (place / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["reference", "guides", "name"], *rows])
    options = {
        "params": str(place / "tiny.safetensors"),
        "align": "none",
        "steps": 20,
        "frames_every": 7,
    }
    assert (
        len(
            list(
                run_sweep(
                    Sweep(
                        place / "pairs.csv",
                        place / "out",
                        ("weights.attribute=0.1,1,10",),
                        **options,
                    )
                )
            )
        )
        == 15
    )
    return place / "out"


@pytest.fixture(scope="session")
def faces() -> Path:
    return FACES
