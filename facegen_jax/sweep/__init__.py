"""Batch experiments: many faces, many settings, one compiled program, nothing lost."""

from .engine import run_sweep
from .loop import SweepStopped
from .settings import Sweep

__all__ = ["Sweep", "SweepStopped", "run_sweep"]
