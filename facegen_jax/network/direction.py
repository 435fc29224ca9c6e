"""Named attribute directions: what to add to a face's maps to turn an attribute up; files and lookup."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..names import did_you_mean, normalise
from ..types import Features
from . import tensor_file
from .checkpoint import WEIGHTS_FOLDER, CheckpointError, Network, read_tensors


class Direction(NamedTuple):
    """One attribute's direction in feature space."""

    attribute: str
    """The output of the network's attribute head that it raises."""
    maps: Features
    """Float32 maps by layer, already multiplied by the scale that makes a strength of 1 the natural amount."""
    sign: int = 1
    """-1 for the name of an opposite (Youth is -Senior): the head's score then counts negatively."""


def shipped_directions(network: Network) -> Path:
    """Where the directions of a network that ships are."""
    return WEIGHTS_FOLDER / f"{network.name}_directions.safetensors"


def load_direction(network: Network, name: str, path: Path | None = None) -> Direction:
    """The direction of a network under an attribute's name; case, `_` and space do not matter.

    Args:
        network: as from `load_network`.
        name: of an attribute or of its opposite.
        path: of a file of directions; the one that ships for the network by default.

    Raises:
        CheckpointError: no directions for this network, or an unknown name (the message lists the known ones).
    """
    how = "make them with python -m facegen_jax.gallery FOLDER --directions FILE --attributes NAME [...], or use --guides or --gallery"
    if path is None:
        path = shipped_directions(network)
        if not path.is_file():
            raise CheckpointError(
                f"no attribute directions for the network {network.name!r}; {how}"
            )
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file of attribute directions; {how}")
    tensors, metadata, _ = read_tensors(path)
    if metadata.get("network_sha256") != network.sha256:
        raise CheckpointError(
            f"{path}: made for another {network.name!r} network (its hash differs); build the directions anew"
        )
    try:
        scales: dict[str, float] = json.loads(metadata["scales"])
        opposites: dict[str, str] = json.loads(metadata["opposites"])
    except (KeyError, ValueError):
        raise CheckpointError(f"{path}: not a file of attribute directions") from None
    known = {normalise(each): each for each in (*scales, *opposites)}
    if normalise(name) not in known:
        raise CheckpointError(
            f"unknown attribute {name!r}{did_you_mean(name, known.values())}; known are {', '.join(sorted(known.values()))}"
        )
    found = known[normalise(name)]
    attribute, sign = (opposites[found], -1) if found in opposites else (found, 1)
    maps: Features = {
        key.rpartition("/")[2]: sign * scales[attribute] * tensor.astype(np.float32)
        for key, tensor in tensors.items()
        if key.rpartition("/")[0] == attribute
    }
    return Direction(attribute, maps, sign)


def save_directions(
    path: Path,
    network: Network,
    directions: Mapping[str, Features],
    scales: Mapping[str, float],
    opposites: Mapping[str, str],
    notes: Mapping[str, str],
) -> None:
    """Write unscaled directions as float16 with what is needed to use and to judge them."""
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
