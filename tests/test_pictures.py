"""Pictures as other programs write them: deep pixels, colour profiles, every mode of every format,
and files that are no pictures."""

import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pictures
import PIL.Image
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pictures import icc_profile, png, saved, tiff

from facegen_jax import plugin
from facegen_jax.edit import checks
from facegen_jax.edit.settings import Edit
from facegen_jax.faces import align, depth, image
from facegen_jax.files import digest
from facegen_jax.gallery.labels import load_gallery

RAMP = np.linspace(0, 1, 64).reshape(8, 8)
COLOUR = (200, 100, 50)


def whole(white: float, dtype: type = np.uint16) -> np.ndarray:
    return np.round(RAMP * white).astype(dtype)


def floats(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)


def read(tmp_path, content: bytes) -> image.Read:
    path = tmp_path / "picture"
    path.write_bytes(content)
    return image.read(path)


DEEP = {
    "16 bits": (tiff(whole(65535)), None),
    "big-endian": (tiff(whole(65535), order=">"), None),
    "PNG of 16 bits": (png(whole(65535)), None),
    "12 bits in 16": (tiff(whole(4095)), "read as 12 bits: no value is above 4095"),
    "12 bits in 16, big-endian": (tiff(whole(4095), order=">"), "read as 12 bits"),
    "12 bits in a PNG of 16": (png(whole(4095)), "read as 12 bits"),
    "12 bits, stated by the TIFF": (tiff(whole(4095), {281: 4095}), "12 bits, as the file says"),
    "dark 12 bits, stated": (tiff(whole(900), {281: 4095}), "12 bits, as the file says"),
    "12 bits, stated by the PNG": (
        png(whole(4095), [(b"sBIT", b"\x0c")]),
        "12 bits, as the file says",
    ),
    "12 bits at the top": (tiff(whole(4095) * 16), None),
    "12 bits at the top, stated": (png(whole(4095) * 16, [(b"sBIT", b"\x0c")]), None),
    "10 bits, stated": (tiff(whole(1023), {281: 1023}), "read as 10 bits, as the file says"),
    "14 bits, stated": (tiff(whole(16383), {281: 16383}), "read as 14 bits, as the file says"),
    "8 bits in 16": (tiff(whole(255)), "read as 8 bits: no value is above 255"),
    "8 bits in 32": (tiff(whole(255, np.int32)), "read as 8 bits"),
    "16 bits in 32": (tiff(whole(65535, np.uint32)), None),
    "31 bits": (tiff(whole(2**31 - 1, np.int32)), "read as 31 bits"),
    "signed 16 bits": (tiff(whole(32767, np.int16)), None),
    "white is zero": (tiff(65535 - whole(65535), {262: 0}), None),
    "floats of 0 to 1": (tiff(floats(RAMP)), None),
    "floats of 0 to 255": (tiff(floats(255 * RAMP)), "read as floats from 0 to 255"),
    "floats of 0 to 255, big-endian": (tiff(floats(255 * RAMP), order=">"), "from 0 to 255"),
    "floats of 0 to 65535": (tiff(floats(65535 * RAMP)), "read as floats from 0 to 65535"),
    "floats where white is zero": (tiff(floats(1 - RAMP), {262: 0}), None),
    "a map of floats": (b"Pf\n8 8\n-1.0\n" + RAMP[::-1].astype("<f4").tobytes(), None),
    "grey map of 12 bits": (b"P5 8 8 4095\n" + whole(4095).astype(">u2").tobytes(), None),
    "16 bits of colour": (png(np.repeat(whole(65535)[..., None], 3, -1)), None),
    "16 bits with alpha": (png(np.dstack([whole(65535), np.full((8, 8), 65535, np.uint16)])), None),
}
"""Ramps from black to white, and what is said about how they were read."""


