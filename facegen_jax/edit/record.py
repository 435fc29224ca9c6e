"""The record of an edit: options, network, inputs, losses, scores, versions; enough to repeat
it."""

import dataclasses
import importlib.metadata
import json
import math
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from ..descent.solution import Solution
from ..files import digest, write_atomically
from ..names import by_spelling, normalise
from ..network import metrics
from ..network.metrics import Judged
from ..network.protocol import DESCRIPTOR, LOGITS, Network
from ..network.vgg_face import MEAN_RGB, VGGBackbone

PACKAGES = ("facegen_jax", "jax", "jaxlib", "flax", "optax", "numpy", "pillow")


def edit_scores(
    network: Network,
    result: Judged,
    reference: Judged,
    heads: Sequence[tuple[str, float]] = (),
    guides: Sequence[Judged] = (),
) -> dict[str, object]:
    """Score an edit by what a network says of its images; None where it has no such output.

    Args:
        network: the judge.
        result: the edited image.
        reference: the image before.
        heads: attributes by the names of the network's outputs, and how much of each was asked;
            with a negative amount a fall of the logit counts as a gain.
        guides: the faces that the attribute was taken from.
    """
    scores: dict[str, object] = {"identity_similarity": None, "attribute_gain": None}
    if network.has(DESCRIPTOR):
        scores["identity_similarity"] = metrics.identity_similarity(result, reference)
        if guides:
            similarities = [metrics.identity_similarity(result, guide) for guide in guides]
            scores["guide_similarity"] = max(similarities)
    if network.has(LOGITS) and not network.attributes:
        scores["identity_probability"] = metrics.identity_probability(result, reference)
    gains = _attribute_gains(network, result, reference, heads)
    if gains:
        scores["attribute_gain"] = min(gains.values())
    if len(gains) > 1:
        scores["attribute_gains"] = gains
    return scores


def _attribute_gains(
    network: Network, result: Judged, reference: Judged, heads: Sequence[tuple[str, float]]
) -> dict[str, float]:
    known, gains = by_spelling(network.attributes), dict[str, float]()
    for name, amount in heads:
        if (output := known.get(normalise(name))) is not None:
            gain = metrics.attribute_gain(network, result, reference, output)
            gains[output] = math.copysign(1, amount) * gain
    return gains


def losses(solution: Solution) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Return the first and last total, and the first and last unweighted value of every term."""
    parts = {name: {"first": a, "last": b} for name, (a, b) in solution.parts.items()}
    return parts.pop("total"), parts


def chosen_guides(chosen: Sequence[tuple[Path, float]]) -> list[dict[str, object]]:
    """Return the faces taken from a gallery, with their similarity, as plain values."""
    return [{"path": str(path), "similarity": round(cosine, 4)} for path, cosine in chosen]


def describe(
    options: Any,
    inputs: Sequence[Path],
    network: Network,
    solution: Solution,
    scores: dict[str, object],
    seconds: dict[str, float],
) -> dict[str, object]:
    """Return the record as plain values; `options` is the dataclass of the command."""
    total, parts = losses(solution)
    device = jax.devices()[0]
    versions = {name: version(name) for name in PACKAGES}
    return {
        "status": solution.status,
        "config": json.loads(json.dumps(dataclasses.asdict(options), default=str)),
        "network": _network(network),
        "inputs": [{"path": str(path), "sha256": digest(path)} for path in inputs],
        "loss": total,
        "parts": parts,
        "metrics": scores,
        "seconds": seconds,
        "device": f"{device.platform}: {device.device_kind}",
        "versions": {"python": platform.python_version(), **versions},
    }


def _network(network: Network) -> dict[str, object]:
    """Say which network it was, how VGG-Face takes its input, and which file it came from."""
    prefix = "source_"
    source = {
        key.removeprefix(prefix): value
        for key, value in network.metadata.items()
        if key.startswith(prefix)
    }
    about: dict[str, object] = {"name": network.name, "sha256": network.sha256}
    if isinstance(network.backbone, VGGBackbone):
        about |= {"colour_order": "RGB", "mean_rgb": MEAN_RGB}
    return about | {"source": source}


def version(package: str) -> str:
    """Return the installed version of a package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # run from a source tree, not installed
        return "source"


def write_record(path: Path, record: dict[str, object]) -> None:
    """Write a record as JSON, atomically; non-finite numbers become null."""
    write_atomically(path, (json.dumps(_without_nan(record), indent=2) + "\n").encode())


def _without_nan(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
