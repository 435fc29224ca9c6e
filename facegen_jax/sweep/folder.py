"""The folder of a sweep: where each process writes its results, and in which files."""

import contextlib
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..faces import image
from ..files import check_output, check_takes_files, write_atomically
from ..network.protocol import Network
from ..report import results
from ..types import Image
from . import lock
from .guard import guard
from .lock import Part
from .manifest import write_manifest
from .plan import Plan
from .settings import Sweep, SweepError

FILES = ("sweep.json", "results.csv", "report.html")
FOLDERS = ("images", "traces", "faces", "frames", "thumbs")
"""What a sweep writes into its folder, beside the files of each process."""
NESTED_FROM = 10_000
"""Number of runs from which files are spread over 256 folders, by the first two characters of their
ids: file systems and file browsers are slow with more files in one folder."""


class Folder(NamedTuple):
    """The folder of a sweep, as one process writes to it."""

    path: Path
    part: Part
    nested: bool
    """Whether files are spread over folders; see `NESTED_FROM`."""

    @property
    def results(self) -> Path:
        """The results file of this process."""
        return self.path / f"results{self.part.suffix}.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of this process's unfinished descents."""
        return self.path / f"checkpoints{self.part.suffix}"

    def file(self, kind: str, id: str, ending: str) -> str:
        """Return the name of a file, relative to the sweep's folder."""
        return f"{kind}/{id[:2]}/{id}{ending}" if self.nested else f"{kind}/{id}{ending}"

    def save_image(self, id: str, result: Image) -> str:
        """Write a run's result image; return its name relative to the sweep's folder."""
        return self._save("images", id, result)

    def save_face(self, face: Image) -> str:
        """Write a face, named by a hash of its pixels, unless an earlier run wrote the same one.

        Returns:
            The file's name relative to the sweep's folder.
        """
        content = repr(face.shape).encode() + image.pixels(face).tobytes()
        id = hashlib.sha256(content).hexdigest()[:16]
        name = self.file("faces", id, ".png")
        return name if (self.path / name).exists() else self._save("faces", id, face)

    def _save(self, kind: str, id: str, content: Image) -> str:
        name = self.file(kind, id, ".png")
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(self.path / name, content, durable=True)
        return name

    def save_trace(self, id: str, trace: dict[str, np.ndarray]) -> str:
        """Write the losses of every step; return the file's name relative to the sweep's folder."""
        name, buffer = self.file("traces", id, ".npz"), io.BytesIO()
        arrays: dict[str, Any] = {**trace}
        np.savez(buffer, **arrays)
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path / name, buffer.getvalue(), durable=True)
        return name


def check_folder(path: Path, pairs: Path) -> None:
    """Refuse a folder that no sweep can write to; called before anything is computed.

    Args:
        path: folder for the results, which may be missing.
        pairs: the table of pairs, which must not be replaced by a file of the sweep.

    Raises:
        SweepError, OutputError: say why and what to do.
    """
    if path.exists() and not path.is_dir():
        raise SweepError(f"{path}: is a file; expected a folder for the results")
    if not path.exists():
        check_takes_files(next(each for each in path.absolute().parents if each.exists()))
        return
    for name in FILES:
        check_output(path / name, [pairs])
    for name in FOLDERS:
        if (path / name).exists() and not (path / name).is_dir():
            raise SweepError(f"{path / name}: is a file; a sweep needs a folder of that name")


@contextlib.contextmanager
def open_folder(config: Sweep, network: Network, plan: Plan, part: Part) -> Iterator[Folder]:
    """Create or reopen the folder of a sweep, and hold the lock of one part of it.

    Raises:
        SweepError: the folder has a sweep with other settings, or another process writes to it.
        OSError: the folder cannot be written to.
    """
    path = config.out
    path.mkdir(parents=True, exist_ok=True)
    folder = Folder(path, part, plan.total >= NESTED_FROM)
    with lock.acquire(path, part):
        with guard(path):
            write_manifest(config, network, plan, path)
        results.mend(folder.results)
        if part.parts == 1:  # other parts may be writing their temporary files right now
            for leftover in path.rglob(".*.tmp"):
                leftover.unlink(missing_ok=True)
        yield folder
