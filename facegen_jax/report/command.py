"""What `python -m facegen_jax.report` does: write a sweep's page and figures, or videos."""

import sys
from pathlib import Path

from ..bars import progress_bar
from ..command import fail, note, show
from ..files import check_output
from . import figures
from .report import write_report
from .settings import PROG, Report, check
from .table import write_table
from .video import write_video


def run(config: Report) -> int:
    """Write the report or videos and print their paths; return 0 when done, 2 on bad input."""
    try:
        show(*_write(config))
    except ValueError as error:
        return fail(PROG, error)
    except OSError as error:
        path, reason = error.filename or config.folder, error.strerror or error
        hint = "the report needs a writable folder with free space"
        return fail(PROG, ValueError(f"{path}: {reason}; {hint}"))
    except KeyboardInterrupt:
        print(f"\n{PROG}: stopped; the same command resumes", file=sys.stderr)
        return 1
    return 0


def _write(config: Report) -> list[Path]:
    """Write what was asked for; return the files."""
    check(config)
    folder = config.folder
    if folder.is_dir():
        for name in ("report.html", "results.csv"):
            check_output(folder / name)
    if config.video:
        return [write_video(folder, run, config.format, rate=config.rate) for run in config.video]
    if config.figures and not figures.can_draw():
        note(PROG, figures.MISSING)
    with progress_bar("thumbnails") as progress:
        paths = write_report(
            folder,
            limit=config.limit,
            baselines=config.baselines,
            figures=config.figures and figures.can_draw(),
            progress=progress,
        )
    write_table(folder)
    return paths
