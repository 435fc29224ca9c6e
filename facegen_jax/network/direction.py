"""Named attribute directions: what to add to a face's maps to turn an attribute up; files and
lookup."""

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..names import by_spelling, did_you_mean, normalise
from ..numbers import in_range
from ..stored import parse_json
from ..types import Features
from . import tensor_file
from .checkpoint import CheckpointError, is_network, read_tensors
from .named import WEIGHTS_FOLDER
from .protocol import Network

HOW_TO_BUILD = (
    "make them with python -m facegen_jax.gallery FOLDER --directions FILE --attributes NAME "
    "[...], or use --guides or --gallery"
)


Levels = tuple[float, float]
"""The network's usual score (logit) of faces without an attribute and of faces with it."""


class Direction(NamedTuple):
    """One attribute's direction in feature space."""

    attribute: str
    """The output of the network's attribute head that it raises."""
    maps: Features
    """Float32 maps by layer, `height width channels`, scaled so that a strength of 1 is the natural
    amount."""
    sign: int = 1
    """-1 for the name of an opposite (Youth is -Senior): the head's score then counts
    negatively."""
    levels: Levels | None = None
    """Scores of the attribute, not of its opposite; None if the network does not score it."""


def shipped_directions(network: Network) -> Path:
    """Return the path of the directions that ship for a network, whether or not they exist."""
    return WEIGHTS_FOLDER / f"{network.name}_directions.safetensors"


def load_direction(network: Network, name: str, path: Path | None = None) -> Direction:
    """Load a network's direction by the name of an attribute.

    Args:
        network: as from `load_network`.
        name: an attribute or its opposite; case, `_` and space do not matter.
        path: file of directions; the one that ships for the network by default.

    Raises:
        CheckpointError: no directions for this network, a damaged file, or an unknown name (the
            message lists the known ones).
    """
    tensors, scales, opposites, levels = _read(network, path)
    known = by_spelling((*scales, *opposites))
    if normalise(name) not in known:
        hint = did_you_mean(name, known.values())
        raise CheckpointError(
            f"unknown attribute {name!r}{hint}; known are {', '.join(sorted(known.values()))}"
        )
    spelt = known[normalise(name)]
    attribute, sign = (opposites[spelt], -1) if spelt in opposites else (spelt, 1)
    maps: Features = {}
    for key, tensor in tensors.items():
        owner, _, layer = key.rpartition("/")
        if owner == attribute:
            with np.errstate(over="ignore", invalid="ignore"):  # refused below
                maps[layer] = sign * scales[attribute] * tensor.astype(np.float32)
    if not all(np.isfinite(each).all() for each in maps.values()):
        raise CheckpointError(f"{path}: {attribute} holds numbers that are not finite")
    return Direction(attribute, maps, sign, levels.get(attribute))


class _Stored(NamedTuple):
    """A file of directions."""

    tensors: dict[str, np.ndarray]
    scales: dict[str, float]
    opposites: dict[str, str]
    levels: dict[str, Levels]


def _read(network: Network, path: Path | None) -> _Stored:
    shipped = path is None
    path = shipped_directions(network) if path is None else path
    if not path.is_file():
        missing = f"{path}: no such file of attribute directions"
        if shipped:
            missing = f"no attribute directions for the network {network.name!r}"
        raise CheckpointError(f"{missing}; {HOW_TO_BUILD}")
    tensors, metadata, _ = read_tensors(path, f"expected a file of directions; {HOW_TO_BUILD}")
    if is_network(tensors):
        raise CheckpointError(f"{path}: a network, not attribute directions; {HOW_TO_BUILD}")
    if metadata.get("network_sha256") != network.sha256:
        raise CheckpointError(
            f"{path}: made for another {network.name!r} network (its hash differs); "
            "build the directions again"
        )
    try:
        scales = {name: float(each) for name, each in parse_json(metadata["scales"]).items()}
        opposites = parse_json(metadata["opposites"])
        pairs = parse_json(metadata.get("levels", "{}")).items()
        levels = {name: (float(without), float(having)) for name, (without, having) in pairs}
        numbers = itertools.chain(scales.values(), *levels.values())
        if not set(opposites.values()) <= scales.keys() or not all(map(in_range, numbers)):
            raise ValueError("opposites of nothing, or numbers that are not finite")
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError):
        raise CheckpointError(f"{path}: not a file of attribute directions") from None
    return _Stored(tensors, scales, opposites, levels)


def save_directions(
    path: Path,
    network: Network,
    directions: Mapping[str, Features],
    scales: Mapping[str, float],
    opposites: Mapping[str, str],
    notes: Mapping[str, str],
) -> None:
    """Write unscaled directions as float16, with what is needed to use and to judge them."""
    tensors = {
        f"{name}/{layer}": np.asarray(maps)
        for name, features in directions.items()
        for layer, maps in features.items()
    }
    metadata = {
        "format_version": "1",
        "network": network.name,
        "network_sha256": network.sha256,
        "scales": json.dumps(dict(scales)),
        "opposites": json.dumps(dict(opposites)),
        **notes,
    }
    tensor_file.write(path, tensors, metadata, "F16")
