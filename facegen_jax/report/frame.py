"""The results of a sweep as a pandas DataFrame."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .columns import PATHS, as_value
from .result import NamedValue, flatten
from .study import load_study

if TYPE_CHECKING:
    from pandas import DataFrame


def read_results(folder: str | os.PathLike[str]) -> "DataFrame":
    """Return the results of a sweep as a DataFrame, a row for each run, failed ones last.

    The columns are those of results.csv, with numbers as numbers: the run, its settings, losses,
    metrics, seconds, and files, whose paths are relative to the folder. A sweep that still runs can
    be read too.

    Args:
        folder: the --out of a sweep.

    Raises:
        ResultsError: no such folder, a folder without results, or damaged files.
        ImportError: pandas is not installed.
    """
    try:
        from pandas import DataFrame
    except ImportError:
        raise ImportError(
            "results as a DataFrame need pandas: pip install 'facegen_jax[tables]'; "
            "results.csv in the folder has the same table"
        ) from None
    results = load_study(Path(folder), limit=sys.maxsize).results
    return DataFrame([{each.name: _plain(each) for each in flatten(row)} for row in results])


def _plain(cell: NamedValue) -> object:
    """Return a setting as a number if the table of pairs has the text of one; the rest as it is."""
    written = cell.role == "setting" and isinstance(cell.value, str) and cell.name not in PATHS
    return as_value(cell.value) if written else cell.value
