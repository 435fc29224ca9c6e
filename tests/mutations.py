"""Damage to the bytes of files, at random."""

import struct
from random import Random

from hypothesis import strategies as st

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

SIZES = (1, 2, 4, 8, 40, 1000)
KINDS = ("byte", "bit", "<I", "<Q", ">I", "<H", "delete", "insert", "zero", "repeat", "copy", "cut")

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
            st.sampled_from(SIZES),
        ),
        st.tuples(st.just("copy"), offsets, offsets),
        st.tuples(st.just("cut"), offsets, st.just(0)),
    ),
    min_size=1,
    max_size=6,
)


def drawn(random: Random) -> list[tuple[str, int, int]]:
    """Draw such changes without Hypothesis, which takes longer than small files take to read."""
    changes = list[tuple[str, int, int]]()
    for _ in range(random.choice((1, 1, 2, 3, 6))):
        offset = random.randrange(random.choice((400, 1 << 20)))
        kind = random.choice(KINDS)
        values = {"byte": range(256), "bit": range(8), "copy": range(1 << 20), "cut": (0,)}
        value = random.choice(values.get(kind, EXTREMES if len(kind) == 2 else SIZES))
        changes.append((kind, offset, value))
    return changes


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
