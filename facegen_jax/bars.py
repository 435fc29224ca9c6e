"""Progress bars: lines of text on terminals, widgets in notebooks, nothing elsewhere."""

import contextlib
import sys
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from .types import Follow, Progress, StepProgress

if TYPE_CHECKING:
    from tqdm import tqdm


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def new_bar(layout: str, **options: Any) -> "tqdm":
    """Return a bar; without ipywidgets it is text in notebooks too.

    Args:
        layout: tqdm's `bar_format`, with a plain `{bar}`, which becomes the widget.
        options: of tqdm.
    """
    notebook = in_notebook()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that ipywidgets is missing
        from tqdm.auto import tqdm
    if not notebook:
        layout = layout.replace("{bar}", "{bar:30}")
    return tqdm(bar_format=layout, disable=False if notebook else None, **options)


@contextlib.contextmanager
def progress_bar(label: str = "faces described") -> Iterator[Progress]:
    """Show a bar of counted items after the first second.

    `label` follows the count, as in `12/80 faces described`.
    """
    layout = f"{{bar}} {{n_fmt}}/{{total_fmt}} {label}, {{remaining}} left"
    bar: tqdm | None = None
    with contextlib.ExitStack() as stack:

        def progress(done: int, total: int) -> None:
            nonlocal bar
            if bar is None or bar.total != total:  # a widget keeps the total that it is made with
                stack.close()
                bar = stack.enter_context(new_bar(layout, total=total, leave=False, delay=1))
            bar.update(done - bar.n)

        yield progress


def counting(progress: Progress | None) -> contextlib.AbstractContextManager[Progress]:
    """Return what counts faces: a function as it is; for None a bar, in notebooks alone."""
    if progress is None and in_notebook():
        return progress_bar()
    return contextlib.nullcontext(progress or (lambda done, total: None))


@contextlib.contextmanager
def following(progress: Follow, steps: int) -> Iterator[StepProgress | None]:
    """Yield what follows a descent: a function as it is, or a bar of so many steps.

    True is a bar that stays, False is nothing. None is a bar in notebooks, which comes after the
    first second and goes at the end.
    """
    if callable(progress):
        yield progress
        return
    if progress is False or (progress is None and not in_notebook()):
        yield None
        return
    passing: dict[str, Any] = {} if progress else {"leave": False, "delay": 1}
    layout = "{bar} {n_fmt}/{total_fmt} steps, {remaining} left{postfix}"
    with new_bar(layout, total=steps, **passing) as bar:

        def follow(done: int, totals: Float[np.ndarray, " batch"]) -> None:
            bar.set_postfix_str(f"loss {totals[0]:.4g}", refresh=False)
            bar.update(done - bar.n)

        yield follow


def continued(progress: StepProgress, steps: int) -> StepProgress:
    """Count steps on from those of descents before."""
    return lambda done, totals: progress(steps + done, totals)
