"""Writes are atomic: the old content or the new, never a part, and no temporary file."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from facegen_jax.files import UNREADABLE, digest, write_atomically

NAME = "a.bin"


def failing_pieces():
    """Yield half of the content, then fail as a full disk would."""
    yield b"half"
    raise OSError("disk full")


def interrupted_pieces():
    yield b"half"
    raise KeyboardInterrupt


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("old", [None, b"old content that is longer"])
@pytest.mark.parametrize(
    "content",
    [b"content", [b"con", memoryview(b"tent")], iter([b"con", b"tent"])],
    ids=["bytes", "pieces", "iterator"],
)
def test_content_replaces_what_was_there(tmp_path, old, durable, content):
    path = tmp_path / NAME
    if old is not None:
        path.write_bytes(old)
    pieces = [b"con", b"tent"] if not isinstance(content, bytes | list) else content
    write_atomically(path, pieces, durable=durable)
    assert path.read_bytes() == b"content"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("old", [None, b"old"])
@pytest.mark.parametrize(
    ("pieces", "error"), [(failing_pieces, OSError), (interrupted_pieces, KeyboardInterrupt)]
)
def test_a_failing_writer_changes_nothing(tmp_path, old, pieces, error):
    path = tmp_path / NAME
    if old is not None:
        path.write_bytes(old)
    with pytest.raises(error):
        write_atomically(path, pieces())
    assert [file.name for file in tmp_path.iterdir()] == ([NAME] if old else [])
    assert not old or path.read_bytes() == old
