"""The report's figures as PNG files, for papers and terminals; they need the extra `plots`."""

import importlib.util
import io
import warnings
from pathlib import Path

from ..files import write_atomically
from ..network.baselines import Baselines
from . import columns, contact_sheet, plots
from .results import ResultsError
from .study import Study

NEEDED = "contact_sheet.png, curves.png and identity_vs_attribute.png need Matplotlib: pip install 'facegen_jax[plots]'"


def can_draw() -> bool:
    """Whether Matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def write_figures(study: Study, baselines: Baselines | None = None) -> list[Path]:
    """Write the contact sheet, the curves, and identity against attribute into the sweep's folder; returns where they are.

    Raises:
        ResultsError: Matplotlib is not installed.
        ImageError, OSError: a picture cannot be read, or a figure cannot be written.
    """
    if not can_draw():
        raise ResultsError(NEEDED)
    found = columns.columns(study.rows)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a box stands for it
        drawn = {
            "contact_sheet": contact_sheet.contact_sheet(study, found),
            "curves": plots.loss_curves(study, found),
            "identity_vs_attribute": plots.identity_vs_attribute(study, found, baselines),
        }
        for name, figure in drawn.items():
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png")
            write_atomically(study.folder / f"{name}.png", buffer.getvalue())
    return [study.folder / f"{name}.png" for name in drawn]
