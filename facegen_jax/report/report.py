"""The report of a sweep's folder: from its results to the page and the figures."""

from collections.abc import Callable, Iterator
from pathlib import Path

from ..files import write_atomically
from ..network.baselines import load_baselines
from .figures import write_figures
from .page import render
from .study import MANY, Study, load_study
from .thumbnails import make_thumbnails

Told = Callable[[int, int], object]


def write_report(
    folder: Path,
    *,
    most: int = MANY,
    baselines: Path | None = None,
    drawn: bool = False,
    told: Told = lambda done, total: None,
) -> list[Path]:
    """Write `report.html` into the folder of a sweep, with small copies of its pictures; returns what was written.

    Args:
        folder: of a sweep, also of one that still runs.
        most: runs to show.
        baselines: file of the network's baselines; those that ship by default.
        drawn: write the figures too.
        told: how many of the pictures have their small copy.

    Raises:
        ResultsError, CheckpointError, OSError: no results, damaged files, or a folder that cannot be written to; Matplotlib is missing.
    """
    study = load_study(folder, most)
    known = load_baselines(*study.network, baselines)
    page = render(study, make_thumbnails(folder, _pictures(study), told), known)
    write_atomically(folder / "report.html", page.encode(errors="replace"))
    return [folder / "report.html", *(write_figures(study, known) if drawn else [])]


def _pictures(study: Study) -> Iterator[str]:
    """All pictures that the page shows small."""
    for row in study.rows:
        yield from (name for name in (row["image"], row["before"], *row["shown"]) if name)
