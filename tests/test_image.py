"""Image files of every kind load, damaged ones fail with one line, warps are exact."""

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegen_jax.faces import decoder, image

COLOUR = (200, 100, 50)


@pytest.fixture
def corners():
    """6x4 black pixels, except for a red one at the top left."""
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[0, 0] = (255, 0, 0)
    return pixels


def test_rgb_is_scaled_to_0_to_1(tmp_path):
    PIL.Image.new("RGB", (3, 2), COLOUR).save(tmp_path / "a.png")
    loaded = image.load(tmp_path / "a.png")
    assert loaded.shape == (2, 3, 3)
    assert loaded.dtype == np.float32
    np.testing.assert_allclose(
        loaded, np.broadcast_to(np.array(COLOUR) / 255, (2, 3, 3)), rtol=1e-6
    )


STORED = {
    1: lambda rows: rows,
    2: lambda rows: rows[:, ::-1],
    3: lambda rows: rows[::-1, ::-1],
    4: lambda rows: rows[::-1],
    5: lambda rows: rows.swapaxes(0, 1),
    6: lambda rows: rows.swapaxes(0, 1)[::-1],
    7: lambda rows: rows[::-1, ::-1].swapaxes(0, 1),
    8: lambda rows: rows.swapaxes(0, 1)[:, ::-1],
}
"""How the pixels of an upright picture are stored, by EXIF orientation."""
PIXELS = {
    "L": lambda grey: grey,
    "I;16": lambda grey: grey.astype(np.uint16) * 257,
    "RGB": lambda grey: np.stack([grey] * 3, -1),
    "RGBA": lambda grey: np.stack([grey, grey, grey, np.full_like(grey, 255)], -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("mode", PIXELS)
def test_uncompressed_tiffs_are_turned_upright(tmp_path, mode, orientation):
    """Pillow reads rows of the wrong length where it maps such files into memory."""
    grey = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    pixels = np.ascontiguousarray(STORED[orientation](PIXELS[mode](grey)))
    PIL.Image.fromarray(pixels).save(tmp_path / "a.tif", exif=exif)
    np.testing.assert_allclose(255 * image.load(tmp_path / "a.tif")[..., 1], grey, atol=0.01)


@pytest.mark.parametrize(
    ("orientation", "shape", "red"),
    [(1, (4, 6), (0, 0)), (3, (4, 6), (3, 5)), (6, (6, 4), (0, 3)), (8, (6, 4), (5, 0))],
)
def test_exif_rotation_is_applied(tmp_path, corners, orientation, shape, red):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    PIL.Image.fromarray(corners).save(tmp_path / "a.png", exif=exif)
    loaded = image.load(tmp_path / "a.png")
    assert loaded.shape[:2] == shape
    assert loaded[red][0] == 1
    assert loaded[..., 0].sum() == 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_alpha_is_composited_over_white(tmp_path, mode):
    picture = PIL.Image.new("RGBA", (2, 1), (0, 0, 0, 255))
    picture.putpixel((1, 0), (0, 0, 0, 0))
    suffix = "gif" if mode == "PA" else "png"
    if mode == "PA":
        picture.convert("P").save(tmp_path / f"a.{suffix}", transparency=1)
    else:
        picture.convert(mode).save(tmp_path / f"a.{suffix}")
    loaded = image.load(tmp_path / f"a.{suffix}")
    assert loaded.shape == (1, 2, 3)
    if mode != "PA":
        np.testing.assert_allclose(loaded, [[[0, 0, 0], [1, 1, 1]]], atol=0.01)


def test_a_transparent_palette_colour_becomes_white(tmp_path):
    picture = PIL.Image.new("P", (2, 1), 0)
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.putpixel((1, 0), 1)
    picture.save(tmp_path / "plain.png")
    picture.save(tmp_path / "clear.png", transparency=0)
    np.testing.assert_allclose(
        image.load(tmp_path / "plain.png")[0], np.array([[10, 20, 30], COLOUR]) / 255, atol=1e-6
    )
    np.testing.assert_allclose(
        image.load(tmp_path / "clear.png")[0], np.array([[255, 255, 255], COLOUR]) / 255, atol=1e-6
    )


@pytest.mark.parametrize("bits", [1, 8])
def test_grey_becomes_rgb(tmp_path, bits):
    PIL.Image.new("1" if bits == 1 else "L", (2, 2), 255 if bits == 1 else 51).save(
        tmp_path / "a.png"
    )
    np.testing.assert_allclose(
        image.load(tmp_path / "a.png"), np.full((2, 2, 3), 1.0 if bits == 1 else 0.2), rtol=1e-6
    )


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_grey_is_scaled_to_0_to_1(tmp_path, suffix):
    PIL.Image.fromarray(np.array([[0, 6554, 65535]], np.uint16)).save(tmp_path / f"a.{suffix}")
    np.testing.assert_allclose(
        image.load(tmp_path / f"a.{suffix}")[0, :, 1], [0, 0.1, 1], atol=1e-4
    )


def test_cmyk_jpeg_becomes_rgb(tmp_path):
    PIL.Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    np.testing.assert_allclose(
        image.load(tmp_path / "a.jpg"), np.broadcast_to([1.0, 0, 0], (16, 16, 3)), atol=0.03
    )


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_saved_images_load_again(tmp_path, picture, suffix):
    image.save(tmp_path / f"a.{suffix}", picture)
    again = image.load(tmp_path / f"a.{suffix}")
    assert np.abs(again - picture).mean() < (0.5 / 255 if suffix in ("png", "tif") else 0.03)
    assert [path.name for path in tmp_path.iterdir()] == [f"a.{suffix}"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "is empty"),
        (b"hello, this is text", "not an image"),
        ("folder", "is a folder"),
        ("huge", "pixels"),
    ],
)
def test_bad_files_fail_with_one_line_that_names_the_file(tmp_path, content, message, monkeypatch):
    path = tmp_path / "a.png"
    if content == "folder":
        path.mkdir()
    elif content == "huge":
        monkeypatch.setattr(decoder, "MAX_PIXELS", 100)
        PIL.Image.new("RGB", (11, 10)).save(path)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(image.ImageError, match=message) as caught:
        image.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@settings(max_examples=30, deadline=None)
