"""How far a sweep is, as one line: rewritten on a terminal, a plain one now and then elsewhere."""

import shutil
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import NamedTuple

EVERY = 30.0
"""Seconds between two plain lines."""


class Status(NamedTuple):
    """How far a sweep is."""

    done: int
    failed: int
    left: int
    batch: int
    """Number of runs in the batch under way."""
    step: int
    steps: int
    """Of that batch."""
    steps_done: int
    """Of single edits, by this process."""
    steps_left: int


Watch = Callable[[Status], object]


class Line:
    """The progress line of one sweep."""

    def __init__(self, *, quiet: bool = False):
        self._quiet, self._to, self._terminal = quiet, sys.stderr, sys.stderr.isatty()
        self._began = self._told = time.monotonic()
        self._open = False

    def watch(self, status: Status, note: str = "") -> None:
        """Show how far it is: at once on a terminal, now and then elsewhere."""
        now = time.monotonic()
        if (
            self._quiet
            or not (status.steps or note)
            or now - self._told < (0.1 if self._terminal else EVERY)
        ):
            return
        self._told = now
        message = note or text(status, now - self._began)
        if self._terminal:
            message = f"\r\033[K{message[: shutil.get_terminal_size().columns - 1]}"
        print(message, end="" if self._terminal else "\n", file=self._to, flush=True)
        self._open = self._terminal

    def say(self, message: str) -> None:
        """A line that stays."""
        self.clear()
        if not self._quiet:
            print(message, file=self._to, flush=True)

    def clear(self) -> None:
        """Take the progress line away."""
        if self._open:
            print("\r\033[K", end="", file=self._to, flush=True)
        self._open = False


def text(status: Status, seconds: float) -> str:
    """The line itself."""
    rate = status.steps_done / max(seconds, 1e-9)
    left = duration(status.steps_left / rate) if rate else "?"
    return (
        f"{status.done} done, {status.failed} failed, {status.left} left | {rate:.3g} steps/s, {left} left | "
        f"batch of {status.batch} at step {status.step} of {status.steps}"
    )


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    return (
        f"{minutes // 60} h {minutes % 60:02} min"
        if minutes < 60 * 48
        else f"{minutes / 1440:.1f} days"
    )


class Stop:
    """Asked by the engine whether to stop; the first Ctrl-C or SIGTERM says so, the second Ctrl-C ends at once."""

    def __init__(self, line: Line):
        self._line, self._said = line, False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._hear)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._said = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._line.say(f"{signal.Signals(number).name}: saving and stopping (Ctrl-C: at once)")

    def __call__(self) -> bool:
        return self._said