@pytest.mark.parametrize("case", DEEP)
def test_deep_pictures_are_scaled_by_rule(tmp_path, case):
    content, note = DEEP[case]
    found = read(tmp_path, content)
    expected = 900 / 4095 * RAMP if case.startswith("dark") else RAMP
    # Pillow keeps the upper 8 bits of colours.
    np.testing.assert_allclose(found.image, np.repeat(expected[..., None], 3, -1), atol=1.01 / 255)
    assert (found.note is None) if note is None else note in str(found.note)


UNCLEAR = {
    "NaN pixels": (tiff(floats(np.where(RAMP > 0.5, np.nan, RAMP))), "32 of 64 pixels are NaN"),
    "infinite pixels": (tiff(floats(np.where(RAMP > 0.9, np.inf, RAMP))), "NaN or infinite"),
    "highlights beyond white": (tiff(floats(3 * RAMP)), "floats from 0 to 3, neither 0 to 1 nor"),
    "few bright highlights": (tiff(floats(50 * RAMP**8)), "floats from 0 to 50, neither"),
    "normalised floats": (tiff(floats(2 * RAMP - 1)), "floats from -1 to 1, neither"),
    "floats without their mean": (tiff(floats(255 * RAMP - 128)), "floats from -128 to 127"),
    "10 bits, not stated": (tiff(whole(1023)), "whole numbers up to 1023, whose range is not"),
    "24 bits": (tiff(whole(2**24, np.int32)), "whole numbers up to 16777216"),
    "all of 32 bits": (tiff(whole(2**32 - 1, np.uint32)), "whole numbers up to 4294967295, whose"),
    "negative numbers": (tiff(whole(500, np.int16) - np.int16(250)), "numbers from -250 to 250"),
    "signed bytes": (tiff(whole(127, np.int8)), "signed numbers of 8 bits"),
    "12 bits of colour": (png(np.repeat(whole(4095)[..., None], 3, -1)), "12 bits or fewer"),
    "12 bits of colour, TIFF": (tiff(np.repeat(whole(4095)[..., None], 3, -1)), "12 bits or fewer"),
    "16 bits in planes": (
        tiff(np.repeat(whole(65535)[..., None], 3, -1), {284: 2}),
        "16 bits in separate planes",
    ),
    "floats in colour": (tiff(floats(np.repeat(RAMP[..., None], 3, -1))), "a TIFF of a kind that"),
    "doubles": (tiff(RAMP), "a TIFF of a kind that Pillow cannot read"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", "EPS is not read"),
    "a photo of a phone": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC photo or a video"),
    "a cut AVIF": (b"\0\0\0\x20ftypavif\0\0\0\0avifmif1", "an AVIF that is damaged"),
}
"""Pictures that no rule can read, and what is said about them."""


@pytest.mark.parametrize("case", UNCLEAR)
def test_what_no_rule_can_read_is_refused_in_one_line(tmp_path, case):
    content, message = UNCLEAR[case]
    with pytest.raises(image.ImageError, match=message) as caught:
        read(tmp_path, content)
    assert str(caught.value).startswith(f"{tmp_path / 'picture'}: ")
    assert "\n" not in str(caught.value)


def test_14_bits_that_are_not_stated_are_read_as_16_with_a_remark(tmp_path):
    for content in (tiff(whole(16383)), png(np.repeat(whole(16383)[..., None], 3, -1))):
        found = read(tmp_path, content)
        assert found.image.max() == pytest.approx(0.25, abs=0.01)
        assert "14" in str(found.note)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([1, 255, 65535]),
    st.floats(-0.049, 0),
    st.floats(0.3, 1.049),
    st.integers(0, 9),
)
def test_floats_of_any_usual_range_are_read(white, low, high, seed):
    """Overshoot up to 5 % is clipped, and said."""
    values = low + (high - low) * np.random.default_rng(seed).permutation(RAMP.ravel())
    found = depth.unit(floats(white * values.reshape(8, 8)))
    np.testing.assert_allclose(found.values.ravel(), np.clip(values, 0, 1), atol=1e-5)
    exact = floats(white * values)
    beyond = exact.min() < 0 or exact.max() > white
    assert ("clipped from" in str(found.note)) == beyond
    assert (found.note is None) == (white == 1 and not beyond)


