"""One conversion, from file to file: open, read, bring to canonical order, check, write."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..network import published, tensor_file
from ..network.named import FOLDER_VARIABLE, VGG_FACE
from ..network.published import Colour
from ..network.vgg_face import MEAN_RGB, VGGFace
from ..types import Progress
from .check import check, expected_shapes, order_warnings
from .choice import choose
from .content import Content, class_names, open_content
from .cursor import SourceError
from .layout import TOP, Parsed, canonical, only_convolutions, stored_shapes
from .settings import Precision
from .source import read

DTYPES: dict[str, str] = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
"""Names that safetensors gives to precisions."""
NO_FOLDER = (
    f"no folder can be made there for the converted network; give a DEST, or set {FOLDER_VARIABLE} "
    "to a folder"
)
FLOAT16_MAX = 65504.0


class Converted(NamedTuple):
    """Report of a conversion."""

    summary: tuple[str, ...]
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
    network: str | None = None,
    progress: Progress = lambda done, total: None,
) -> Converted:
    """Convert a published file to canonical safetensors; `dest` is written atomically.

    Args:
        source: a file in any container that `source.read` knows.
        dest: the `.safetensors` file to write.
        expected: shape of every tensor, see `check.expected_shapes`; VGG-Face's by default.
        dtype: precision of the written numbers.
        dense: keep fc6 to fc8 if the file has them.
        colour: order of conv1_1's input channels in the file; overrides the reader's.
        names: a file of class names, one per line; overrides those of the source.
        network: which one of a file that holds several, as the file calls it.
        progress: counts bytes hashed and then written; the total is estimated until writing starts.

    Raises:
        SourceError: says in one line what is wrong with the source.
        ValueError: `names` has the wrong number of lines, or `dest` cannot have a folder.
    """
    expected = expected or expected_shapes(VGGFace(), 224)
    content = open_content(source, network, lambda done, size: progress(done, 2 * size))
    wanted = None if content.chosen else network
    networks = read(content) if dense else [only_convolutions(each) for each in read(content)]
    parsed, choice = choose(networks, wanted, expected)
    entry = published.find(content.sha256, content.md5)
    order = colour or (entry.colour if entry else parsed.colour)
    tensors = canonical(parsed, order)
    description = check(tensors, expected)
    classes, class_warnings = _classes(names, content, parsed, expected["fc8/bias"][0])
    notes = () if entry or colour else parsed.notes
    warnings = (*notes, *class_warnings, *_mean_warnings(parsed), *order_warnings(tensors))
    if dtype == "float16":
        _check_float16_range(tensors)
    metadata = _metadata(source, content, parsed, order, entry, classes)
    _write(dest, tensors, metadata, dtype, content.size, progress)
    summary = _summary(content, parsed, order, entry, (*content.remarks, choice, description))
    return Converted(summary, warnings, metadata)


def _write(
    dest: Path,
    tensors: Mapping[str, np.ndarray],
    metadata: Mapping[str, str],
    dtype: Precision,
    hashed: int,
    progress: Progress,
) -> None:
    """Write the tensors; progress continues after the bytes hashed."""
    try:
        dest.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{dest.parent}: {NO_FOLDER} ({error.strerror})") from None
    tensor_file.write(
        dest,
        tensors,
        metadata,
        DTYPES[dtype],
        shapes=stored_shapes(tensors),
        progress=lambda done, total: progress(hashed + done, hashed + total),
    )


def _classes(
    names: Path | None, content: Content, parsed: Parsed, expected: int
) -> tuple[tuple[str, ...], list[str]]:
    """Return the class names of the user's file, the tarball or the network, and warnings."""
    classes = content.classes or parsed.classes
    if names:
        classes = class_names(names.read_bytes())
        if len(classes) != expected:
            raise ValueError(
                f"{names} has {len(classes)} lines, expected the names of {expected} classes"
            )
    if classes and len(classes) != expected:
        return (), [f"ignored the names of {len(classes)} classes: the network has {expected}"]
    return classes, []


def _mean_warnings(parsed: Parsed) -> list[str]:
    if parsed.mean_rgb is None or np.allclose(parsed.mean_rgb, MEAN_RGB, atol=0.01):
        return []
    stated, used = (
        ", ".join(f"{value:.2f}" for value in mean) for mean in (parsed.mean_rgb, MEAN_RGB)
    )
    return [f"the file's own mean ({stated}) is not VGG-Face's; this package subtracts {used}"]


def _check_float16_range(tensors: Mapping[str, np.ndarray]) -> None:
    large = [
        name
        for name, array in tensors.items()
        if max(abs(float(array.max())), abs(float(array.min()))) > FLOAT16_MAX
    ]
    if large:
        raise SourceError(
            f"{', '.join(large)} holds numbers beyond {FLOAT16_MAX:g}, the largest of float16; "
            "use --dtype bfloat16 or float32"
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
        **({"source_network": parsed.name} if parsed.name != TOP else {}),
        **({"classes": json.dumps(classes)} if classes else {}),
    }


def _summary(
    content: Content,
    parsed: Parsed,
    order: Colour,
    entry: published.Published | None,
    descriptions: Sequence[str],
) -> tuple[str, ...]:
    reversal = ", conv1_1's input channels were reversed to RGB" if order == "BGR" else ""
    origin = (
        f"known as {entry.file}"
        if entry
        else "unknown (see --list), which does not mean that anything is wrong"
    )
    return (
        f"{content.name}: {parsed.container}",
        f"SHA-256 {content.sha256}, MD5 {content.md5}: {origin}",
        f"colour order {order}{reversal}",
        *filter(None, descriptions),
        *([f"{parsed.others} other tensors of the file were left out"] if parsed.others else []),
    )
