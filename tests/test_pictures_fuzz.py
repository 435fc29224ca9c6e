"""Damaged pictures and masks give an image, a mask or a one-line error, in bounded time and memory.

`FACEGEN_FUZZ` sets the number of files per reader.
"""

import logging
import os
import resource
import signal
import struct
import zlib
from pathlib import Path
from random import Random

import numpy as np
import pictures
import PIL.Image
import pytest
from mutations import drawn, mutated
from pictures import icc_profile, png, saved, tiff

from facegen_jax.faces import decoder, image
from facegen_jax.faces.mask_file import load_mask

FILES = int(os.environ.get("FACEGEN_FUZZ", "20"))
SECONDS = 5
"""Of the processor, so that a busy machine fails no test."""
LARGEST = 1_000_000
"""Pixels at most, or else the test would measure how long large pictures take."""

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (24, 16, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (24, 16), np.uint16)
LEVELS = NOISE[..., 0]
COLOUR, GREY = PIL.Image.fromarray(NOISE), PIL.Image.fromarray(LEVELS)
PROFILE = icc_profile("P3", pictures.DISPLAY_P3)


def _exif() -> PIL.Image.Exif:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    return exif


PICTURES = {
    "png": saved(COLOUR, "PNG", icc_profile=PROFILE),
    "png-palette": saved(COLOUR.convert("P"), "PNG", transparency=3),
    "png-16": png(DEEP, [(b"sBIT", b"\x0c"), (b"gAMA", struct.pack(">I", 50000))]),
    "png-rgba-16": png(RNG.integers(0, 65536, (8, 8, 4), np.uint16), [(b"cICP", b"\x0c\x0d\0\1")]),
    "jpeg": saved(COLOUR, "JPEG", icc_profile=PROFILE),
    "jpeg-exif": saved(COLOUR, "JPEG", exif=_exif(), progressive=True),
    "jpeg-cmyk": saved(COLOUR.convert("CMYK"), "JPEG", icc_profile=pictures.grey_cmyk_profile()),
    "webp": saved(COLOUR, "WEBP", icc_profile=PROFILE, exif=_exif()),
    "webp-lossless": saved(COLOUR.convert("RGBA"), "WEBP", lossless=True),
    "tiff-float": tiff((LEVELS / 255).astype(np.float32)),
    "tiff-16": tiff(DEEP, {281: 65535}),
    "tiff-deflate": saved(COLOUR, "TIFF", compression="tiff_adobe_deflate", icc_profile=PROFILE),
    "tiff-lab": tiff(NOISE, {262: 8}),
    "gif": saved(GREY, "GIF"),
    "pgm": b"P5 16 24 4095\n" + (DEEP >> 4).astype(">u2").tobytes(),
}
MASKS = {
    "palette": saved(GREY.convert("P"), "PNG"),
    "classes": png(LEVELS // 32),
    "transparent": png(np.dstack([NOISE[..., :1] * 0, LEVELS])),
    "colour": png(NOISE // 128 * 255),
    "deep": png(DEEP // 4096),
    "floats": tiff((LEVELS // 64).astype(np.float32)),
    "jpeg": saved(GREY, "JPEG"),
}


def repaired(content: bytes) -> bytes:
    """Make the checksums of a PNG fit, or else damage never gets past them."""
    if content[:8] != b"\x89PNG\r\n\x1a\n":
        return content
    fixed, offset = bytearray(content), 8
    while offset + 12 <= len(fixed):
        (length,) = struct.unpack_from(">I", fixed, offset)
        end = offset + 8 + length
        if end + 4 > len(fixed):
            break
        struct.pack_into(">I", fixed, end, zlib.crc32(fixed[offset + 4 : end]))
        offset = end + 4
    return bytes(fixed)


def examine(path: Path, reader: str) -> None:
    """Read a file and check that it gives pixels in range or a one-line error, in time."""

    def time_out(signum, frame):
        raise TimeoutError(f"more than {SECONDS} s")

    handler = signal.signal(signal.SIGPROF, time_out)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    values, message = np.zeros(1, np.float32), ""
    try:
        if reader == "mask":
            found = load_mask(path)
            values, message = np.asarray(found.mask), found.how
        else:
            read = image.read(path)
            values, message = np.asarray(read.image), read.note or ""
    except image.ImageError as error:
        message = str(error)
        assert message.startswith(f"{path}: ")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)
    assert message.isprintable()
    assert values.dtype == np.float32
    assert 0 <= values.min() <= values.max() <= 1


CASES = [*(("picture", name) for name in PICTURES), *(("mask", name) for name in MASKS)]


@pytest.mark.parametrize(("reader", "name"), CASES)
def test_damaged_pictures(reader, name, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(decoder, "MAX_PIXELS", LARGEST)
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", LARGEST)
    content = (MASKS if reader == "mask" else PICTURES)[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    path = tmp_path / "damaged"
    for number in range(FILES):
        damaged = mutated(content, drawn(Random(f"{name} {number}")))
        path.write_bytes(repaired(damaged) if number % 2 else damaged)
        examine(path, reader)
    told = [each.name for each in caplog.records if each.levelno >= logging.WARNING]
    assert set(told) <= {"PIL.TiffImagePlugin"}  # `decoder` keeps what Pillow logs off stderr
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000, (
        "grew by more than 300 MB"
    )
