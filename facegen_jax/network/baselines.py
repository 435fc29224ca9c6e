"""Similarity baselines: medians that tell what a network's identity similarities mean."""

import json
from pathlib import Path
from typing import NamedTuple

from ..files import write_atomically
from ..stored import parse_json
from .checkpoint import CheckpointError
from .named import WEIGHTS_FOLDER


class Baselines(NamedTuple):
    """Median cosines of a network's descriptors over pairs of photos."""

    genuine: float
    """Pairs of one person."""
    impostor: float
    """Pairs of two people."""
    pairs: int
    """Number of pairs of each kind."""
    people: int
    gallery: str
    """Name of the folder of the photos."""


def load_baselines(network: str, sha256: str, path: Path | None = None) -> Baselines | None:
    """Load the baselines of a network.

    Args:
        network: name of the network.
        sha256: hash of its parameters.
        path: file to read; by default the file that ships for the network's name.

    Returns:
        None if no file ships for this network.

    Raises:
        CheckpointError: `path` does not exist, does not hold baselines, or holds those of another
            network.
    """
    remedy = "make one with python -m facegen_jax.gallery FOLDER --baselines FILE"
    try:
        baselines, owner = _read(path or WEIGHTS_FOLDER / f"{Path(network).name}_baselines.json")
    except (OSError, ValueError, KeyError, TypeError) as error:
        if path is None:
            return None
        missing = isinstance(error, FileNotFoundError)
        reason = "no such file" if missing else "not a file of baselines"
        raise CheckpointError(f"{path}: {reason}; {remedy}") from None
    if owner == sha256:
        return baselines
    if path is None:
        return None
    raise CheckpointError(
        f"{path}: made for another network than {network!r} (its hash differs); {remedy}"
    )


def _read(path: Path) -> tuple[Baselines, str]:
    """Return the baselines in a file, and the hash of their network."""
    stored = parse_json(path.read_bytes())
    baselines = Baselines(*(stored[name] for name in Baselines._fields))
    if not all(isinstance(value, int | float) and abs(value) < 1e9 for value in baselines[:4]):
        raise ValueError("medians and counts must be numbers")
    return baselines._replace(gallery=str(baselines.gallery)), str(stored["network_sha256"])


def save_baselines(path: Path, network: str, sha256: str, baselines: Baselines) -> None:
    """Write the baselines of a network atomically."""
    content = {"network": network, "network_sha256": sha256, **baselines._asdict()}
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())
