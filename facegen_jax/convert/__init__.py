"""Convert published VGG-Face files of any layout to one layout.

See `conversion.convert` and `python -m facegen_jax.convert --help`.
"""

from .conversion import Converted, convert

__all__ = ["Converted", "convert"]
