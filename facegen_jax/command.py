"""Shared by all command lines: one-line errors, progress bars, and a Ctrl-C that keeps results."""

import contextlib
import io
import itertools
import signal
import sys
from collections.abc import Iterator
from typing import TypeVar

import numpy as np
import tyro
from jaxtyping import Float
from tqdm import tqdm

from .descent.solver import StepProgress
from .types import Progress

Config = TypeVar("Config")


def parse(kind: type[Config], prog: str) -> Config:
    """Parse the command line into a dataclass; on bad options print one line and exit with 2."""
    captured = io.StringIO()
    try:
        with contextlib.redirect_stderr(captured):
            return tyro.cli(kind, prog=prog)
    except SystemExit as stop:
        if stop.code:
            message = _one_line(captured.getvalue())
            print(f"{prog}: {message} (--help shows all options)", file=sys.stderr)
        raise


def _one_line(box: str) -> str:
    """Extract the message from tyro's framed error, without the frame and the help text."""
    lines = [line.strip("│╭╮╰╯─ ") for line in box.splitlines()[1:]]  # the first holds the title
    help_starts = ("For full helptext", "Argument helptext")
    message = itertools.takewhile(lambda line: not line.startswith(help_starts), lines)
    return " ".join(line for line in message if line)


def fail(prog: str, error: Exception) -> int:
    """Print an error on one line; return 2, the exit status for bad input."""
    print(f"{prog}: {' '.join(str(error).split())}", file=sys.stderr)
    return 2


@contextlib.contextmanager
def progress_bar(label: str = "faces described") -> Iterator[Progress]:
    """Show a bar of counted items, on terminals only and after the first second.

    `label` follows the count, as in `12/80 faces described`.
    """
    with tqdm(
        disable=None,
        bar_format=f"{{bar:30}} {{n_fmt}}/{{total_fmt}} {label}, {{remaining}} left",
        leave=False,
        delay=1,
    ) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress


@contextlib.contextmanager
def step_progress_bar(steps: int) -> Iterator[StepProgress]:
    """Show a bar of solver steps with loss and time left, on terminals only.

    The first Ctrl-C stops the descent after the current chunk of steps, the second at once.
    """
    stop = False

    def on_interrupt(signum, frame) -> None:
        nonlocal stop
        stop = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print(
            "\nstopping; the best image so far is kept (Ctrl-C again: stop at once)",
            file=sys.stderr,
        )

    previous = signal.signal(signal.SIGINT, on_interrupt)
    try:
        with tqdm(
            total=steps,
            disable=None,
            bar_format="{bar:30} {n_fmt}/{total_fmt} steps, {remaining} left{postfix}",
        ) as bar:

            def progress(done: int, totals: Float[np.ndarray, " batch"]) -> bool:
                bar.set_postfix_str(f"loss {totals[0]:.4g}")
                bar.update(done - bar.n)
                return stop

            yield progress
    finally:
        signal.signal(signal.SIGINT, previous)
