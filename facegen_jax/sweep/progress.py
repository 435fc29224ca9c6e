"""The progress line of a sweep, and stop requests by Ctrl-C or SIGTERM."""

import contextlib
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

from ..bars import in_notebook, new_bar

if TYPE_CHECKING:
    from tqdm import tqdm

REDRAW_SECONDS = 0.1
"""Seconds between two updates on a terminal."""
PLAIN_SECONDS = 30.0
"""Seconds between two lines elsewhere, such as in a log file."""


class Status(NamedTuple):
    """Progress of a sweep."""

    done: int
    failed: int
    left: int
    batch: int
    """Number of runs in the current batch."""
    step: int
    """Current step of that batch."""
    steps: int
    """Number of steps of that batch."""
    steps_done: int
    """Steps that this process has taken, summed over runs."""
    steps_left: int


Watch = Callable[[Status], object]
"""Progress callback of a sweep, called every few steps."""


@contextlib.contextmanager
def watching(watch: Watch | None) -> Iterator[Watch]:
    """Yield what receives a sweep's status: a function as it is; for None a bar in notebooks."""
    if watch or not in_notebook():
        yield watch or (lambda status: None)
        return
    layout = "{bar} {n_fmt}/{total_fmt} steps, {remaining} left{postfix}"
    with contextlib.ExitStack() as stack:
        bar: tqdm | None = None

        def follow(status: Status) -> None:
            nonlocal bar
            total = status.steps_done + status.steps_left
            if not total:  # nothing was left to do
                return
            if bar is None:
                bar = stack.enter_context(new_bar(layout, total=total))
            counts = f"{status.done} done, {status.failed} failed, {status.left} left"
            bar.set_postfix_str(counts, refresh=False)
            bar.update(status.steps_done - bar.n)

        yield follow


class Line:
    """The progress line of a sweep, on standard error.

    On a terminal it is rewritten in place; elsewhere, a plain line is printed now and then.
    """

    def __init__(self, *, quiet: bool = False):
        self._quiet, self._stream, self._terminal = quiet, sys.stderr, sys.stderr.isatty()
        self._interval = REDRAW_SECONDS if self._terminal else PLAIN_SECONDS
        self._began = self._latest = time.monotonic()
        self._drawn = False

    def watch(self, status: Status, note: str = "") -> None:
        """Show the status, or a note instead, unless the last update is too recent."""
        now = time.monotonic()
        if self._quiet or not (status.steps or note) or now - self._latest < self._interval:
            return
        self._latest = now
        message = note or text(status, now - self._began)
        if self._terminal:
            message = f"\r\033[K{message[: shutil.get_terminal_size().columns - 1]}"
        print(message, end="" if self._terminal else "\n", file=self._stream, flush=True)
        self._drawn = self._terminal

    def write(self, message: str) -> None:
        """Print a message that stays."""
        self.clear()
        if not self._quiet:
            print(message, file=self._stream, flush=True)

    def clear(self) -> None:
        """Erase the progress line."""
        if self._drawn:
            print("\r\033[K", end="", file=self._stream, flush=True)
        self._drawn = False


def text(status: Status, seconds: float) -> str:
    """Format the progress line, `seconds` after the start."""
    rate = status.steps_done / max(seconds, 1e-9)
    left = duration(status.steps_left / rate) if rate else "?"
    return (
        f"{status.done} done, {status.failed} failed, {status.left} left | "
        f"{rate:.3g} steps/s, {left} left | "
        f"batch of {status.batch} at step {status.step} of {status.steps}"
    )


def duration(seconds: float) -> str:
    """Format seconds for people: `99 s`, `10 min`, `2 h 30 min`, `4.6 days`."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    if minutes < 120:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes / 1440:.1f} days"


class Stop:
    """Stop requests by signal.

    The first Ctrl-C or SIGTERM makes calls return True; a second Ctrl-C ends the process at once.
    """

    def __init__(self, line: Line):
        self._line, self._requested = line, False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._requested = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        name = signal.Signals(number).name
        self._line.write(f"{name}: saving and stopping (Ctrl-C: stop at once)")

    def __call__(self) -> bool:
        """Return whether a stop was requested."""
        return self._requested
