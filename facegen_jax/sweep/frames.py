"""Intermediate images, for videos of the descent."""

from collections.abc import Sequence

import jax
import numpy as np

from ..descent.solver import CHUNK, Descent, Solver
from ..faces import image
from .folder import Folder


def steps_to_next(every: int, done: int) -> int:
    """Return the number of steps until the next frame is due; `CHUNK` if frames are off."""
    return every - done % every if every else CHUNK


def save(folder: Folder, every: int, solver: Solver, ids: Sequence[str], descent: Descent) -> None:
    """Write the current image of each run of a batch, if a frame is due.

    Frames are due every `every` steps and after the last one; 0 writes none. They are not synced to
    disk, because a descent that was killed writes the same frames again.
    """
    if not every or (descent.done % every and descent.done < solver.steps):
        return
    # The current images, not the best ones so far.
    images = np.asarray(jax.vmap(solver.canvas.image)(descent.state.parameters))
    for id, each in zip(ids, images, strict=False):  # padding of the batch has no id
        path = folder.path / folder.file("frames", id, "") / f"{descent.done:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, each)