@settings(max_examples=40, deadline=None)
@given(st.integers(8, 15), st.booleans(), st.sampled_from([np.uint16, np.int32]))
def test_whole_numbers_of_any_stated_range_are_read(bits, dark, dtype):
    top = 2**bits - 1
    values = whole(top / 3 if dark else top, dtype)
    found = depth.unit(values, top)
    np.testing.assert_allclose(found.values, values / top, atol=1e-6)
    assert found.note == f"read as {bits} bits, as the file says"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=3))
@example([2])
def test_any_whole_numbers_are_in_range_or_refused(numbers):
    try:
        found = depth.unit(np.array([numbers], np.int32))
    except depth.DepthError:
        return
    assert 0 <= found.values.min() <= found.values.max() <= 1
    assert max(numbers) == 0 or found.values.max() > 0.06


PALETTES = ("P", "PA")
WHITE = {"I;16": (65535, np.uint16), "I": (65535, np.int32), "F": (1, np.float32)}


def picture_of(mode: str) -> PIL.Image.Image:
    """Return a smooth picture in a mode; where it has more than 8 bits, a ramp to white."""
    if mode in WHITE:
        white, dtype = WHITE[mode]
        return PIL.Image.fromarray((white * np.kron(RAMP, np.ones((4, 4)))).astype(dtype))
    rows, columns = np.indices((32, 32)) / 31
    colours = np.stack([0.2 + 0.6 * rows, 0.3 + 0.5 * columns, 0.8 - 0.4 * rows], -1)
    colour = PIL.Image.fromarray(np.round(255 * colours).astype(np.uint8))
    return (
        colour.quantize(64, dither=PIL.Image.Dither.NONE).convert(mode)
        if mode in PALETTES
        else colour.convert(mode)
    )


MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "I;16", "I", "F")
DEEP_FORMATS = ("PNG", "TIFF", "JPEG2000")
COMPRESSIONS = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits")
WRITTEN = [
    ("PNG", {}),
    ("JPEG", {"quality": 95, "subsampling": 0}),
    ("JPEG", {"quality": 95, "progressive": True}),
    ("WEBP", {"lossless": True}),
    ("WEBP", {"quality": 95}),
    ("JPEG2000", {}),
    ("BMP", {}),
    ("GIF", {}),
    *[("TIFF", {"compression": compression}) for compression in COMPRESSIONS],
]


@pytest.mark.parametrize(("file_format", "options"), WRITTEN)
def test_every_mode_that_pillow_writes_is_read(tmp_path, file_format, options):
    """Each mode that a format takes gives the picture that was written."""
    taken = 0
    for mode in MODES:
        picture = picture_of(mode)
        try:
            content = saved(picture, file_format, **options)
        except (OSError, ValueError, KeyError):  # the format has no such mode
            continue
        if mode in WHITE and file_format not in DEEP_FORMATS:  # Pillow drops bits on writing
            continue
        taken += 1
        if mode in WHITE:
            expected = np.repeat(np.asarray(picture, float)[..., None] / WHITE[mode][0], 3, -1)
        else:
            expected = np.asarray(picture.convert("RGB"), float) / 255
        found = read(tmp_path, content)
        error = np.abs(found.image - expected)
        assert error.mean() < 0.02, mode
        kept = mode == "CMYK" and file_format in ("JPEG", "TIFF", "JPEG2000")
        assert found.note == (
            "CMYK without a profile, its colours are approximate" if kept else None
        )
    assert taken >= (2 if file_format == "WEBP" else 3)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_of_few_bits_reaches_white(tmp_path, bits):
    row = (
        np.array([[0b00011011] * 2], np.uint8) if bits == 2 else np.array([[0x0F, 0xF0]], np.uint8)
    )
    grey = read(tmp_path, png(row, bits=bits)).image[0, :, 0]
    assert (grey[0], grey.max()) == (0, 1)
    assert len(np.unique(grey)) == (4 if bits == 2 else 2)


