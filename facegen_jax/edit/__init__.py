"""One edit: from a configuration and pictures to a picture and its record."""

from typing import TYPE_CHECKING

from ..lazy import attach

if TYPE_CHECKING:
    from .engine import edit
    from .settings import Edit
else:
    __getattr__, __dir__ = attach(__name__, {"Edit": "settings", "edit": "engine"})

__all__ = ["Edit", "edit"]
