"""One conversion from file to file: open, read, bring to canonical order, check, write."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from ..network import published, tensor_file
from ..network.checkpoint import VGG_FACE
from ..network.published import Colour
from ..network.vgg_face import DENSE, MEAN_RGB, VGGFace
from .check import check, doubts, shapes_of
from .content import Content, class_names, open_content
from .cursor import SourceError
from .layout import Parsed, canonical, merged
from .source import read

Precision = Literal["float32", "float16", "bfloat16"]
CODES: dict[str, str] = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
LARGEST_HALF = 65504.0


class Converted(NamedTuple):
    """What was found and written."""

    found: tuple[str, ...]
    """Lines on container, hashes, colour order and contents."""
    warnings: tuple[str, ...]
    metadata: dict[str, str]


def convert(
    source: Path,
    dest: Path,
    expected: Mapping[str, tuple[int, ...]] | None = None,
    *,
    dtype: Precision = "float32",
    dense: bool = True,
    colour: Colour | None = None,
    names: Path | None = None,
    progress: Callable[[int], object] = lambda done: None,
) -> Converted:
    """Convert a published file to canonical safetensors; `dest` is written whole or not at all.

    Args:
        source: a file of any layout that `source.read` knows.
        dest: a `.safetensors` file.
        expected: shape of every tensor, as from `check.shapes_of`; those of VGG-Face by default.
        dtype: of the numbers written.
        dense: keep fc6 to fc8 where the file has them.
        colour: order of conv1_1's inputs in the file, where the user knows better than the reader.
        names: a file of class names, one a line; else those of the source are kept.
        progress: told of bytes hashed and written; a float32 conversion does either with about the size of the file.

    Raises:
        SourceError: what is wrong with the source, in one line.
        ValueError: `names` does not fit.
    """
    expected = expected or shapes_of(VGGFace(), 224)
    content = open_content(source, progress)
    parsed = read(content)
    entry = published.known(content.sha256, content.md5)
    order = colour or (entry.colour if entry else parsed.colour)
    tensors = canonical(parsed, order)
    if not dense:
        tensors = {
            name: array for name, array in tensors.items() if name.split("/")[0] not in DENSE
        }
    held = check(tensors, expected)
    classes = _classes(names, content, parsed, expected["fc8/bias"][0])
    notes = () if entry or colour else parsed.notes
    if not classes and (content.names or parsed.classes):
        notes = (
            *notes,
            f"names of {len(content.names or parsed.classes)} classes were left out: there are {expected['fc8/bias'][0]}",
        )
    warnings = (*notes, *_about_mean(parsed), *doubts(tensors))
    if dtype == "float16":
        _check_range(tensors)
    metadata = _metadata(source, content, parsed, order, entry, classes)
    dest.parent.mkdir(parents=True, exist_ok=True)
    tensor_file.write(
        dest, tensors, metadata, CODES[dtype], shapes=merged(tensors), progress=progress
    )
    return Converted(_lines(content, parsed, order, entry, held), warnings, metadata)


def _classes(
    names: Path | None, content: Content, parsed: Parsed, expected: int
) -> tuple[str, ...]:
    """Names of the classes, of the user's file, the tarball's or the network's own."""
    found = content.names or parsed.classes
    if names:
        found = class_names(names.read_bytes())
        if len(found) != expected:
            raise ValueError(
                f"{names} has {len(found)} lines, expected the names of {expected} classes"
            )
    return found if len(found) == expected else ()


def _about_mean(parsed: Parsed) -> list[str]:
    if parsed.mean_rgb is None or np.allclose(parsed.mean_rgb, MEAN_RGB, atol=0.01):
        return []
    shown = ", ".join(f"{value:.2f}" for value in parsed.mean_rgb)
    return [
        f"the file's own mean ({shown}) is not VGG-Face's; this package subtracts {', '.join(f'{value:.2f}' for value in MEAN_RGB)}"
    ]


def _check_range(tensors: Mapping[str, np.ndarray]) -> None:
    """float16 cannot hold large numbers; those of VGG-Face are small."""
    large = [
        name
        for name, array in tensors.items()
        if max(abs(float(array.max())), abs(float(array.min()))) > LARGEST_HALF
    ]
    if large:
        raise SourceError(
            f"{', '.join(large)} holds numbers beyond {LARGEST_HALF:g}, the largest of float16; use --dtype bfloat16 or float32"
        )


def _metadata(
    source: Path,
    content: Content,
    parsed: Parsed,
    order: Colour,
    entry: published.Published | None,
    classes: tuple[str, ...],
) -> dict[str, str]:
    return {
        "format_version": "1",
        "network": VGG_FACE,
        "image_size": "224",
        "mean_rgb": json.dumps(MEAN_RGB),
        "licence": published.LICENCE,
        "source_file": source.name,
        "source_format": parsed.container,
        "source_sha256": content.sha256,
        "source_md5": content.md5,
        "source_colour_order": order,
        "source_known_as": entry.file if entry else "unknown",
        **({"classes": json.dumps(classes)} if classes else {}),
    }


def _lines(
    content: Content, parsed: Parsed, order: Colour, entry: published.Published | None, held: str
) -> tuple[str, ...]:
    reversed_input = ", conv1_1's inputs were reversed to RGB" if order == "BGR" else ""
    return (
        f"{content.name}: {parsed.container}",
        f"SHA-256 {content.sha256}, MD5 {content.md5}: {f'known as {entry.file}' if entry else 'unknown (see --list), which is no fault'}",
        f"colour order {order}{reversed_input}",
        held,
    )
