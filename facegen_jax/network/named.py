"""Networks that have a name, and where their files are."""

import os
from pathlib import Path

from .. import cache

DEFAULT, VGG_FACE = "small", "vgg-face"
FOLDER_VARIABLE = "FACEGEN_WEIGHTS"
"""Environment variable that names the folder of the converted VGG-Face."""
_PACKAGE = Path(__file__).parent.parent
_INSTALLED = _PACKAGE / "weights"
WEIGHTS_FOLDER = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent / "weights"
"""Folder of the shipped files: inside the installed package, or at the top of a source tree."""


def vgg_face_path() -> Path:
    """Return where a converted VGG-Face is looked up and written.

    That is `$FACEGEN_WEIGHTS` if set, else `weights/` if the file is there, else the user's cache.

    Raises:
        OSError: the cache is meant, and there is no home folder.
    """
    name = f"{VGG_FACE}.safetensors"
    if folder := os.environ.get(FOLDER_VARIABLE):
        return Path(folder) / name
    if (WEIGHTS_FOLDER / name).exists():
        return WEIGHTS_FOLDER / name
    return cache.folder() / name
