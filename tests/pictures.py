"""Image files as other programs write them: ICC profiles, PNG and TIFF of any depth."""

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
import PIL.Image

D50 = (0.9642, 1.0, 0.8249)
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
DISPLAY_P3 = (
    (0.51512, 0.24120, -0.00105),
    (0.29198, 0.69225, 0.04189),
    (0.15710, 0.06657, 0.78407),
)
"""XYZ of red, green and blue under D50, as the published profiles have them."""


def icc_profile(
    name: str,
    columns: Sequence[Sequence[float]] = (),
    gamma: float = 2.2,
    curve: Sequence[float] | None = None,
) -> bytes:
    """Return an ICC profile (version 2) of an RGB space, or a grey one without columns.

    Args:
        name: its description.
        columns: XYZ of red, green and blue.
        gamma: exponent from values to light.
        curve: light at equal steps of the value, in place of the exponent.
    """
    if curve is None:
        trc = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    else:
        values = [round(65535 * each) for each in curve]
        trc = b"curv" + bytes(4) + struct.pack(f">I{len(values)}H", len(values), *values)
    text = name.encode() + b"\0"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"wtpt": _xyz(D50),
    }
    for letter, column in zip(b"rgb", columns, strict=False):
        tags |= {bytes([letter]) + b"XYZ": _xyz(column), bytes([letter]) + b"TRC": trc}
    if not columns:
        tags[b"kTRC"] = trc
    return _profile(b"mntr", b"RGB " if columns else b"GRAY", b"XYZ ", tags)


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, content, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for tag, value in tags.items():
        value += bytes(-len(value) % 4)
        table += tag + struct.pack(">II", offset + len(content), len(value))
        content += value
    header = struct.pack(">I4sI", offset + len(content), b"test", 0x02400000)
    header += kind + space + connection
    header += struct.pack(">6H4s", 2000, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    header += struct.pack(">3i", *(round(65536 * each) for each in D50))
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + content


def _xyz(values: Sequence[float]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(65536 * each) for each in values))


def srgb_curve(value: np.ndarray) -> np.ndarray:
    """Return light by sRGB's transfer function."""
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def png(pixels: np.ndarray, chunks: Sequence[tuple[bytes, bytes]] = (), *, bits: int = 0) -> bytes:
    """Return a PNG of pixels `height width [channels]` as they are.

    Args:
        pixels: uint8 or uint16 in 1 to 4 channels, by which PNG tells grey, grey with alpha, RGB,
            RGBA.
        chunks: names and contents of further chunks before the pixels.
        bits: fewer than 8 bits in each pixel, with rows packed already.
    """
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    depth = bits or 8 * pixels.itemsize
    width = pixels.shape[1] * 8 // bits if bits else pixels.shape[1]
    rows = b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, len(pixels), depth, kind, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(name: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def tiff(
    pixels: np.ndarray, tags: dict[int, int] | None = None, order: Literal["<", ">"] = "<"
) -> bytes:
    """Return an uncompressed TIFF of pixels `height width [channels]` as they are.

    Args:
        pixels: unsigned, signed or floating-point, of any size.
        tags: further tags, or other values of those that are written, as short integers.
        order: byte order, `<` or `>`.
    """
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    kind = {"u": 1, "b": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    entries: dict[int, Sequence[int]] = {
        256: (width,),
        257: (height,),
        258: (8 * pixels.itemsize,) * channels,
        259: (1,),
        262: (2 if channels >= 3 else 1,),
        273: (8,),
        277: (channels,),
        278: (height,),
        279: (len(data),),
        339: (kind,) * channels,
        **({338: (2,)} if channels in (2, 4) else {}),
    }
    entries |= {
        tag: (value,) * (channels if tag == 258 else 1) for tag, value in (tags or {}).items()
    }
    directory = 8 + len(data) + len(data) % 2
    extra, table = b"", b""
    after = directory + 2 + 12 * len(entries) + 4
    for tag, values in sorted(entries.items()):
        packed = struct.pack(f"{order}{len(values)}H", *values)
        if len(packed) > 4:
            table += struct.pack(f"{order}HHII", tag, 3, len(values), after + len(extra))
            extra += packed
        else:
            table += struct.pack(f"{order}HHI", tag, 3, len(values)) + packed.ljust(4, b"\0")
    start = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, directory)
    body = data + bytes(len(data) % 2) + struct.pack(f"{order}H", len(entries)) + table
    return start + body + bytes(4) + extra


def saved(picture: PIL.Image.Image, file_format: str, **options) -> bytes:
    """Return a picture as Pillow writes it."""
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def grey_cmyk_profile() -> bytes:
    """Return an ICC profile of a press whose four inks are all grey: each halves the lightness."""
    nodes = [(round(255 * 0.5 ** sum(inks)), 128, 128) for inks in np.ndindex(2, 2, 2, 2)]
    ramp = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 * each for each in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix
    table += 4 * ramp + b"".join(map(bytes, nodes)) + 3 * ramp
    tags = {b"A2B0": table, b"wtpt": _xyz(D50), b"cprt": b"text" + bytes(4) + b"none\0"}
    return _profile(b"prtr", b"CMYK", b"Lab ", tags)
