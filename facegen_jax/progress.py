"""Progress bars, and a Ctrl-C that keeps results."""

import contextlib
import signal
import sys
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from .descent.solver import StepProgress
from .types import Progress


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
