"""Thumbnails of a sweep's images, made once."""

import concurrent.futures
import functools
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from ..faces import image
from ..files import write_atomically
from ..types import Progress

SIDE = 192
"""Longer side in pixels: twice the largest size on the page, for high-density screens."""
THREADS = 4


def thumbnail_path(name: str) -> str:
    """Return the thumbnail's path; both are relative to the sweep's folder."""
    return str(PurePosixPath("thumbs") / PurePosixPath(name).with_suffix(".webp"))


def make_thumbnails(
    folder: Path, names: Iterable[str], progress: Progress = lambda done, total: None
) -> set[str]:
    """Make the thumbnails that are missing or older than their images.

    Args:
        folder: of the sweep.
        names: images in it.
        progress: counts images.

    Returns:
        The images that have a thumbnail; unreadable ones have none.

    Raises:
        OSError: a thumbnail cannot be written.
    """
    unique = list(dict.fromkeys(names))
    for parent in {(folder / thumbnail_path(name)).parent for name in unique}:
        parent.mkdir(parents=True, exist_ok=True)
    available = set[str]()
    # Threads suffice: Pillow releases the interpreter lock while it resizes and encodes.
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        written = pool.map(functools.partial(_ensure, folder), unique)
        for done, (name, exists) in enumerate(zip(unique, written, strict=True), 1):
            if exists:
                available.add(name)
            progress(done, len(unique))
    return available


def _ensure(folder: Path, name: str) -> bool:
    """Make one thumbnail if it is needed; return whether it exists."""
    source, path = folder / name, folder / thumbnail_path(name)
    if path.exists() and path.stat().st_mtime_ns >= source.stat().st_mtime_ns:
        return True
    try:
        content = image.thumbnail(source, SIDE)
    except image.ImageError:
        return False
    write_atomically(path, content)
    return True
