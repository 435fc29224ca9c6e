"""Pictures on the way, for videos of the descent."""

from collections.abc import Sequence

import jax
import numpy as np

from ..descent.solver import CHUNK, Descent, Solver
from ..faces import image
from .folder import Folder


def until_next(every: int, done: int) -> int:
    """Steps from here to the next picture that is wanted."""
    return every - done % every if every else CHUNK


def save(folder: Folder, every: int, solver: Solver, ids: Sequence[str], descent: Descent) -> None:
    """Write where each run of a batch is, after every so many steps and after the last.

    A descent that was killed writes the same pictures again, so nothing waits for the disk here.
    """
    if not every or (descent.done % every and descent.done < solver.steps):
        return
    pictures = np.asarray(
        jax.vmap(solver.canvas.image)(descent.state.parameters)
    )  # where it is now, not the best it has met
    for id, picture in zip(ids, pictures, strict=False):  # what fills the batch has no id
        place = folder.path / folder.file("frames", id, "") / f"{descent.done:06}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        image.save(place, picture)
