"""Solutions as Matplotlib figures, which show themselves in notebooks without pyplot."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from .display import Solved

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 12
"""Solutions that are drawn of many."""
CHANGE = 4.0
"""Factor on the change from the reference, drawn on grey."""


class Shown(Figure):
    """A figure that a notebook shows once, as it is; one of pyplot would show twice or never."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


def figure(solutions: Sequence[Solved]) -> Figure:
    """Draw reference, image, change and losses, a row for each solution."""
    shown = solutions[:MOST]
    drawn = Shown((10, 2.6 * max(1, len(shown))), dpi=100, layout="constrained")
    for row, solution in enumerate(shown):
        axes = [drawn.add_subplot(len(shown), 4, 4 * row + column) for column in (1, 2, 3, 4)]
        _images(axes[:3], solution)
        _losses(axes[3], solution)
    if len(solutions) > len(shown):
        drawn.suptitle(f"the first {len(shown)} of {len(solutions)}")
    return drawn


def _images(axes: "Sequence[Axes]", solution: Solved) -> None:
    """Draw reference, image, and the change between them around grey."""
    reference, image = solution.reference, solution.image
    change = None if reference is None else np.clip(0.5 + CHANGE * (image - reference), 0, 1)
    result = "result" if solution.status == "ok" else f"result, {solution.status}"
    titles = ("reference", result, f"change x {CHANGE:g}")
    for axis, picture, title in zip(axes, (reference, image, change), titles, strict=True):
        axis.set_axis_off()
        if picture is not None:
            axis.imshow(picture)
            axis.set_title(title, fontsize=9)


def _losses(axis: "Axes", solution: Solved) -> None:
    """Draw every loss over the steps, on a logarithmic axis where all of them allow it."""
    for name, losses in solution.trace.items():
        axis.plot(losses, label=name, linewidth=2.5 if name == "total" else 1.2)
    values = np.concatenate([losses[1:] for losses in solution.trace.values()])
    values = values[np.isfinite(values)]  # without the first step, where many terms are zero
    if values.size and values.min() > 0:
        axis.set_yscale("log")
        axis.set_ylim(bottom=values.min() / 1.3)
    axis.set_xlabel("step", fontsize=8)
    axis.tick_params(labelsize=7)
    axis.legend(fontsize=6)
