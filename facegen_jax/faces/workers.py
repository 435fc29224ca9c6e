"""Processes that read faces, without JAX."""

import multiprocessing
import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import connection

from . import photos
from .align import Face
from .detector import can_detect
from .photos import Wanted


class Workers:
    """Processes that read faces; they start in the background."""

    def __init__(self, count: int):
        spawn = multiprocessing.get_context("spawn")  # threads do not survive a fork
        self._pool = ProcessPoolExecutor(count, spawn, _begin)
        self._first = self._pool.submit(can_detect)

    @property
    def ready(self) -> bool:
        """Whether the first has started, or failed to."""
        return self._first.done()

    def read(self, wanted: Wanted) -> Future[Face]:
        """Have a face read.

        Raises:
            BrokenExecutor: a process was killed; so may the future.
        """
        return self._pool.submit(photos.read, wanted)

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Prepare a process: Ctrl-C is for its parent, and it ends when its parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    can_detect()  # loads the models
