"""Solved batches that wait for their files and lines, worked off beside the next descent."""

import concurrent.futures
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType

from ..report import results
from ..report.result import Result

MOST = 1
"""Batches that may wait while another is solved: memory does not grow when files are slower than
descents."""


class Backlog:
    """Batches in the order in which they were solved, finished one after the other in a thread.

    Use it as a context: leaving it waits until all results are on disk.
    """

    def __init__(self, path: Path):
        self._path, self._pending = path, deque[Future[list[Result]]]()
        self._thread = concurrent.futures.ThreadPoolExecutor(1)

    def __enter__(self) -> "Backlog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._thread.shutdown()

    def add(
        self, finish: Callable[[], list[Result]], then: Callable[[], object] = lambda: None
    ) -> None:
        """Have a batch finished.

        Args:
            finish: writes the files of a batch and returns its results.
            then: called once the results are on disk.
        """

        def work() -> list[Result]:
            new = finish()
            if new:
                results.append(self._path, b"".join(map(results.line, new)))
            then()
            return new

        self._pending.append(self._thread.submit(work))

    def take(self, most: int = MOST) -> Iterator[list[Result]]:
        """Yield the results that are on disk by now; wait until at most `most` batches are left.

        Raises:
            OSError: results could not be written.
        """
        while self._pending and (len(self._pending) > most or self._pending[0].done()):
            yield self._pending.popleft().result()
