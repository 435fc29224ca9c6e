"""What all command lines share: parsing with one-line errors, and a progress bar that Ctrl-C ends gently."""

import contextlib
import io
import signal
import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import tyro
from jaxtyping import Float
from tqdm import tqdm

from .descent.solver import Progress

Config = TypeVar("Config")


def parse(kind: type[Config], prog: str) -> Config:
    """Read the command line into a dataclass; a wrong option prints one line and exits with 2."""
    captured = io.StringIO()
    try:
        with contextlib.redirect_stderr(captured):
            return tyro.cli(kind, prog=prog)
    except SystemExit as stop:
        if stop.code:
            print(
                f"{prog}: {_one_line(captured.getvalue())} (--help shows all options)",
                file=sys.stderr,
            )
        raise


def _one_line(box: str) -> str:
    """The sentence in tyro's framed error, without frame and help text."""
    lines = [
        line.strip("│╭╮╰╯─ ") for line in box.splitlines()[1:]
    ]  # the first line is the frame's title
    lines = lines[
        : next(
            (
                number
                for number, line in enumerate(lines)
                if line.startswith(("For full helptext", "Argument helptext"))
            ),
            len(lines),
        )
    ]
    return " ".join(line for line in lines if line)


def fail(prog: str, error: Exception) -> int:
    """Print an error as one line; returns the exit status for bad input."""
    print(f"{prog}: {' '.join(str(error).split())}", file=sys.stderr)
    return 2


@contextlib.contextmanager
def counting_bar(what: str = "faces described") -> Iterator[Callable[[int, int], None]]:
    """A bar for things that are counted, on terminals only and where it takes more than a second."""
    with tqdm(
        disable=None,
        bar_format=f"{{bar:30}} {{n_fmt}}/{{total_fmt}} {what}, {{remaining}} left",
        leave=False,
        delay=1,
    ) as bar:

        def looking(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield looking


@contextlib.contextmanager
def progress_bar(steps: int) -> Iterator[Progress]:
    """A bar with loss and time left, on terminals only. The first Ctrl-C ends the descent after the current steps, the second at once."""
    stop = False

    def on_interrupt(signum, frame) -> None:
        nonlocal stop
        stop = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print(
            "\nstopping; the best picture so far is kept (once more: stop at once)", file=sys.stderr
        )

    before = signal.signal(signal.SIGINT, on_interrupt)
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
        signal.signal(signal.SIGINT, before)
