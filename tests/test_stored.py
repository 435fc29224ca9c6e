"""What the program wrote is read back whole, or is one error."""

import numpy as np
import pytest

from facegen_jax.stored import StoredError, parse_json, read_arrays


@pytest.mark.parametrize("compressed", [True, False])
def test_arrays_come_back_by_name(tmp_path, compressed):
    arrays = {"values": np.arange(6.0).reshape(2, 3), "names": np.array(["Zoë", ""])}
    (np.savez_compressed if compressed else np.savez)(tmp_path / "a.npz", **arrays)
    stored = read_arrays(tmp_path / "a.npz")
    assert list(stored) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(stored[name], array)


def damaged(content: bytes) -> dict[str, bytes | None]:
    middle = len(content) // 2
    return {
        "missing": None,
        "empty": b"",
        "text": b"hello",
        "truncated": content[:middle],
        "corrupt": content[:middle] + bytes(20) + content[middle + 20 :],
        "a single array": b"\x93NUMPY" + bytes(10),
    }


@pytest.mark.parametrize("damage", damaged(b""))
def test_damaged_archives_are_one_error(tmp_path, damage):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, values=np.arange(1000))
    content = damaged(path.read_bytes())[damage]
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(StoredError, match=str(path)):
        read_arrays(path)


def test_objects_are_not_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", values=np.array([{"a": 1}], object))
    with pytest.raises(StoredError, match="allow_pickle"):
        read_arrays(tmp_path / "a.npz")


@pytest.mark.parametrize("content", [b'{"a": [1, null]}', '{"a": [1, null]}', b"\xef\xbb\xbf[]"])
def test_json_is_parsed(content):
    assert parse_json(content) in ({"a": [1, None]}, [])


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 200_000, b"1" * 5000, "{'a': 1}"])
def test_what_is_not_json_is_one_error(content):
    with pytest.raises(StoredError, match="not JSON"):
        parse_json(content)
