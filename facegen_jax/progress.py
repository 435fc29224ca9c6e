"""The bar of an edit on a terminal, and a Ctrl-C that keeps results."""

import contextlib
import signal
import sys
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from .bars import following
from .types import StepProgress


@contextlib.contextmanager
def step_progress_bar(steps: int) -> Iterator[StepProgress]:
    """Show a bar of solver steps with loss and time left, on terminals and in notebooks.

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
        with following(True, steps) as follow:

            def progress(done: int, totals: Float[np.ndarray, " batch"]) -> bool:
                if follow:
                    follow(done, totals)
                return stop

            yield progress
    finally:
        signal.signal(signal.SIGINT, previous)
