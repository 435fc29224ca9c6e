"""Convert published VGG-Face files of any layout to one layout.

See `conversion.convert` and `python -m facegen_jax.convert --help`.
"""

from typing import TYPE_CHECKING

from ..lazy import attach

if TYPE_CHECKING:
    from .conversion import Converted, convert
else:
    __getattr__, __dir__ = attach(__name__, {"Converted": "conversion", "convert": "conversion"})

__all__ = ["Converted", "convert"]
