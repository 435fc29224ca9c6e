"""The id of a run: a hash of everything that determines its image."""

import functools
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from ..edit.pool import Pool
from ..edit.request import Request
from ..edit.settings import Jitter
from ..faces import align
from ..files import digest
from ..fingerprint import fingerprint
from ..network.direction import shipped_directions
from ..network.precision import FULL
from ..network.protocol import Network

RESOLVED = (
    "reference",
    "out",
    "strip",
    "params",
    "guides",
    "mask",
    "identity_mask",
    "region",
    "identity_region",
    "gallery",
    "directions",
    "objective",
    "term_weights",
    "source",
    "jitter",
    "precision",
)
"""Options that are replaced by what they stand for, or hashed only where they are used."""


def identify(
    request: Request, network: Network, content: Callable[[Path], str], pool: Pool | None = None
) -> str:
    """Hash the contents of the inputs, the network, the resolved options and all user code.

    File names do not matter, nor does the folder of the results. Options that a sweep does not use
    are left out, so that ids stay the same when new options appear.

    Args:
        request: the edit.
        network: the network that solves it.
        content: returns the hash of a file.
        pool: the edit's opened gallery.
    """
    options = request.options
    tuned = options.attribute and not options.gallery and not request.source
    inside, held = (
        content(where) if isinstance(where, Path) else where
        for where in (request.inside, request.held)
    )
    random = options.noise or request.transforms
    settings = {name: value for name, value in vars(options).items() if name not in RESOLVED} | {
        "weights": vars(options.weights),
        "learning_rate": request.learning_rate,
        "size": request.size(network),
        "seed": options.seed if random else 0,
        "unaligned": align.unaligned(options.align, by_hand=bool(options.landmarks)),
    }
    directions = options.directions or shipped_directions(network)
    inputs = {
        "network": network.sha256,
        "reference": content(options.reference),
        "guides": [content(path) for path in options.guides],
        "places": [inside, held],
        "gallery": _gallery_hash(pool) if pool else None,
        "directions": content(directions) if tuned else None,
    }
    text = json.dumps([settings, inputs, *_user_parts(request)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _user_parts(request: Request) -> list[object]:
    """Describe what only some edits have: jitter, precision, and code of the user's own."""
    options, parts = request.options, {}
    if options.jitter != Jitter():
        parts["jitter"] = vars(options.jitter)
    if options.precision != FULL:
        parts["precision"] = options.precision
    if request.objective is not None:
        parts["objective"] = _fingerprint(request.objective)
        parts["term_weights"] = request.objective.weights
    if request.source is not None:
        parts["source"] = _fingerprint(request.source)
    if ":" in options.optimizer:
        parts["optimizer"] = _fingerprint(request.optimizer)
    return [parts] if parts else []


_fingerprint = functools.lru_cache(64)(fingerprint)
"""Cached, because a sweep asks for the same few objects in every run."""


def file_hash(path: Path) -> str:
    """Return the hash of a file; its name if it cannot be read, which its run will report."""
    try:
        return digest(path)
    except OSError:
        return f"unreadable {path}"


@functools.lru_cache(8)
def _labels_hash(tables: tuple[Path, ...], hashes: tuple[str, ...]) -> str:
    return hashlib.sha256("".join((*map(digest, tables), *hashes)).encode()).hexdigest()


def _gallery_hash(pool: Pool) -> str:
    return _labels_hash(pool.gallery.tables, pool.described.hashes)
