"""Sweeps: many faces with many settings, batched through one compiled program, and resumable."""

from .engine import run_sweep
from .job import SweepStopped
from .settings import Sweep

__all__ = ["Sweep", "SweepStopped", "run_sweep"]
