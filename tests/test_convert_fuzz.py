"""Damaged and hostile files give a network or a one-line error, in bounded time and memory.

`FACEGEN_FUZZ` sets the number of files per reader.
"""

import gzip
import os
import resource
import signal
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mutations import mutated, mutations
from published_files import LAYOUTS, random_network
from test_convert_foreign import FILES as FOREIGN

from facegen_jax.convert import check, convert
from facegen_jax.convert.content import open_content
from facegen_jax.convert.cursor import SMALL, SourceError
from facegen_jax.convert.layout import canonical
from facegen_jax.convert.source import read
from facegen_jax.network.vgg_face import VGGFace

FILES = int(os.environ.get("FACEGEN_FUZZ", "10"))
WIDTHS, DENSE, GRID = (2, 2, 2, 2, 3), (3, 3, 2), 2
SHAPES = check.expected_shapes(VGGFace(WIDTHS, DENSE), 32 * GRID)
READERS = (
    "matconvnet-vlfeat",
    "matconvnet-vlfeat-compressed",
    "torch7-shared",
    "caffe-v1",
    "caffe-new",
    "keras-rcmalli",
    "keras-rcmalli-latest",
    "keras3-conv",
    "pytorch-dag",
    "pytorch-views-legacy",
    "own-safetensors",
    "own-npz",
    "own-npz-compressed",
    "tarball-caffe",
    "flax-msgpack",
    "flax-msgpack-training",
    "flax-npz-keys",
    "flax-safetensors",
    "safetensors-torchvision",
    "safetensors-prefixed",
)
SECONDS = 5
"""Of the processor, so that a busy machine fails no test."""

# No shrinking, which would repeat slow files for minutes.
fuzz = settings(
    max_examples=FILES,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def examine(content: bytes, folder: Path, end_to_end: bool) -> None:
    """Read a file and check that it gives a network or a one-line error, in time and memory.

    If `end_to_end`, convert it too, which must write a file on success and none otherwise.
    """
    source, dest = folder / "source", folder / "out.safetensors"
    source.write_bytes(content)
    dest.unlink(missing_ok=True)

    def time_out(signum, frame):
        raise TimeoutError(f"more than {SECONDS} s")

    handler = signal.signal(signal.SIGPROF, time_out)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    tracemalloc.start()
    message = None
    try:
        if end_to_end:
            convert(source, dest, SHAPES)
        else:
            for parsed in read(open_content(source)):
                check.check(canonical(parsed), SHAPES)
    except SourceError as error:
        message = str(error)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert dest.exists() == (end_to_end and message is None)
    assert message is None or (message and message.isprintable())
    assert peak < 2 * len(content) + 2 * SMALL
    assert [path.name for path in folder.iterdir() if path.suffix == ".tmp"] == []


@pytest.mark.parametrize("name", [*READERS, "tar"])
def test_damaged_files(name, tmp_path):
    """Damage a layout; for `tar`, the archive inside a gzipped tarball.

    Damage to the compressed bytes would never reach that archive.
    """
    layout_name = "tarball-caffe" if name == "tar" else name
    case = next(case for case in LAYOUTS if case.name == layout_name)
    for module in case.needs:
        pytest.importorskip(module)
    path = tmp_path / case.filename
    case.write(path, random_network(np.random.default_rng(0), WIDTHS, DENSE, GRID))
    content = gzip.decompress(path.read_bytes()) if name == "tar" else path.read_bytes()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    @fuzz
    @given(mutations, st.integers(0, 9))
    def run(changes, digit):
        examine(mutated(content, changes), tmp_path, end_to_end=digit == 0)

    run()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000, (
        "grew by more than 300 MB"
    )


@fuzz
@given(st.sampled_from(sorted(FOREIGN)), mutations)
def test_damaged_foreign_files(tmp_path_factory, name, changes):
    examine(mutated(FOREIGN[name][0], changes), tmp_path_factory.getbasetemp(), end_to_end=False)


def test_damaged_orbax_folders(tmp_path):
    """Damage a file of an Orbax folder at a time."""
    import orbax.checkpoint as orbax
    from published_files.flax import tree_of

    folder = tmp_path / "orbax"
    network = random_network(np.random.default_rng(0), WIDTHS, DENSE, GRID)
    with orbax.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder.absolute(), {"params": tree_of(network)})
    files = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}

    @fuzz
    @given(st.sampled_from(list(files)), mutations)
    def run(path, changes):
        path.write_bytes(mutated(files[path], changes))
        try:
            for parsed in read(open_content(folder)):
                check.check(canonical(parsed), SHAPES)
        except SourceError as error:
            message = str(error)
        else:
            message = ""
        path.write_bytes(files[path])
        assert message == "" or message.isprintable()

    run()