@pytest.mark.parametrize("mode", ["La", "RGBa"])
def test_premultiplied_alpha_is_composited_over_white(tmp_path, mode):
    """Half transparent black is grey on white."""
    channels = 2 if mode == "La" else 4
    pixels = np.zeros((2, 2, channels), np.uint8)
    pixels[..., -1] = 128
    found = read(tmp_path, tiff(pixels, {338: 1})).image
    np.testing.assert_allclose(found, 127 / 255, atol=1e-3)


P3 = icc_profile(
    "Display P3", pictures.DISPLAY_P3, curve=list(pictures.srgb_curve(np.linspace(0, 1, 1024)))
)
ADOBE = icc_profile("Adobe RGB (1998)", pictures.ADOBE_RGB, 563 / 256)
AS_SRGB = {
    "Display P3": (P3, (214.9, 92.6, 31.0)),
    "Adobe RGB (1998)": (ADOBE, (227.1, 100.1, 42.4)),
}
"""Profiles, and `COLOUR` in them as sRGB: from their primaries, by hand."""
FORMATS = {"PNG": {}, "JPEG": {"quality": 95}, "WEBP": {"lossless": True}, "TIFF": {}}


@pytest.mark.parametrize("name", AS_SRGB)
@pytest.mark.parametrize("file_format", FORMATS)
def test_profiles_are_converted_to_srgb(tmp_path, name, file_format):
    profile, expected = AS_SRGB[name]
    picture = PIL.Image.new("RGB", (8, 8), COLOUR)
    content = saved(picture, file_format, icc_profile=profile, **FORMATS[file_format])
    found = read(tmp_path, content)
    np.testing.assert_allclose(255 * found.image[4, 4], expected, atol=1.6)
    assert found.note == f"converted from {name} to sRGB"


@pytest.mark.parametrize("mode", ["RGBA", "P", "RGBX"])
def test_profiles_of_other_modes_are_converted(tmp_path, mode):
    picture = PIL.Image.new("RGB", (8, 8), COLOUR)
    picture = picture.quantize(2) if mode == "P" else picture.convert(mode)
    found = read(tmp_path, saved(picture, "TIFF", icc_profile=P3))
    np.testing.assert_allclose(255 * found.image[4, 4], AS_SRGB["Display P3"][1], atol=1.6)


def test_transparency_is_kept_from_the_profile(tmp_path):
    picture = PIL.Image.new("RGBA", (8, 8), (*COLOUR, 0))
    assert read(tmp_path, saved(picture, "PNG", icc_profile=P3)).image.min() == 1


@pytest.mark.parametrize(
    "content",
    [
        saved(PIL.Image.new("L", (8, 8), 128), "PNG", icc_profile=icc_profile("linear", gamma=1)),
        png(
            np.full((8, 8), 32896, np.uint16),
            [
                (
                    b"iCCP",
                    b"linear\0\0" + zlib.compress(icc_profile("linear", gamma=1)),
                )
            ],
        ),
        png(np.full((8, 8), 32896, np.uint16), [(b"gAMA", struct.pack(">I", 100000))]),
        png(np.full((8, 8, 3), 128, np.uint8), [(b"gAMA", struct.pack(">I", 100000))]),
    ],
    ids=["grey", "deep grey", "deep grey by its gamma", "colour by its gamma"],
)
def test_linear_grey_becomes_srgb(tmp_path, content):
    """Half the light of white is 188 of 255 in sRGB."""
    found = read(tmp_path, content)
    np.testing.assert_allclose(255 * found.image, 188, atol=1)
    assert "to sRGB" in str(found.note)


def test_cmyk_is_converted_by_its_profile(tmp_path):
    """A press whose cyan is grey prints grey: L* = 50 is 119 of 255 in sRGB."""
    picture = PIL.Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    for file_format in ("JPEG", "TIFF"):
        content = saved(picture, file_format, icc_profile=pictures.grey_cmyk_profile())
        np.testing.assert_allclose(255 * read(tmp_path, content).image, 119, atol=2)


