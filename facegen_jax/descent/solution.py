"""The outcome of a descent."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, SupportsIndex, overload

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Status = Literal["ok", "non_finite", "interrupted"]


@dataclass(frozen=True, repr=False)
class Solution:
    """The outcome of one problem; in notebooks it shows its images and losses."""

    image: Float[np.ndarray, "height width 3"]
    """The image with the smallest total loss on the way, `height width 3`, clipped to [0, 1]."""
    trace: dict[str, Float[np.ndarray, " steps"]]
    """Loss at the start of every step, `steps`: `"total"` and each unweighted term; NaN once
    frozen."""
    status: Status
    reference: Float[np.ndarray, "height width 3"] | None = None
    """The face before the edit, `height width 3` in [0, 1]; None if the solver was not told."""

    @property
    def parts(self) -> dict[str, tuple[float, float]]:
        """First and last finite value of the total and of every unweighted term."""
        finite = np.isfinite(self.trace["total"])
        if not finite.any():
            return dict.fromkeys(self.trace, (math.nan, math.nan))
        return {
            name: (float(values[finite][0]), float(values[finite][-1]))
            for name, values in self.trace.items()
        }

    def __repr__(self) -> str:
        height, width, _ = self.image.shape
        first, last = self.parts["total"]
        losses = f"total {first:.4g} to {last:.4g} in {len(self.trace['total'])} steps"
        return f"Solution({self.status}, {height}x{width}, {losses})"

    def _repr_html_(self) -> str:
        """Show the reference, the image and the losses in a notebook."""
        from .display import html

        return html([self])

    def plot(self) -> "Figure":
        """Return a Matplotlib figure: reference, image, change, and the loss of every step.

        Raises:
            ImportError: Matplotlib is not installed.
        """
        return Solutions([self]).plot()


class Solutions(list[Solution]):
    """Solutions of many problems: a list, slices too, that shows its images in notebooks."""

    @overload
    def __getitem__(self, index: SupportsIndex) -> Solution: ...
    @overload
    def __getitem__(self, index: slice) -> "Solutions": ...
    def __getitem__(self, index: SupportsIndex | slice) -> "Solution | Solutions":
        chosen = super().__getitem__(index)
        return Solutions(chosen) if isinstance(chosen, list) else chosen

    def _repr_html_(self) -> str:
        """Show every image beside its reference in a notebook."""
        from .display import html

        return html(self)

    def plot(self) -> "Figure":
        """Return a Matplotlib figure with a row for each solution; see `Solution.plot`.

        Raises:
            ImportError: Matplotlib is not installed.
        """
        try:
            from .plot import figure
        except ImportError:
            raise ImportError(
                "plots of solutions need Matplotlib: pip install 'facegen_jax[plots]'"
            ) from None
        return figure(self)
