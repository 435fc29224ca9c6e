"""The report of a sweep's folder: the page and the figures."""

from collections.abc import Iterator
from pathlib import Path

from ..files import write_atomically
from ..network.baselines import load_baselines
from ..types import Progress
from .figures import write_figures
from .page import render
from .settings import MAX_RUNS
from .study import Study, load_study
from .thumbnails import make_thumbnails


def write_report(
    folder: Path,
    *,
    limit: int = MAX_RUNS,
    baselines: Path | None = None,
    figures: bool = False,
    progress: Progress = lambda done, total: None,
) -> list[Path]:
    """Write `report.html` and its thumbnails into a sweep's folder; return the files written.

    Args:
        folder: of a sweep, which may still be running.
        limit: runs to show.
        baselines: file of the network's baselines; by default those that ship with it.
        figures: write the figures too.
        progress: counts thumbnails.

    Raises:
        ResultsError: no results, damaged files, or figures without Matplotlib.
        CheckpointError: the file of baselines cannot be used.
        OSError: the folder cannot be written to.
    """
    study = load_study(folder, limit)
    loaded = load_baselines(*study.network, baselines)
    thumbnails = make_thumbnails(folder, _images(study), progress)
    page = render(study, thumbnails, loaded)
    write_atomically(folder / "report.html", page.encode(errors="replace"))
    return [folder / "report.html", *(write_figures(study, loaded) if figures else [])]


def _images(study: Study) -> Iterator[str]:
    """Yield all images that the page shows as thumbnails."""
    for result in study.results:
        yield from (name for name in (result.image, result.before, *result.shown) if name)
