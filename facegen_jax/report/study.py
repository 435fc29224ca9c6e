"""A sweep's folder, read once for the page and the figures."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ..stored import parse_json
from . import results
from .result import Result
from .results import ResultsError
from .settings import MAX_RUNS


class Study(NamedTuple):
    """The latest results of a sweep, and how they were made."""

    folder: Path
    results: list[Result]
    """In the order of the result files, those without an image last; see `own_files`."""
    total: int
    """Number of results in the folder, which may be more than were read."""
    provenance: Mapping[str, object]
    """Content of sweep.json; empty if the file does not exist."""

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.resolve().name

    @property
    def network(self) -> tuple[str, str]:
        """Name and hash of the network; empty if unknown."""
        network = self.provenance.get("network")
        if not isinstance(network, dict):
            return "", ""
        return str(network.get("name", "")), str(network.get("sha256", ""))


def load_study(folder: Path, limit: int = MAX_RUNS) -> Study:
    """Read the first `limit` results of a sweep's folder.

    Raises:
        ResultsError: no such folder, a folder without results, or damaged files.
    """
    if not folder.is_dir():
        raise ResultsError(f"{folder}: no such folder; give the --out of a sweep")
    if not results.files(folder):
        raise ResultsError(f"{folder}: no results.jsonl in it; give the --out of a sweep")
    locations = results.locate_latest(folder)
    if not locations:
        raise ResultsError(
            f"{folder}: the sweep has no results yet; try again when its first runs are done"
        )
    read = [own_files(folder, result) for result in results.read(locations[:limit])]
    # Failures are written before the rest of their batch; their position in the file says nothing.
    read.sort(key=lambda result: result.image is None)
    return Study(folder, read, len(locations), _provenance(folder / "sweep.json"))


def _provenance(path: Path) -> Mapping[str, object]:
    try:
        content = parse_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise ResultsError(
            f"{path}: damaged; remove it to show the results without their configuration"
        )
    return content


def own_files(folder: Path, result: Result) -> Result:
    """Drop paths of a result that do not exist or lead out of the folder.

    Results may come from other people, and their paths may name anything.
    """
    fields = ("image", "trace", "before", "frames")
    return result._replace(
        **{name: _own(folder, getattr(result, name)) for name in fields},
        shown=tuple(name for name in result.shown if _own(folder, name)),
    )


def _own(folder: Path, name: object) -> str | None:
    if not isinstance(name, str) or ":" in name or "\\" in name:
        return None
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        return None
    try:
        return name if (folder / name).exists() else None
    except (OSError, ValueError):  # too long, or no name of a file
        return None
