"""Writes are atomic: a file has its old content or its new, and no temporary file stays behind."""

import hashlib

import pytest

from facegen_jax.files import digest, write_atomically


@pytest.fixture(params=[None, b"old content"], ids=["new file", "existing file"])
def target(request, tmp_path):
    """A path to write to, and the bytes that it holds before, if any."""
    path = tmp_path / "a.bin"
    if request.param is not None:
        path.write_bytes(request.param)
    return path, request.param


def assert_unchanged(path, content):
    assert list(path.parent.iterdir()) == ([] if content is None else [path])
    assert content is None or path.read_bytes() == content


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize(
    "content",
    [b"new", [b"n", memoryview(b"ew")], (b"n", b"", b"ew"), b""],
    ids=["bytes", "views", "pieces", "empty"],
)
def test_content_replaces_the_file(target, content, durable):
    path, _ = target
    write_atomically(path, content, durable=durable)
    assert path.read_bytes() == b"".join([content] if isinstance(content, bytes) else content)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError, ValueError, KeyboardInterrupt])
def test_a_writer_that_raises_changes_nothing(target, error):
    def pieces():
        yield b"half of the new content"
        raise error

    with pytest.raises(error):
        write_atomically(target[0], pieces())
    assert_unchanged(*target)


@pytest.mark.parametrize("call", ["pathlib.Path.replace", "os.fsync"])
def test_a_disk_that_fails_changes_nothing(target, monkeypatch, call):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(call, fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(target[0], b"new", durable=True)
    assert_unchanged(*target)


def test_readers_see_the_old_content_until_the_write_is_complete(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def pieces():
        yield b"new"
        assert path.read_bytes() == b"old"

    write_atomically(path, pieces())
    assert path.read_bytes() == b"new"


def test_a_missing_folder_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "missing" / "a.bin", b"new")


@pytest.mark.parametrize("content", [b"", b"abc", bytes(3 << 20)], ids=["empty", "short", "long"])
def test_digest_is_the_sha256_of_the_content(tmp_path, content):
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    assert digest(path) == hashlib.sha256(content).hexdigest()