def test_a_transparent_value_of_16_bits_is_white(tmp_path):
    values = whole(65535)
    found = read(tmp_path, png(values, [(b"tRNS", bytes(2))])).image[..., 0]
    np.testing.assert_allclose(found, np.where(values == 0, 1, values / 65535), atol=1e-6)


def test_lab_is_converted(tmp_path):
    """sRGB's red is 53, 80, 67 in Lab."""
    found = read(tmp_path, tiff(np.full((8, 8, 3), (136, 80, 67), np.uint8), {262: 8})).image
    np.testing.assert_allclose(found[4, 4], [1, 0, 0], atol=0.05)


@pytest.mark.parametrize("turned", [1, 6])
def test_adobe_rgb_named_by_a_camera_is_converted(tmp_path, turned):
    """Cameras write no profile but an index in EXIF."""
    exif = PIL.Image.Exif()
    exif[0x0112] = turned
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    content = saved(PIL.Image.new("RGB", (16, 8), COLOUR), "JPEG", quality=95, exif=exif)
    found = read(tmp_path, content)
    assert found.image.shape == ((8, 16, 3) if turned == 1 else (16, 8, 3))
    np.testing.assert_allclose(255 * found.image[4, 4], AS_SRGB["Adobe RGB (1998)"][1], atol=1.6)
    assert found.note == "converted from Adobe RGB to sRGB"


P3_POINTS = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)


@pytest.mark.parametrize(
    ("chunks", "converted"),
    [
        ([(b"cHRM", struct.pack(">8I", *P3_POINTS))], True),
        ([(b"cHRM", struct.pack(">8I", *P3_POINTS)), (b"gAMA", struct.pack(">I", 45455))], True),
        ([(b"cICP", bytes([12, 13, 0, 1]))], True),
        ([(b"sRGB", b"\0"), (b"cHRM", struct.pack(">8I", *P3_POINTS))], False),
        ([(b"gAMA", struct.pack(">I", 45455))], False),
        ([(b"cICP", bytes([1, 13, 0, 1]))], False),
    ],
)
def test_colour_spaces_of_png_chunks_are_converted(tmp_path, chunks, converted):
    found = read(tmp_path, png(np.full((8, 8, 3), COLOUR, np.uint8), chunks))
    expected = AS_SRGB["Display P3"][1] if converted else COLOUR
    np.testing.assert_allclose(255 * found.image[4, 4], expected, atol=1)
    assert (found.note is not None) == converted


@pytest.mark.parametrize(
    ("points", "gamma"),
    [
        ((0,) * 8, None),
        ((31270, 0, *P3_POINTS[2:]), None),
        ((*P3_POINTS[:3], 0, *P3_POINTS[4:]), None),
        ((31270, 32900) * 4, None),
        ((31270, 32900, 10000, 10000, 20000, 20000, 30000, 30000), None),
        ((10000, 80000, *P3_POINTS[2:]), None),
        ((*P3_POINTS[:2], 2**31 - 1, *P3_POINTS[3:]), None),
        (None, 1),
        (None, 1000),
        (None, 2**31 - 1),
    ],
)
def test_impossible_colour_spaces_are_ignored_with_a_remark(tmp_path, points, gamma):
    chunks = [(b"cHRM", struct.pack(">8I", *points))] if points else []
    chunks += [(b"gAMA", struct.pack(">I", gamma))] if gamma else []
    found = read(tmp_path, png(np.full((8, 8, 3), COLOUR, np.uint8), chunks))
    np.testing.assert_allclose(255 * found.image[4, 4], COLOUR, atol=1e-3)
    assert found.note == (
        "the primaries and gamma of its PNG chunks are impossible and were ignored"
    )


def test_a_colour_space_that_is_not_known_is_said(tmp_path):
    found = read(
        tmp_path, png(np.full((8, 8, 3), COLOUR, np.uint8), [(b"cICP", bytes([9, 16, 0, 1]))])
    )
    assert found.note == "its colour space (cICP 9, 16) is not known and was ignored"


