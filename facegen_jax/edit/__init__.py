"""One edit: from a configuration and pictures to a picture and its record."""

from .engine import edit
from .settings import Edit

__all__ = ["Edit", "edit"]
