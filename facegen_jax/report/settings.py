"""Options of `python -m facegen_jax.report`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ..command import program

PROG = program("report")
"""Name of the command, in its messages."""
MAX_RUNS = 5_000
"""Runs that a page shows by default; with more it opens slowly."""


RATES = (0.1, 100.0)
"""Least and most images per second of a video."""


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


def check(config: Report) -> None:
    """Refuse numbers out of range.

    Raises:
        ValueError: says what was expected and what came.
    """
    least, most = RATES
    if config.limit < 1 or not least <= config.rate <= most:
        raise ValueError(
            f"--limit must be at least 1, and --rate from {least:g} to {most:g} images per second, "
            f"not {config.limit} and {config.rate}"
        )
