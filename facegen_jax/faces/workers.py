"""Processes that read faces, without JAX."""

import functools
import multiprocessing
import os
import signal
import threading
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from multiprocessing import connection
from queue import SimpleQueue

from . import photos
from .align import Face
from .detector import can_detect
from .photos import Wanted


class Workers:
    """Processes that read faces; they start in the background.

    The pool is given only what its processes begin at once. What waits can so be cancelled without
    its knowledge: when a process is killed, Python's pool before 3.12.1 stops at a cancelled future
    and leaves all others without an answer.
    """

    def __init__(self, count: int):
        spawn = multiprocessing.get_context("spawn")  # threads do not survive a fork
        self._pool = ProcessPoolExecutor(count, spawn, _begin)
        self._first = self._pool.submit(can_detect)
        self._waiting = SimpleQueue[tuple[Wanted, Future[Face]] | None]()
        self._slots = threading.Semaphore(2 * count)
        self._feeder = threading.Thread(target=self._feed, daemon=True)
        self._feeder.start()

    @property
    def ready(self) -> bool:
        """Whether the first has started, or failed to."""
        return self._first.done()

    def read(self, wanted: Wanted) -> Future[Face]:
        """Have a face read; the future raises `BrokenExecutor` if a process was killed."""
        future = Future[Face]()
        self._waiting.put((wanted, future))
        return future

    def close(self) -> None:
        """End the processes."""
        self._waiting.put(None)
        self._pool.shutdown(cancel_futures=True)
        self._feeder.join()

    def _feed(self) -> None:
        """Give the pool what waits: in a thread, as a broken pool calls back under its own lock."""
        while waiting := self._waiting.get():
            wanted, future = waiting
            self._slots.acquire()
            if not future.set_running_or_notify_cancel():
                self._slots.release()
                continue
            try:
                begun = self._pool.submit(photos.read, wanted)
            except RuntimeError as error:  # broken, or closed
                future.set_exception(BrokenExecutor(str(error)))
                self._slots.release()
                continue
            begun.add_done_callback(functools.partial(self._finish, future))

    def _finish(self, future: Future[Face], begun: Future[Face]) -> None:
        if begun.cancelled():
            future.set_exception(BrokenExecutor("closed"))
        elif error := begun.exception():
            future.set_exception(error)
        else:
            future.set_result(begun.result())
        self._slots.release()


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
