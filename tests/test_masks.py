"""Masks in every encoding that programs write select what was meant; others are refused."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import png, saved, tiff

from facegen_jax.edit import masks
from facegen_jax.edit.parsing import EditError
from facegen_jax.faces import align, image
from facegen_jax.faces.mask_file import load_mask

SHAPE = np.zeros((16, 16), bool)
SHAPE[4:10, 3:14] = True
SOFT = np.clip(1.2 - np.hypot(*(np.indices((16, 16)) - 7.5)) / 8, 0, 1)


def grey(values: np.ndarray, file_format: str = "PNG", **options) -> bytes:
    return saved(PIL.Image.fromarray(values.astype(np.uint8)), file_format, **options)


def rgba(colour: tuple[int, ...], alpha: np.ndarray, hidden: tuple[int, ...] = (0, 0, 0)) -> bytes:
    """A shape in a colour, with other colours under what is transparent."""
    pixels = np.where((alpha > 0)[..., None], colour, hidden)
    return png(np.dstack([pixels, 255 * alpha]).astype(np.uint8))


def palette(numbers: np.ndarray, colours: list[int], **options) -> bytes:
    picture = PIL.Image.fromarray(numbers.astype(np.uint8)).convert("P")
    picture.putdata(numbers.ravel().tolist())
    picture.putpalette(colours)
    return saved(picture, "PNG", **options)


CLASSES = np.where(SHAPE, np.indices((16, 16))[1] % 3 + 2, 0)
VOC = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128] + 251 * [224, 224, 192]
VOIDED = np.where(SHAPE, 3, np.where(np.arange(16)[:, None] > 10, 255, 0))
PHOTO = np.stack([SOFT, SOFT[::-1], np.roll(SOFT, 5, 1)], -1)

ENCODINGS = {
    "0 and 255": (grey(255 * SHAPE), SHAPE, None),
    "0 and 1": (grey(SHAPE), SHAPE, None),
    "one bit": (saved(PIL.Image.fromarray(SHAPE), "PNG"), SHAPE, None),
    "one bit, TIFF": (saved(PIL.Image.fromarray(SHAPE), "TIFF"), SHAPE, None),
    "0 and 1 in RGB": (png(np.repeat(SHAPE[..., None], 3, -1).astype(np.uint8)), SHAPE, None),
    "0 and 1 in 16 bits": (png(SHAPE.astype(np.uint16)), SHAPE, None),
    "0 and 255 in 16 bits": (png(255 * SHAPE.astype(np.uint16)), SHAPE, "8 bits"),
    "0 and 65535": (png(65535 * SHAPE.astype(np.uint16)), SHAPE, None),
    "0 and 1 in 32 bits": (tiff(SHAPE.astype(np.int32)), SHAPE, None),
    "floats of 0 and 1": (tiff(SHAPE.astype(np.float32)), SHAPE, None),
    "floats of 0 and 255": (tiff(255 * SHAPE.astype(np.float32)), SHAPE, "floats from 0 to 255"),
    "soft floats": (tiff(SOFT.astype(np.float32)), SOFT, None),
    "soft grey": (grey(255 * SOFT), SOFT, None),
    "soft grey of 16 bits": (png((65535 * SOFT).astype(np.uint16)), SOFT, None),
    "soft grey in RGB": (png(np.repeat(255 * SOFT[..., None], 3, -1).astype(np.uint8)), SOFT, None),
    "soft grey, JPEG": (grey(255 * SOFT, "JPEG", quality=95), SOFT, None),
    "soft grey, WebP": (grey(255 * SOFT, "WEBP", lossless=True), SOFT, None),
    "black and white, JPEG": (grey(255 * SHAPE, "JPEG", quality=95), SHAPE, None),
    "black and white with stray values": (
        grey(np.where(np.eye(16), 2, 255 * SHAPE)),
        np.where(np.eye(16), 2 / 255, SHAPE),
        None,
    ),
    "half strength": (grey(128 * SHAPE), 128 / 255 * SHAPE, "grey no brighter than 128 of 255"),
    "class numbers": (grey(CLASSES), SHAPE, "class numbers 2, 3, 4, all selected"),
    "class numbers of 16 bits": (png(CLASSES.astype(np.uint16)), SHAPE, "class numbers 2, 3, 4"),
    "class numbers as floats": (tiff(CLASSES.astype(np.float32)), SHAPE, "class numbers 2, 3, 4"),
    "class numbers with a border": (
        grey(np.where(np.arange(16) == 0, 255, CLASSES)),
        SHAPE & (np.arange(16) > 0),
        "class numbers 2, 3, 4",
    ),
    "small class numbers and a large border": (
        grey(VOIDED),
        SHAPE,
        "class numbers 3, all selected",
    ),
    "the same in 16 bits": (png(VOIDED.astype(np.uint16)), SHAPE, "class numbers 3"),
    "the same in 16 bits, up to the last": (
        png(np.where(VOIDED == 255, 65535, VOIDED).astype(np.uint16)),
        SHAPE,
        "class numbers 3",
    ),
    "the same in 32 bits": (tiff(VOIDED.astype(np.int32)), SHAPE, "class numbers 3"),
    "the same in floats": (tiff(VOIDED.astype(np.float32)), SHAPE, "class numbers 3"),
    "class numbers, WebP without loss": (
        grey(3 * SHAPE, "WEBP", lossless=True),
        SHAPE,
        "class numbers 3",
    ),
    "class numbers, WebP without loss, with EXIF": (
        grey(3 * SHAPE, "WEBP", lossless=True, exif=b"Exif\0\0"),
        SHAPE,
        "class numbers 3",
    ),
    "booleans where zero is white": (
        tiff(np.packbits(~SHAPE, axis=1), {256: 16, 258: 1, 262: 0}),
        SHAPE,
        "grey, zero being white as the TIFF says",
    ),
    "deep grey where zero is white": (
        tiff(65535 * (~SHAPE).astype(np.uint16), {262: 0}),
        SHAPE,
        "soft grey, zero being white as the TIFF says",
    ),
    "black and white, JPEG 2000": (
        grey(255 * SHAPE, "JPEG2000", irreversible=True),
        SHAPE,
        None,
    ),
    "a palette of classes": (palette(CLASSES, VOC), SHAPE, "class numbers 2, 3, 4, all selected"),
    "a palette of classes and a border": (
        palette(np.where(np.arange(16) == 0, 255, CLASSES), VOC),
        SHAPE,
        "class numbers 2, 3, 4",
    ),
    "a palette of grey levels": (
        palette(np.round(255 * SOFT), [level for level in range(256) for _ in range(3)]),
        SOFT,
        None,
    ),
    "a palette that begins with white": (palette(~SHAPE, [255, 255, 255, 0, 0, 0]), SHAPE, None),
    "white on transparency": (rgba((255, 255, 255), SHAPE), SHAPE, "a shape in white"),
    "white on transparent white": (rgba((255,) * 3, SHAPE, (255,) * 3), SHAPE, "a shape in white"),
    "black on transparency": (rgba((0, 0, 0), SHAPE), SHAPE, "a shape in black"),
    "black on transparent white": (rgba((0, 0, 0), SHAPE, (255,) * 3), SHAPE, "a shape in black"),
    "red on transparency": (rgba((255, 0, 0), SHAPE), SHAPE, "a shape in one colour"),
    "soft white on transparency": (rgba((255, 255, 255), SOFT), SOFT, "a shape in white"),
    "soft black on transparency": (rgba((0, 0, 0), SOFT), SOFT, "a shape in black"),
    "grey with alpha": (
        png(np.dstack([0 * SHAPE, 255 * SHAPE]).astype(np.uint8)),
        SHAPE,
        "a shape in black",
    ),
    "alpha of 0 and 1": (
        png(np.dstack([255 * np.ones((16, 16, 3)), SHAPE]).astype(np.uint8)),
        SHAPE,
        "a shape in white",
    ),
    "a transparent palette entry": (
        palette(SHAPE, [9, 9, 9, 255, 255, 255], transparency=0),
        SHAPE,
        "a shape in white",
    ),
    "classes in colour on a transparent palette entry": (
        palette(CLASSES, [9, 9, 9, 0, 0, 0, *[200, 0, 0, 0, 200, 0, 0, 0, 200]], transparency=0),
        SHAPE,
        "classes in colour on transparency, all selected",
    ),
    "white, transparent at one value of 16 bits": (
        png((65535 * SHAPE).astype(np.uint16), [(b"tRNS", bytes(2))]),
        SHAPE,
        "a shape in white",
    ),
    "black, transparent at one value of 16 bits": (
        png((65535 * ~SHAPE).astype(np.uint16), [(b"tRNS", b"\xff\xff")]),
        SHAPE,
        "a shape in black",
    ),
    "black in 16 bits on transparency": (
        png(np.dstack([np.zeros((16, 16, 3)), 65535 * SHAPE]).astype(np.uint16)),
        SHAPE,
        "a shape in black",
    ),
    "opaque black and white": (rgba((255, 255, 255), np.ones((16, 16))), np.ones((16, 16)), None),
    "black and white with transparent corners": (
        png(
            np.dstack([np.repeat(255 * SHAPE[..., None], 3, -1), 255 * (SOFT > 0.1)]).astype(
                np.uint8
            )
        ),
        SHAPE & (SOFT > 0.1),
        "nothing where transparent",
    ),
    "even transparency": (
        png(
            np.dstack([np.repeat(255 * SHAPE[..., None], 3, -1), np.full((16, 16), 99)]).astype(
                np.uint8
            )
        ),
        SHAPE,
        None,
    ),
    "a hole in a photo": (
        png(np.dstack([255 * PHOTO, 255 * ~SHAPE]).astype(np.uint8)),
        SHAPE,
        "a transparent hole, which is selected",
    ),
    "red on black": (png((SHAPE[..., None] * (200, 0, 0)).astype(np.uint8)), SHAPE, "on black"),
    "soft red on black": (
        png((255 * SOFT[..., None] * (1, 0, 0)).astype(np.uint8)),
        SOFT,
        "on black",
    ),
    "classes in colour": (
        png(np.array(VOC, np.uint8).reshape(-1, 3)[CLASSES]),
        SHAPE,
        "classes in colour, all but black selected",
    ),
    "CMYK": (
        saved(PIL.Image.fromarray(255 * SHAPE.astype(np.uint8)).convert("CMYK"), "TIFF"),
        SHAPE,
        None,
    ),
    "Lab": (
        tiff(np.dstack([255 * SHAPE, 0 * SHAPE, 0 * SHAPE]).astype(np.uint8), {262: 8}),
        SHAPE,
        None,
    ),
}
"""Files, the mask that they mean, and what is said about them."""


def read(folder: Path, content: bytes):
    path = folder / "mask"
    path.write_bytes(content)
    return load_mask(path)


@pytest.mark.parametrize("name", ENCODINGS)
def test_any_usual_encoding_is_understood(tmp_path, name):
    content, expected, note = ENCODINGS[name]
    found = read(tmp_path, content)
    # JPEG spreads edges; everything else is exact.
    atol = 0.25 if "JPEG" in name else 1.01 / 255
    np.testing.assert_allclose(found.mask, np.asarray(expected, np.float32), atol=atol)
    assert (found.note is None) if note is None else note in str(found.note)
    assert note is None or str(found.note).startswith(f"{tmp_path / 'mask'}: mask read as ")


NOISE = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)

REFUSED = {
    "all black": (grey(0 * SHAPE), "the mask selects nothing: all of it is black"),
    "all black, RGB": (png(np.zeros((4, 4, 3), np.uint8)), "the mask selects nothing"),
    "all black, JPEG": (grey(0 * SHAPE, "JPEG"), "the mask selects nothing"),
    "all black, 16 bits": (png(np.zeros((4, 4), np.uint16)), "the mask selects nothing"),
    "all black, floats": (tiff(np.zeros((4, 4), np.float32)), "the mask selects nothing"),
    "all transparent": (rgba((0, 0, 0), 0 * SHAPE), "selects nothing: all of it is transparent"),
    "only a border class": (grey(255 * 0 * SHAPE), "selects nothing"),
    "faint floats": (tiff((0.01 * SHAPE).astype(np.float32)), "the mask selects nothing"),
    "class numbers in a JPEG": (grey(4 * SHAPE, "JPEG"), "nearly black: no value is above"),
    "class numbers in a WebP": (
        grey(9 * SHAPE, "WEBP", quality=50),
        "nearly black: no value is above .* WEBP changes them",
    ),
    "0 and 1 in a JPEG 2000": (
        grey(SHAPE, "JPEG2000", irreversible=True, quality_layers=[20]),
        "selects nothing|JPEG2000 changes them",
    ),
    "a grey photo with a hole": (
        png(np.dstack([NOISE[:16, :16, 0], 255 * ~SHAPE]).astype(np.uint8)),
        "soft grey with transparent parts: it may be a mask, or a photo with a hole",
    ),
    "0 and 255 in colours of 16 bits": (
        png(np.repeat(255 * SHAPE[..., None], 3, -1).astype(np.uint16)),
        "16 bits in each channel, of which the upper 8 are all but black",
    ),
    "12 bits in colours of 16": (
        png(np.repeat(np.round(4095 * SOFT)[..., None], 3, -1).astype(np.uint16)),
        "16 bits in each channel, of which the upper 8 are all but black",
    ),
    "opaque 0 and 1 of 16 bits": (
        png(np.dstack([SHAPE, np.full((16, 16), 65535)]).astype(np.uint16)),
        "16 bits in each channel, .* save it with 8 bits",
    ),
    "opacity of 0 and 1 in 16 bits": (
        png(np.dstack([np.full((16, 16, 3), 65535), SHAPE]).astype(np.uint16)),
        "16 bits in each channel, .* save it with 8 bits",
    ),
    "all of 32 bits": (
        tiff(np.where(SHAPE, 2**32 - 1, 0).astype(np.uint32)),
        "whole numbers up to 4294967295, whose range is not clear",
    ),
    "a photo": (png(NOISE), "a picture in colour"),
    "a photo in a JPEG": (
        saved(PIL.Image.fromarray(NOISE), "JPEG"),
        "a picture in colour",
    ),
    "red on white": (
        png(np.where(SHAPE[..., None], (255, 0, 0), 255).astype(np.uint8)),
        "a picture in colour without any black",
    ),
    "NaN": (tiff(np.where(SHAPE, np.nan, 0).astype(np.float32)), "NaN or infinite"),
    "floats of -1 and 1": (tiff((2.0 * SHAPE - 1).astype(np.float32)), "floats from -1 to 1"),
    "instances up to 500": (png((500 * SHAPE).astype(np.uint16)), "whole numbers up to 500"),
    "text": (b"mask", "not an image that Pillow can read"),
}
"""Files that select nothing, or whose encoding is not clear."""


@pytest.mark.parametrize("name", REFUSED)
def test_what_selects_nothing_or_is_not_clear_is_refused_in_one_line(tmp_path, name):
    content, message = REFUSED[name]
    with pytest.raises(image.ImageError, match=message) as caught:
        read(tmp_path, content)
    assert str(caught.value).startswith(f"{tmp_path / 'mask'}: ")
    assert "\n" not in str(caught.value)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 63),
    st.integers(0, 2**16 - 1),
    st.sampled_from([np.uint8, np.uint16, np.int32, np.float32]),
    st.booleans(),
)
def test_class_numbers_select_all_but_zero(tmp_path_factory, largest, seed, dtype, with_void):
    numbers = np.random.default_rng(seed).integers(0, largest + 1, (8, 8))
    numbers[0, 0], numbers[0, 1] = 0, largest
    if with_void and dtype == np.uint8:
        numbers[0, 2] = 255
    found = read(tmp_path_factory.getbasetemp(), tiff(numbers.astype(dtype)))
    np.testing.assert_array_equal(found.mask, (numbers > 0) & (numbers != 255))


@settings(max_examples=40, deadline=None)
@given(st.integers(64, 254), st.integers(0, 2**16 - 1), st.sampled_from(["L", "RGB", "LA", "RGBA"]))
def test_grey_levels_stay_grey_levels(tmp_path_factory, largest, seed, mode):
    levels = np.random.default_rng(seed).integers(0, largest + 1, (8, 8)).astype(np.uint8)
    levels[0, :2] = 0, largest
    picture = PIL.Image.fromarray(levels).convert(mode)
    found = read(tmp_path_factory.getbasetemp(), saved(picture, "PNG"))
    np.testing.assert_allclose(found.mask, levels / 255, atol=1e-6)
    assert (found.note is None) == (largest >= 192)


@pytest.fixture
def face(tmp_path, picture):
    path = tmp_path / "face.png"
    image.save(path, picture)
    return align.load_face(path, 32, "none")


def test_a_mask_is_placed_on_the_face_and_remarked_on(tmp_path, face):
    numbers = np.zeros((32, 32))
    numbers[8:24] = 7
    (tmp_path / "mask.png").write_bytes(grey(numbers))
    built = masks.build(tmp_path / "mask.png", tmp_path / "mask.png", ["inside", "identity"], face)
    np.testing.assert_array_equal(built.masks["inside"], numbers > 0)
    np.testing.assert_array_equal(built.masks["identity"], numbers > 0)
    assert built.notes == (f"{tmp_path / 'mask.png'}: mask read as class numbers 7, all selected",)


def test_a_mask_beside_the_face_is_refused(tmp_path, face):
    """The face's crop is the left half of the photo, the mask selects the right."""
    shifted = np.column_stack([2 * np.eye(2), [0.5, 0.5]])
    landmarks = np.array([[1.0, 2], [3, 4], [5, 6], [7, 8], [9, 9]])
    half = face._replace(placement=shifted, landmarks=landmarks)
    (tmp_path / "mask.png").write_bytes(grey(255 * np.kron(np.diag([0, 0, 0, 1]), np.ones((8, 8)))))
    with pytest.raises(EditError, match="the mask selects nothing of the face, which is elsewhere"):
        masks.build(tmp_path / "mask.png", None, ["inside"], half)
