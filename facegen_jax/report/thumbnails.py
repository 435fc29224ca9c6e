"""Small copies of pictures, made once."""

import concurrent.futures
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from ..faces import image
from ..files import write_atomically

SIDE = 192
"""Of the largest side, in pixels: twice what a page shows, for dense screens."""
THREADS = 4


def thumbnail_of(name: str) -> str:
    """Where the small copy of a picture lies; both relative to the sweep's folder."""
    return str(PurePosixPath("thumbs") / PurePosixPath(name).with_suffix(".webp"))


def make_thumbnails(
    folder: Path,
    names: Iterable[str],
    told: Callable[[int, int], object] = lambda done, total: None,
) -> set[str]:
    """Make the small copies that are missing or older than their pictures; returns the pictures that have one.

    Args:
        folder: of the sweep.
        names: of pictures in it.
        told: how many of them are done.

    Raises:
        OSError: they cannot be written.
    """
    wanted = list(dict.fromkeys(names))
    for parent in {(folder / thumbnail_of(name)).parent for name in wanted}:
        parent.mkdir(parents=True, exist_ok=True)
    made = set[str]()
    with concurrent.futures.ThreadPoolExecutor(
        THREADS
    ) as pool:  # Pillow computes without Python's lock
        for done, (name, there) in enumerate(
            zip(wanted, pool.map(lambda name: _made(folder, name), wanted), strict=True), 1
        ):
            made |= {name} if there else set()
            told(done, len(wanted))
    return made


def _made(folder: Path, name: str) -> bool:
    """Make one; whether its picture can be read."""
    picture, place = folder / name, folder / thumbnail_of(name)
    if place.exists() and place.stat().st_mtime_ns >= picture.stat().st_mtime_ns:
        return True
    try:
        small = image.thumbnail(picture, SIDE)
    except image.ImageError:
        return False
    write_atomically(place, small)
    return True
