"""The record of a run: settings, network, inputs, losses, scores, versions; enough to repeat it."""

import dataclasses
import importlib.metadata
import json
import math
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from ..descent.solver import Solution
from ..faces import image
from ..files import digest, write_atomically
from ..names import normalise
from ..network import metrics
from ..network.checkpoint import Network
from ..network.vgg_face import MEAN_RGB
from ..types import Image

PACKAGES = ("facegen_jax", "jax", "jaxlib", "flax", "optax", "numpy", "pillow")


def edit_scores(
    network: Network,
    result: Image,
    reference: Image,
    heads: Sequence[tuple[str, float]] = (),
    guides: Sequence[Image] = (),
) -> dict[str, object]:
    """Scores taken at the network's own size; None where the network has no such output, some only where they have a meaning.

    Args:
        network: that scores.
        result: the edited picture.
        reference: the picture before.
        heads: names of outputs of the network and how much of each was asked for; a negative amount counts a fall as a gain.
        guides: whose attribute it was.
    """
    result, reference, *guides = (
        image.resize(picture, (network.size, network.size))
        for picture in (result, reference, *guides)
    )
    scores: dict[str, object] = {"identity_similarity": None, "attribute_gain": None}
    if "fc7" in network.params:
        scores["identity_similarity"] = metrics.identity_similarity(network, result, reference)
        if guides:
            scores["guide_similarity"] = max(
                metrics.identity_similarity(network, result, guide) for guide in guides
            )
    if "fc8" in network.params and not network.attributes:
        scores["identity_probability"] = metrics.identity_probability(network, result, reference)
    known = {normalise(name): name for name in network.attributes}
    gains = {
        known[normalise(name)]: math.copysign(1, amount)
        * metrics.attribute_gain(network, result, reference, known[normalise(name)])
        for name, amount in heads
        if normalise(name) in known
    }
    if gains:
        scores["attribute_gain"] = min(gains.values())
    if len(gains) > 1:
        scores["attribute_gains"] = gains
    return scores


def describe(
    config: Any,
    inputs: Sequence[Path],
    network: Network,
    solution: Solution,
    scores: dict[str, object],
    seconds: dict[str, float],
) -> dict[str, object]:
    """The record as plain values; `config` is the dataclass of the command."""
    parts = {name: {"first": first, "last": last} for name, (first, last) in solution.parts.items()}
    total = parts.pop("total")
    device = jax.devices()[0]
    return {
        "status": solution.status,
        "config": json.loads(json.dumps(dataclasses.asdict(config), default=str)),
        "network": _network(network),
        "inputs": [{"path": str(path), "sha256": digest(path)} for path in inputs],
        "loss": total,
        "parts": parts,
        "metrics": scores,
        "seconds": seconds,
        "device": f"{device.platform}: {device.device_kind}",
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
        },
    }


def _network(network: Network) -> dict[str, object]:
    """Which network it was, and what was done to its input: that is the same for all, the file it came from may have had another order."""
    source = {
        key.removeprefix("source_"): value
        for key, value in network.metadata.items()
        if key.startswith("source_")
    }
    return {
        "name": network.name,
        "sha256": network.sha256,
        "colour_order": "RGB",
        "mean_rgb": MEAN_RGB,
        "source": source,
    }


def version(package: str) -> str:
    """Which version of a package is installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # run from a source tree that is not installed
        return "source"


def write_record(path: Path, record: dict[str, object]) -> None:
    """Write a record as JSON, whole or not at all; what is not finite becomes null."""
    write_atomically(path, (json.dumps(_without_nan(record), indent=2) + "\n").encode())


def _without_nan(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
