"""sweep.json: the settings that a sweep was started with, which must not change on resuming."""

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path

import jax

from ..descent.objective import Objective
from ..edit.record import PACKAGES, version
from ..files import write_atomically
from ..network.protocol import Network
from ..report import results
from ..stored import parse_json
from ..text import decode
from .plan import Plan
from .settings import Running, Sweep, SweepError

FORMAT = 1
NOT_COMPARED = {field.name for field in dataclasses.fields(Running)} | {"out", "pairs"}
"""Options that may differ when a sweep resumes, because they change no image; and the path of the
pairs, whose content is compared instead."""


def write_manifest(config: Sweep, network: Network, plan: Plan, folder: Path) -> None:
    """Write sweep.json and a copy of the pairs, or check those of an earlier start.

    Raises:
        SweepError: the folder has results and `config.resume` is off; it was started with other
            settings and `config.extend` is off; or its sweep.json is missing or damaged.
    """
    path, before = folder / "sweep.json", None
    now = {"format": FORMAT, **_settings(config, network, plan.own.objective)}
    if path.exists():
        try:
            before = _earlier(path)
            differences = _differences(before, now, folder / "pairs.csv", config.pairs)
        except (ValueError, KeyError, TypeError):
            raise SweepError(
                f"{path}: damaged; use another --out, or delete it and continue with --extend"
            ) from None
        _check_continues(config, folder, differences)
        if not differences:
            return
    elif results.files(folder) and not config.extend:
        raise SweepError(
            f"{folder}: has results but no sweep.json; use another --out, or continue with --extend"
        )
    _write(path, now, before, config.pairs)


def _check_continues(config: Sweep, folder: Path, differences: list[str]) -> None:
    if not config.resume and results.any_in(folder):
        raise SweepError(
            f"{folder}: already has results; --resume continues, another --out starts over"
        )
    if differences and not config.extend:
        raise SweepError(
            f"{folder}: was started with other settings: {'; '.join(differences)}; "
            "--extend adds these runs, another --out starts over"
        )


def _write(path: Path, now: dict, before: dict | None, pairs: Path) -> None:
    """Write the manifest; the settings of earlier starts are kept under `extended`."""
    history = []
    if before:
        earlier = {key: before[key] for key in ("config", "pairs")}
        history = [*before["extended"], earlier]
    temporary = path.with_name(".pairs.csv")
    shutil.copyfile(pairs, temporary)
    temporary.replace(path.with_name("pairs.csv"))
    content = now | {
        "versions": {name: version(name) for name in PACKAGES},
        "commit": _commit(),
        "devices": [str(each) for each in jax.devices()],
        "extended": history,
    }
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode(), durable=True)


def _earlier(path: Path) -> dict:
    """Return the manifest of an earlier start.

    Raises:
        ValueError, KeyError, TypeError: it is damaged.
    """
    before = {"extended": []} | parse_json(path.read_bytes())
    kinds = {"config": dict, "pairs": str, "network": dict, "extended": list}
    if not all(isinstance(before[name], kind) for name, kind in kinds.items()):
        raise ValueError("not a manifest")
    return before


def _as_json(config: Sweep) -> dict[str, object]:
    return json.loads(json.dumps(dataclasses.asdict(config), default=str))


def _settings(config: Sweep, network: Network, objective: Objective | None) -> dict[str, object]:
    """Return what two starts are compared by."""
    own: dict[str, object] = {"objective": repr(objective)} if objective else {}
    return own | {
        "config": _as_json(config),
        "pairs": str(config.pairs),
        "network": {"name": network.name, "sha256": network.sha256},
    }


def _differences(before: dict, now: dict, pairs_before: Path, pairs_now: Path) -> list[str]:
    """Describe each setting that differs from the earlier start."""
    # The manifest of an older version lacks newer options: they had their defaults.
    defaults = _as_json(Sweep(Path(), Path()))
    old, new = (
        defaults | each["config"] | {"network": each["network"]["sha256"][:12]}
        for each in (before, now)
    )
    differences = [
        f"{name} was {old.get(name)!r}, is {new.get(name)!r}"
        for name in new
        if name not in NOT_COMPARED and old.get(name) != new.get(name)
    ]
    old_lines, new_lines = (
        decode(path.read_bytes())[0].splitlines() if path.exists() else []
        for path in (pairs_before, pairs_now)
    )
    if old_lines != new_lines:
        added, removed = set(new_lines) - set(old_lines), set(old_lines) - set(new_lines)
        differences.append(f"pairs: {len(added)} lines added, {len(removed)} removed")
    return differences


def _commit() -> str | None:
    """Return the git commit, if the package runs from a source tree."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        git = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return git.stdout.strip()
