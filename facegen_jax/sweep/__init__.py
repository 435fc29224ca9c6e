"""Sweeps: many faces with many settings, batched through one compiled program, and resumable."""

from typing import TYPE_CHECKING

from ..lazy import attach

if TYPE_CHECKING:
    from .engine import run_sweep
    from .job import SweepStopped
    from .settings import Sweep
else:
    __getattr__, __dir__ = attach(
        __name__, {"Sweep": "settings", "SweepStopped": "job", "run_sweep": "engine"}
    )

__all__ = ["Sweep", "SweepStopped", "run_sweep"]
