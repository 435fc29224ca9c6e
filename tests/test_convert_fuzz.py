"""Damaged and hostile files give a network or a one-line error, in bounded time and memory.

`FACEGEN_FUZZ` sets the number of files per reader.
"""

import gzip
import os
import resource
import signal
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from published_files import LAYOUTS, random_network

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
)
SECONDS = 5
EXTREMES = (
    0,
    1,
    2,
    255,
    2**15,
    2**16,
    2**24,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**40,
    2**62,
    2**63 - 1,
    2**63,
    2**64 - 1,
)

# Biased to the beginning, where most of a file's structure is stored.
offsets = st.one_of(st.integers(0, 400), st.integers(0, 1 << 20))
mutations = st.lists(
    st.one_of(
        st.tuples(st.just("byte"), offsets, st.integers(0, 255)),
        st.tuples(st.just("bit"), offsets, st.integers(0, 7)),
        st.tuples(st.sampled_from(["<I", "<Q", ">I", "<H"]), offsets, st.sampled_from(EXTREMES)),
        st.tuples(
            st.sampled_from(["delete", "insert", "zero", "repeat"]),
            offsets,
            st.sampled_from([1, 2, 4, 8, 40, 1000]),
        ),
        st.tuples(st.just("copy"), offsets, offsets),
        st.tuples(st.just("cut"), offsets, st.just(0)),
    ),
    min_size=1,
    max_size=6,
)


def mutated(content: bytes, changes: list[tuple[str, int, int]]) -> bytes:
    """Apply each change in turn; offsets wrap around."""
    changed = bytearray(content)
    for kind, offset, value in changes:
        if not changed:
            break
        start = offset % len(changed)
        if kind == "byte":
            changed[start] = value
        elif kind == "bit":
            changed[start] ^= 1 << value
        elif kind == "delete":
            del changed[start : start + value]
        elif kind == "insert":
            changed[start:start] = bytes(value)
        elif kind == "zero":
            changed[start : start + value] = bytes(len(changed[start : start + value]))
        elif kind == "repeat":
            changed[start:start] = changed[start : start + value]
        elif kind == "copy":
            source = value % len(changed)
            changed[start : start + 8] = changed[source : source + 8]
        elif kind == "cut":
            del changed[start:]
        else:
            packed = struct.pack(kind, value & (1 << 8 * struct.calcsize(kind)) - 1)
            changed[start : start + len(packed)] = packed
    return bytes(changed)


def examine(content: bytes, folder: Path, end_to_end: bool) -> None:
    """Read a file and check that it gives a network or a one-line error, in time and memory.

    If `end_to_end`, convert it too, which must write a file on success and none otherwise.
    """
    source, dest = folder / "source", folder / "out.safetensors"
    source.write_bytes(content)
    dest.unlink(missing_ok=True)

    def time_out(signum, frame):
        raise TimeoutError(f"more than {SECONDS} s")

    handler = signal.signal(signal.SIGALRM, time_out)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    tracemalloc.start()
    message = None
    try:
        if end_to_end:
            convert(source, dest, SHAPES)
        else:
            check.check(canonical(read(open_content(source))), SHAPES)
    except SourceError as error:
        message = str(error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
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

    # No shrinking, which would repeat slow files for minutes.
    @settings(
        max_examples=FILES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(mutations, st.integers(0, 9))
    def run(changes, digit):
        examine(mutated(content, changes), tmp_path, end_to_end=digit == 0)

    run()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000, (
        "grew by more than 300 MB"
    )
