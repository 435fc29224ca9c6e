"""The outcome of a descent."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

Status = Literal["ok", "non_finite", "interrupted"]


@dataclass(frozen=True)
class Solution:
    """The outcome of one problem."""

    image: Float[np.ndarray, "height width 3"]
    """The image with the smallest total loss on the way, clipped to [0, 1]."""
    trace: dict[str, Float[np.ndarray, " steps"]]
    """Loss at the start of every step: `"total"` and each unweighted term; NaN once frozen."""
    status: Status

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