@given(
    cut=st.floats(0.05, 0.95),
    flips=st.lists(st.tuples(st.floats(0, 0.99), st.integers(1, 255)), max_size=3),
)
def test_damaged_files_never_crash(suffix, cut, flips, tmp_path_factory):
    """Truncated or corrupted bytes give an image or a one-line ImageError, and nothing else."""
    path = tmp_path_factory.mktemp("damaged") / f"a.{suffix}"
    noise = np.random.default_rng(0).random((32, 24, 3)).astype(np.float32)
    image.save(path, noise)
    content = bytearray(path.read_bytes())
    for position, mask in flips:
        content[int(position * len(content))] ^= mask
    path.write_bytes(content[: int(cut * len(content))])
    try:
        loaded = image.load(path)
    except image.ImageError as error:
        loaded, message = None, str(error)
    else:
        message = ""
    assert "\n" not in message
    assert loaded is None or (loaded.dtype == np.float32 and loaded.shape[-1] == 3)


def test_resize_and_centre_square(picture):
    assert image.resize(picture, (20, 50)).shape == (20, 50, 3)
    np.testing.assert_array_equal(image.resize(picture, (32, 32)), picture)
    checker = np.indices((64, 64)).sum(0) % 2
    small = image.resize(np.repeat(checker[..., None], 3, -1).astype(np.float32), (16, 16))
    np.testing.assert_allclose(small, 0.5, atol=0.02)  # antialiased, no moiré
    assert image.centre_square(np.zeros((10, 7, 3), np.float32)).shape == (7, 7, 3)
    wide = np.zeros((4, 8, 3), np.float32)
    wide[:, 2:6] = 1
    assert image.centre_square(wide).min() == 1


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.5])
def test_warp_moves_points_by_the_matrix(scale):
    """A bright spot moves to matrix @ (x, y, 1), enlarged or shrunk."""
    canvas = np.zeros((60, 80, 3), np.float32)
    canvas[18:23, 38:43] = 1  # centred at x = 40, y = 20
    angle = 0.3
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = scale * rotation
    matrix = np.column_stack([linear, np.array([25.0, 30.0]) - linear @ [40, 20]])
    warped = image.warp(canvas, matrix, (64, 64))
    rows, columns = np.indices((64, 64))
    # At small scales the result also shows mirrored copies of the spot.
    near = np.hypot(columns - 25, rows - 30) < 5 * scale + 1
    weights = warped[..., 0] * near / (warped[..., 0] * near).sum()
    np.testing.assert_allclose(
        [(weights * columns).sum(), (weights * rows).sum()], [25, 30], atol=0.15
    )


def test_warp_mirrors_beyond_the_border(picture):
    shifted = image.warp(picture, np.array([[1.0, 0, 5.0], [0, 1.0, 0]]), (32, 32))
    np.testing.assert_allclose(shifted[:, 5:], picture[:, :27], atol=1e-5)
    np.testing.assert_allclose(shifted[:, :5], picture[:, 4::-1], atol=1e-5)
