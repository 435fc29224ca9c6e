"""`python -m facegen_jax.report`: the page of a sweep, its figures, videos of its descents."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ..command import fail, parse, progress_bar
from . import figures
from .report import write_report
from .results import ResultsError
from .study import MANY
from .table import write_table
from .video import write_video

PROG = "python -m facegen_jax.report"


@dataclass(frozen=True)
class Report:
    """Show the results of a sweep: report.html opens in any browser, without a network; figures (PNG) and results.csv lie beside it."""

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN_DIR")]
    """What a sweep was given as --out; it may still run."""
    video: tuple[str, ...] = ()
    """Ids of runs (or their beginnings): write their descents as videos instead. The sweep must have kept pictures, with --frames-every."""
    format: Literal["webp", "gif"] = "webp"
    """Of the videos: WebP is smaller and has all colours, GIF is shown everywhere."""
    rate: float = 10.0
    """Pictures a second in the videos."""
    limit: int = MANY
    """Most runs to show."""
    baselines: Path | None = None
    """What identity similarities mean for the network, from python -m facegen_jax.gallery FOLDER --baselines FILE (default: known for the one that ships)."""
    figures: bool = True
    """Also write contact_sheet.png, curves.png and identity_vs_attribute.png (extra: plots)."""


def main() -> int:
    """Parse, write, say where; exit status 0 when done, 2 on bad input."""
    config = parse(Report, PROG)
    try:
        for place in _written(config):
            print(place)
    except ValueError as error:
        return fail(PROG, error)
    except OSError as error:
        return fail(
            PROG,
            ValueError(
                f"{error.filename or config.folder}: {error.strerror or error}; the report needs a folder that can be written to, with room"
            ),
        )
    except KeyboardInterrupt:
        print(f"\n{PROG}: stopped; the same command goes on", file=sys.stderr)
        return 1
    return 0


def _written(config: Report) -> list[Path]:
    if config.limit < 1 or not 0.1 <= config.rate <= 100:
        raise ResultsError(
            "--limit must be at least 1, and --rate from 0.1 to 100 pictures a second"
        )
    if config.video:
        return [
            write_video(config.folder, run, config.format, rate=config.rate) for run in config.video
        ]
    if config.figures and not figures.can_draw():
        print(f"{PROG}: {figures.NEEDED}", file=sys.stderr)
    with progress_bar("pictures made small") as told:
        places = write_report(
            config.folder,
            most=config.limit,
            baselines=config.baselines,
            drawn=config.figures and figures.can_draw(),
            told=told,
        )
    write_table(config.folder)
    return places


if __name__ == "__main__":
    sys.exit(main())
