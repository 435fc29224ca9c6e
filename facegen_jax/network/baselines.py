"""What a network's identity similarity means: its medians over photos of one person and of two people."""

import json
from pathlib import Path
from typing import NamedTuple

from ..files import write_atomically
from .checkpoint import WEIGHTS_FOLDER, CheckpointError


class Baselines(NamedTuple):
    """Median cosines of a network's descriptors."""

    genuine: float
    """Two photos of one person."""
    impostor: float
    """Photos of two people."""
    pairs: int
    """Of either kind, from which the medians were taken."""
    people: int
    gallery: str
    """Name of the folder of the photos."""


def load_baselines(network: str, sha256: str, path: Path | None = None) -> Baselines | None:
    """The baselines of a network by its name and hash: those that ship for it, if any, or those of a file.

    Raises:
        CheckpointError: a file that is missing, is none of baselines, or was made for another network.
    """
    place = path or WEIGHTS_FOLDER / f"{Path(network).name}_baselines.json"
    how = "make one with python -m facegen_jax.gallery FOLDER --baselines FILE"
    try:
        stored = json.loads(place.read_text())
        found = Baselines(*(stored[name] for name in Baselines._fields))
        of = str(stored["network_sha256"])
        if not all(isinstance(value, int | float) for value in found[:4]):
            raise ValueError("medians that are no numbers")
    except (OSError, ValueError, KeyError, TypeError) as error:
        if path is None:
            return None
        reason = (
            "no such file" if isinstance(error, FileNotFoundError) else "not a file of baselines"
        )
        raise CheckpointError(f"{path}: {reason}; {how}") from None
    if of != sha256 and path:
        raise CheckpointError(
            f"{path}: made for another network than {network!r} (its hash differs); {how}"
        )
    return found if of == sha256 else None


def save_baselines(path: Path, network: str, sha256: str, baselines: Baselines) -> None:
    """Write the baselines of a network, whole or not at all."""
    content = {"network": network, "network_sha256": sha256, **baselines._asdict()}
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())