@pytest.mark.parametrize(
    "profile", [b"damaged", ADOBE[:200], icc_profile("grey", gamma=1), pictures.grey_cmyk_profile()]
)
def test_profiles_that_do_not_fit_are_ignored_with_a_remark(tmp_path, profile):
    picture = PIL.Image.new("RGB", (8, 8), COLOUR)
    found = read(tmp_path, saved(picture, "PNG", icc_profile=profile))
    np.testing.assert_allclose(255 * found.image[4, 4], COLOUR, atol=1e-4)
    assert "its colour profile was ignored" in str(found.note)


def test_srgb_under_any_name_changes_nothing(tmp_path):
    curve = list(pictures.srgb_curve(np.linspace(0, 1, 1024)))
    columns = (
        (0.43607, 0.22249, 0.01392),
        (0.38515, 0.71687, 0.09708),
        (0.14307, 0.06061, 0.71410),
    )
    picture = picture_of("RGB")
    for mode in ("RGB", "L"):
        written = picture.convert(mode)
        found = read(
            tmp_path, saved(written, "PNG", icc_profile=icc_profile("s", columns, curve=curve))
        )
        np.testing.assert_array_equal(
            found.image, np.asarray(written.convert("RGB"), np.float32) / 255
        )
        assert found.note is None


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_written_files_say_that_they_are_srgb(tmp_path, picture, suffix):
    path = tmp_path / f"a.{suffix}"
    image.save(path, picture)
    with PIL.Image.open(path) as file:
        assert "srgb" in file.info or b"sRGB" in file.info["icc_profile"].replace(b"\0", b"")
    first = path.read_bytes()
    image.save(path, picture)
    assert path.read_bytes() == first
    assert image.read(path).note is None


@pytest.mark.parametrize("shape", [(1, 2001), (2001, 1), (1, 1), (3, 5000), (7, 7)])
@pytest.mark.parametrize("mode", ["auto", "none"])
def test_tiny_shapes_are_named(tmp_path, shape, mode):
    path = tmp_path / "thin.png"
    image.save(path, np.zeros((*shape, 3), np.float32))
    height, width = shape
    with pytest.raises(image.ImageError, match=rf"thin\.png: {width}x{height} pixels; a photo"):
        align.load_face(path, 32, mode)


def test_pipes_and_devices_are_refused(tmp_path):
    """Reading either would wait forever."""
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    for path in (pipe, "/dev/zero"):
        with pytest.raises(image.ImageError, match="is a pipe or a device; expected a file"):
            image.load(path)
    with pytest.raises(OSError, match="is a pipe or a device"):
        digest(pipe)


def test_links_in_a_circle_are_one_line(tmp_path, run_command):
    loop, other = tmp_path / "loop.png", tmp_path / "other.png"
    loop.symlink_to(other)
    other.symlink_to(loop)
    with pytest.raises(image.ImageError, match=r"loop\.png: cannot be read, Too many levels of"):
        image.load(loop)
    options = Edit(loop, tmp_path / "out.png", guides=(loop,))
    for call in (
        lambda: checks.check_outputs(options),
        lambda: plugin.load(f"{tmp_path / 'loop.py'}:x"),
        lambda: load_gallery(loop),
    ):
        with pytest.raises((ValueError, OSError)) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_what_pillow_logs_of_a_damaged_file_is_not_printed(tmp_path):
    """In a process of its own, as pytest handles the logs of this one."""
    path = tmp_path / "face.tif"
    PIL.Image.new("RGB", (32, 32)).save(path)
    tag = struct.pack("<HHIHH", 277, 3, 1, 3, 0)  # samples per pixel, as Pillow writes them
    content = path.read_bytes()
    assert content.count(tag) == 1
    path.write_bytes(content.replace(tag, struct.pack("<HHIHH", 277, 3, 1, 22273, 0)))
    code = f"""if True:
        from facegen_jax.faces import image
        try:
            image.read({str(path)!r})
        except image.ImageError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{path}: ")
    assert done.stderr == ""
