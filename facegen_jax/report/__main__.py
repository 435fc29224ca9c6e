"""`python -m facegen_jax.report`: the page of a sweep, its figures, and videos of its descents."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ..command import fail, parse, progress_bar
from . import figures
from .report import write_report
from .results import ResultsError
from .study import MAX_RUNS
from .table import write_table
from .video import write_video

PROG = "python -m facegen_jax.report"


@dataclass(frozen=True)
class Report:
    """Write a sweep's report.html, figures (PNG) and results.csv into its folder.

    The page opens in any browser, without a network.
    """

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN_DIR")]
    """The --out of a sweep, which may still be running."""
    video: tuple[str, ...] = ()
    """Write videos of these runs instead, given by id or the beginning of it. The sweep must have
    kept intermediate images, with --frames-every."""
    format: Literal["webp", "gif"] = "webp"
    """Video format: WebP is smaller and has full colour, GIF plays everywhere."""
    rate: float = 10.0
    """Images per second of a video."""
    limit: int = MAX_RUNS
    """Most runs to show."""
    baselines: Path | None = None
    """Similarity baselines of the network, a file from python -m facegen_jax.gallery --baselines
    (default: those that ship with the network)."""
    figures: bool = True
    """Also write contact_sheet.png, curves.png and identity_vs_attribute.png (extra: plots)."""


def main() -> int:
    """Write the report or videos and print their paths; return 0 when done, 2 on bad input."""
    config = parse(Report, PROG)
    try:
        for path in _write(config):
            print(path)
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
    if config.limit < 1 or not 0.1 <= config.rate <= 100:
        raise ResultsError(
            "--limit must be at least 1, and --rate from 0.1 to 100 images per second, "
            f"not {config.limit} and {config.rate}"
        )
    folder = config.folder
    if config.video:
        return [write_video(folder, run, config.format, rate=config.rate) for run in config.video]
    if config.figures and not figures.can_draw():
        print(f"{PROG}: {figures.MISSING}", file=sys.stderr)
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


if __name__ == "__main__":
    sys.exit(main())
