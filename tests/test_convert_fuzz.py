"""Damaged and hostile files: one line or a network, never a crash, a hang, or memory beyond the file's.

`FACEGEN_FUZZ` sets the number of files per reader (CI: 20,000).
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

FILES = int(os.environ.get("FACEGEN_FUZZ", "100"))
WIDTHS, DENSE, GRID = (2, 2, 2, 2, 3), (3, 3, 2), 2
SHAPES = check.shapes_of(VGGFace(WIDTHS, DENSE), 32 * GRID)
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

places = st.one_of(
    st.integers(0, 400), st.integers(0, 1 << 20)
)  # most of the structure lies at the beginning
mutations = st.lists(
    st.one_of(
        st.tuples(st.just("byte"), places, st.integers(0, 255)),
        st.tuples(st.just("bit"), places, st.integers(0, 7)),
        st.tuples(st.sampled_from(["<I", "<Q", ">I", "<H"]), places, st.sampled_from(EXTREMES)),
        st.tuples(
            st.sampled_from(["delete", "insert", "zero", "repeat"]),
            places,
            st.sampled_from([1, 2, 4, 8, 40, 1000]),
        ),
        st.tuples(st.just("copy"), places, places),
        st.tuples(st.just("cut"), places, st.just(0)),
    ),
    min_size=1,
    max_size=6,
)


def mutated(content: bytes, changes: list[tuple[str, int, int]]) -> bytes:
    """The content with each change made in turn; places wrap around."""
    changed = bytearray(content)
    for kind, place, value in changes:
        if not changed:
            break
        at = place % len(changed)
        if kind == "byte":
            changed[at] = value
        elif kind == "bit":
            changed[at] ^= 1 << value
        elif kind == "delete":
            del changed[at : at + value]
        elif kind == "insert":
            changed[at:at] = bytes(value)
        elif kind == "zero":
            changed[at : at + value] = bytes(len(changed[at : at + value]))
        elif kind == "repeat":
            changed[at:at] = changed[at : at + value]
        elif kind == "copy":
            source = value % len(changed)
            changed[at : at + 8] = changed[source : source + 8]
        elif kind == "cut":
            del changed[at:]
        else:
            packed = struct.pack(kind, value & (1 << 8 * struct.calcsize(kind)) - 1)
            changed[at : at + len(packed)] = packed
    return bytes(changed)


def examine(content: bytes, folder: Path, whole: bool) -> None:
    """Read a file, which must give a network or one line, in time and in little memory; `whole`: convert it, which leaves an output or none."""
    source, dest = folder / "source", folder / "out.safetensors"
    source.write_bytes(content)
    dest.unlink(missing_ok=True)

    def too_slow(signum, frame):
        raise TimeoutError(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, too_slow)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    tracemalloc.start()
    message = None
    try:
        if whole:
            convert(source, dest, SHAPES)
        else:
            check.check(canonical(read(open_content(source))), SHAPES)
    except SourceError as error:
        message = str(error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert dest.exists() == (whole and message is None)
    assert message is None or (message and message.isprintable())
    assert peak < 2 * len(content) + 2 * SMALL
    assert [path.name for path in folder.iterdir() if path.suffix == ".tmp"] == []


@pytest.mark.parametrize("name", [*READERS, "tar"])
def test_damaged_files(name, tmp_path):
    """Also through the gzip of a tarball, where damage to the compressed bytes alone would never reach the archive inside."""
    layout = next(
        layout for layout in LAYOUTS if layout.name == ("tarball-caffe" if name == "tar" else name)
    )
    for module in layout.needs:
        pytest.importorskip(module)
    path = tmp_path / layout.filename
    layout.write(path, random_network(np.random.default_rng(0), WIDTHS, DENSE, GRID))
    content = gzip.decompress(path.read_bytes()) if name == "tar" else path.read_bytes()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    # Shrinking would repeat slow files for minutes: what fails is shown as it was found.
    @settings(
        max_examples=FILES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(mutations, st.integers(0, 9))
    def run(changes, number):
        examine(mutated(content, changes), tmp_path, whole=number == 0)

    run()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000, (
        "kilobytes more than before"
    )
