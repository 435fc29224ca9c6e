"""The folder of a sweep: its configuration, which must stay the same, and the files of its results."""

import contextlib
import dataclasses
import hashlib
import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from ..descent.objective import Objective
from ..edit.record import PACKAGES, version
from ..faces import image
from ..files import write_atomically
from ..network.protocol import Network
from ..report import results
from ..types import Image
from . import lock
from .lock import Part
from .plan import Plan
from .settings import Running, Sweep, SweepError

FORMAT = 1
MANY = 10_000
"""From so many runs on, pictures and traces lie in 256 folders by the first two characters of their id: file systems and people dislike more in one."""
ANYTIME = {field.name for field in dataclasses.fields(Running)} | {"out"}
"""Options that may differ when a sweep goes on: they change no picture."""


class Folder(NamedTuple):
    """Where one process writes."""

    path: Path
    part: Part
    nested: bool

    @property
    def results(self) -> Path:
        """The file of this process's results."""
        return self.path / f"results{self.part.suffix}.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of this process's unfinished descents."""
        return self.path / f"checkpoints{self.part.suffix}"

    def file(self, kind: str, id: str, ending: str) -> str:
        """Name of a file of a run, relative to the sweep's folder."""
        return f"{kind}/{id[:2]}/{id}{ending}" if self.nested else f"{kind}/{id}{ending}"

    def save_image(self, id: str, picture: Image) -> str:
        """Write the picture of a run; returns its name relative to the sweep's folder."""
        return self._save("images", id, picture)

    def save_face(self, picture: Image) -> str:
        """Write a face under a name that goes with its content, once for all runs that have it; returns its name relative to the sweep's folder."""
        id = hashlib.sha256(
            repr(picture.shape).encode() + image.pixels(picture).tobytes()
        ).hexdigest()[:16]
        name = self.file("faces", id, ".png")
        return name if (self.path / name).exists() else self._save("faces", id, picture)

    def _save(self, kind: str, id: str, picture: Image) -> str:
        name = self.file(kind, id, ".png")
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(self.path / name, picture, durable=True)
        return name

    def save_trace(self, id: str, trace: dict[str, np.ndarray]) -> str:
        """Write the losses of every step; returns the file's name relative to the sweep's folder."""
        name, buffer = self.file("traces", id, ".npz"), io.BytesIO()
        arrays: dict[str, Any] = {**trace}
        np.savez(buffer, **arrays)
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path / name, buffer.getvalue(), durable=True)
        return name


@contextlib.contextmanager
def opened(config: Sweep, network: Network, plan: Plan, part: Part) -> Iterator[Folder]:
    """Make or open the folder for one part, alone.

    Raises:
        SweepError: a folder of another sweep, or one that another process writes to.
        OSError: it cannot be written to.
    """
    path = config.out
    if path.exists() and not path.is_dir():
        raise SweepError(f"{path}: is a file, a folder for the results was expected")
    path.mkdir(parents=True, exist_ok=True)
    folder = Folder(path, part, plan.total >= MANY)
    with lock.held(path, part):
        with lock.guard(path):
            _settle(config, network, plan, path)
        results.mend(folder.results)
        if part.parts == 1:  # other parts may be writing theirs
            for leftover in path.rglob(".*.tmp"):
                leftover.unlink(missing_ok=True)
        yield folder


def _settle(config: Sweep, network: Network, plan: Plan, path: Path) -> None:
    """Write the configuration, or compare it with the one that is there."""
    place, before = path / "sweep.json", None
    now = {"format": FORMAT, **_asked(config, network, plan.own.objective)}
    if place.exists():
        try:
            before = json.loads(place.read_text())
            differences = _differences(before, now, path / "pairs.csv", config.pairs)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise SweepError(
                f"{place}: damaged; take another --out, or remove it to go on with --extend"
            ) from None
        if not config.resume and results.any_in(path):
            raise SweepError(
                f"{path}: holds results already; --resume goes on with them, another --out starts anew"
            )
        if differences and not config.extend:
            raise SweepError(
                f"{path}: was begun with other settings: {'; '.join(differences)}; --extend adds these runs, another --out starts anew"
            )
        if not differences:
            return
    elif results.files(path) and not config.extend:
        raise SweepError(
            f"{path}: has results but no sweep.json; take another --out, or go on with --extend"
        )
    history = (
        [*before.get("extended", []), {key: before[key] for key in ("config", "pairs")}]
        if before
        else []
    )
    shutil.copyfile(config.pairs, path / ".pairs.csv")
    (path / ".pairs.csv").replace(path / "pairs.csv")
    content = now | {
        "versions": {name: version(name) for name in PACKAGES},
        "commit": _commit(),
        "devices": [str(each) for each in jax.devices()],
    }
    write_atomically(
        place, (json.dumps(content | {"extended": history}, indent=2) + "\n").encode(), durable=True
    )


def _plain(config: Sweep) -> dict[str, object]:
    return json.loads(json.dumps(dataclasses.asdict(config), default=str))


def _asked(config: Sweep, network: Network, objective: Objective | None) -> dict[str, object]:
    own: dict[str, object] = {"objective": repr(objective)} if objective else {}
    return own | {
        "config": _plain(config),
        "pairs": str(config.pairs),
        "network": {"name": network.name, "sha256": network.sha256},
    }


def _differences(before: dict, now: dict, pairs_before: Path, pairs_now: Path) -> list[str]:
    defaults = _plain(Sweep(Path(), Path()))  # a sweep of an older version lacks newer options
    old, new = (
        defaults | each["config"] | {"network": each["network"]["sha256"][:12]}
        for each in (before, now)
    )
    found = [
        f"{name} was {old.get(name)}, is {new.get(name)}"
        for name in new
        if name not in ANYTIME and name != "pairs" and old.get(name) != new.get(name)
    ]
    had, has = (
        path.read_text().splitlines() if path.exists() else [] for path in (pairs_before, pairs_now)
    )
    if had != has:
        found.append(
            f"the table of pairs has {len(set(has) - set(had))} new lines and lacks {len(set(had) - set(has))} old ones"
        )
    return found


def _commit() -> str | None:
    """The version of the source tree, where the package runs from one."""
    try:
        asked = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
        return subprocess.run(
            asked, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
