"""Faces read ahead by other processes, and whatever runs share kept for the next ones.

Finding a face takes longer than anything else that is done for it on the host. Processes are
started only for many faces, and until they are ready, faces are read here.
"""

import contextlib
import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import BrokenExecutor, Future
from typing import Any, Literal

from ..compilation import cores
from ..faces import photos
from ..faces.align import Face
from ..faces.photos import Wanted
from ..faces.workers import Workers
from .shelf import Shelf

SHARED_BYTES, LANDMARK_BYTES = 256 * 2**20, 16 * 2**20
"""What faces, attributes and masks, and landmarks that were found, may take between batches."""
FEWEST = 100
"""Faces for which processes are started: a process takes as long to start as to read about 50."""
MOST_PROCESSES = 8
AHEAD = 64
"""Faces that are read ahead at most."""


class Reader:
    """Reads each face once, as long as there is room to keep it; one thread uses it."""

    def __init__(self, processes: int = 0):
        self._shelf, self._found = Shelf(SHARED_BYTES), Shelf(LANDMARK_BYTES)
        self._soon = OrderedDict[Wanted, tuple[Wanted, Future[Face]]]()
        self._workers: Workers | None = None
        if processes:
            with contextlib.suppress(OSError, NotImplementedError):  # not possible here
                self._workers = Workers(processes)

    def recall(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return what was made under a key before, or make it; a key that is `Wanted` is read."""
        if isinstance(key, Wanted):
            return self._shelf.recall(key, lambda: self._read(key))
        return self._shelf.recall(key, make)

    @property
    def ahead(self) -> bool:
        """Whether processes are ready to read ahead."""
        return self._workers is not None and self._workers.ready

    def expect(self, wanted: Wanted) -> None:
        """Have a face read that will be asked for soon, if there are processes to do it."""
        search = wanted.search
        held = wanted in self._shelf or search in self._found or search in self._soon
        if held or self._workers is None:
            return
        slim = wanted._replace(photo=False)  # photos are large, and quick to read again
        self._soon[search] = slim, self._workers.read(slim)
        while len(self._soon) > AHEAD:  # the oldest were never asked for
            _, (_, future) = self._soon.popitem(last=False)
            future.cancel()

    def _read(self, wanted: Wanted) -> Face:
        asked, future = self._soon.pop(wanted.search, (None, None))
        with contextlib.suppress(BrokenExecutor):  # a process was killed: read here instead
            if future and not future.cancel():
                face = self._noted(wanted, future.result())
                if asked == wanted:
                    return face
        return self._noted(wanted, photos.read(wanted, self._found.get(wanted.search)))

    def _noted(self, wanted: Wanted, face: Face) -> Face:
        """Remember where a face was found."""
        if found := photos.outcome(wanted, face):
            self._found[wanted.search] = found
        return face

    def close(self) -> None:
        """End the processes."""
        if self._workers:
            self._workers.close()


def processes(asked: int | Literal["auto"], faces: int) -> int:
    """Return how many processes to read faces with: as asked, or as many as are of use."""
    if asked != "auto":
        return asked
    if faces < FEWEST or not _startable():
        return 0
    return min(MOST_PROCESSES, max(1, cores() // 2))


def _startable() -> bool:
    """Return whether processes can start without running the user's script again.

    Python imports the main module in every process, except that of `python -m PACKAGE` and an
    interactive one. A script without the usual guard would start all over.
    """
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    return spec.name.endswith("__main__") if spec else not hasattr(main, "__file__")
