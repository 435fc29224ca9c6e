"""The report's figures as PNG files, for papers and terminals; they need the extra `plots`."""

import importlib.util
import io
import warnings
from pathlib import Path

from ..files import write_atomically
from ..network.baselines import Baselines
from . import contact_sheet, plots
from .columns import make_columns
from .results import ResultsError
from .study import Study

MISSING = (
    "contact_sheet.png, curves.png and identity_vs_attribute.png need Matplotlib: "
    "pip install 'facegen_jax[plots]'"
)


def can_draw() -> bool:
    """Return whether Matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def write_figures(study: Study, baselines: Baselines | None = None) -> list[Path]:
    """Write contact sheet, loss curves, and identity against attribute; return the files.

    Raises:
        ResultsError: Matplotlib is not installed.
        ImageError, OSError: an image cannot be read, or a figure cannot be written.
    """
    if not can_draw():
        raise ResultsError(MISSING)
    columns = make_columns(study.results)
    with warnings.catch_warnings():
        # Characters that the font lacks are drawn as boxes.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figures = {
            "contact_sheet": contact_sheet.contact_sheet(study, columns),
            "curves": plots.loss_curves(study, columns),
            "identity_vs_attribute": plots.identity_vs_attribute(study, columns, baselines),
        }
        for name, figure in figures.items():
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png")
            write_atomically(study.folder / f"{name}.png", buffer.getvalue())
    return [study.folder / f"{name}.png" for name in figures]
