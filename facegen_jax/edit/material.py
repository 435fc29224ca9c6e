"""What an edit is solved from: aligned faces, attribute, masks; its program.

`program` looks at the options alone, so that a sweep knows which edits share a compiled program
before it opens any image.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..descent.objective import Objective
from ..descent.solver import Solver
from ..faces import align, photos
from ..faces.photos import Wanted
from ..network.protocol import Network, check_layers
from ..types import Mask
from . import attribute, masks, recipe
from .parsing import EditError
from .pool import Pool
from .recall import Recall, make_anew
from .recipe import INSIDE
from .request import Request
from .source import Source


class Material(NamedTuple):
    """Everything that was read and looked up."""

    reference: align.Face
    source: Source
    masks: dict[str, Mask]
    """Masks by the name that terms use; see `masks.build`."""
    mask_notes: tuple[str, ...] = ()
    """How masks were read."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks for the user."""
        faces = (face.note for face in (self.reference, *self.source.guides))
        return tuple(note for note in (*faces, *self.mask_notes, self.source.note) if note)


def gather(
    request: Request, network: Network, pool: Pool | None = None, recall: Recall = make_anew
) -> Material:
    """Read the images and find the attribute.

    Args:
        request: the edit.
        network: the network that solves it.
        pool: the opened gallery, if one is named.
        recall: finds again what other edits have made already: the reference, a named attribute.

    Raises:
        EditError, ImageError, CheckpointError, GalleryError, AlignError: ValueErrors of one line.
    """
    options = request.options
    if options.colour_at != "everywhere" and request.inside is None:
        raise EditError(
            f"--colour-at {options.colour_at} needs a region where the attribute acts; "
            "give --region or --mask"
        )
    wanted = face_wanted(request, network)
    reference = recall(wanted, lambda: photos.read(wanted))
    source = attribute.find(request, network, reference, pool, recall)
    if pool:
        source = source._replace(note=pool.note)
    names = _mask_names(objective(request, network, 1.0))
    built = masks.build(request.inside, request.held, names, reference)
    return Material(reference, source, built.masks, built.notes)


def face_wanted(request: Request, network: Network) -> Wanted:
    """Return which face an edit changes, and whether the photo around it is needed too."""
    options = request.options
    by_file = isinstance(request.inside, Path) or isinstance(request.held, Path)
    return Wanted(
        options.reference,
        request.size(network),
        options.align,
        options.face,
        options.landmarks,
        options.box,
        photo=options.paste_back or by_file or request.source is not None,
    )


def _mask_names(terms: Objective) -> set[str]:
    return {name for term in terms.terms if isinstance(name := getattr(term, "mask", None), str)}


def objective(request: Request, network: Network, area: float) -> Objective:
    """Return the user's objective, or the default one; `area` is the share of the mask "inside".

    Raises:
        EditError: the network lacks layers that the default objective reads.
    """
    if request.objective is not None:
        check_layers(network.backbone, request.objective.layers)
        return request.objective
    if not network.has(*recipe.LAYERS):
        raise EditError(
            f"the default objective reads layers of VGG-Face, the network {network.name!r} has "
            f"{', '.join(network.layers)}; give --objective of your own (docs/extending.md)"
        )
    return recipe.objective(
        request.options.weights,
        guided=request.guided,
        layers=check_layers(network.backbone, request.gains),
        area=None if request.inside is None else area,
        held=request.held is not None,
        described=network.has("fc7") and request.size(network) == network.size,
    )


def program(request: Request, network: Network) -> Solver:
    """Return the solver of the options; edits with equal solvers, at one size, can be stacked."""
    return Solver(
        objective(request, network, 1.0),
        request.options.steps,
        request.optimizer,
        request.learning_rate,
        transforms=request.transforms,
        samples=request.options.jitter.samples,
        precision=request.options.precision,
    )


def weights(request: Request, network: Network, material: Material) -> tuple[float, ...]:
    """Return the weights of an edit's objective."""
    return objective(request, network, area(material.masks)).weights


def area(built: dict[str, Mask]) -> float:
    """Return the share of the image that the attribute's region covers."""
    return float(np.mean(built[INSIDE])) if INSIDE in built else 1.0
