"""What an edit is solved from: aligned faces, attribute, masks; its program, problem, finished
image.

`program` looks at the options alone, so that a sweep knows which edits share a compiled program
before it opens any image.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..descent.objective import Objective
from ..descent.problem import Problem, from_direction, with_noise
from ..descent.solver import Solver
from ..descent.terms import MapDistance
from ..faces import align, colour, geometry
from ..network.protocol import Network, check_layers
from ..types import Image, Mask
from . import attribute, masks, recipe
from .parsing import EditError
from .pool import Pool
from .recipe import INSIDE
from .record import edit_scores
from .request import Request
from .settings import Edit
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


class Finished(NamedTuple):
    """A result with its final colours."""

    image: Image
    written: Image
    """The image, or the whole photo with it pasted back."""
    scores: dict[str, object]


def gather(request: Request, network: Network, pool: Pool | None = None) -> Material:
    """Read the images and find the attribute.

    Raises:
        EditError, ImageError, CheckpointError, GalleryError, AlignError: ValueErrors of one line.
    """
    options = request.options
    if options.colour_at != "everywhere" and request.inside is None:
        raise EditError(
            f"--colour-at {options.colour_at} needs a region where the attribute acts; "
            "give --region or --mask"
        )
    reference = align.load_face(
        options.reference, request.size(network), options.align, _pick(options)
    )
    source = attribute.find(request, network, reference, pool)
    if pool:
        source = source._replace(note=pool.note)
    names = _mask_names(objective(request, network, 1.0))
    built = masks.build(request.inside, request.held, names, reference)
    return Material(reference, source, built.masks, built.notes)


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
    return objective(request, network, _area(material.masks)).weights


def _area(built: dict[str, Mask]) -> float:
    """Return the share of the image that the attribute's region covers."""
    return float(np.mean(built[INSIDE])) if INSIDE in built else 1.0


def assemble(request: Request, network: Network, material: Material) -> Problem:
    """Build the problem for the first strength, with loss weights, learning rate and seed of its
    own."""
    (reference, source, built, _), options = material, request.options
    terms = objective(request, network, _area(built))
    direction = source.direction
    if request.objective is None:  # a direction's further layers would be copied for nothing
        acting = {
            layer
            for term in terms.terms
            if isinstance(term, MapDistance) and term.target == "attribute"
            for layer in term.layers
        }
        direction = {layer: maps for layer, maps in direction.items() if layer in acting}
    problem = from_direction(
        network, terms, reference.image, direction, options.strength[0], masks=built
    )
    if options.noise:
        problem = with_noise(problem, jax.random.key(options.seed), options.noise)
    return problem._replace(
        weights=jnp.array(terms.weights, jnp.float32),
        learning_rate=jnp.float32(request.learning_rate),
        seed=jnp.uint32(options.seed),
    )


def finish(
    request: Request,
    network: Network,
    material: Material,
    result: Image,
    factor: float | None = None,
) -> Finished:
    """Match the result's colours, score it, and paste it back, as the options ask.

    `factor` is what calibration multiplied the strength by, for the record.
    """
    (reference, source, built, _), options = material, request.options
    inside = built.get(INSIDE)
    where = None
    if inside is not None and options.colour_at != "everywhere":
        where = inside if options.colour_at == "inside" else 1 - inside
    result = np.asarray(colour.matched(options.colour, result, reference.image, where))
    guides = [guide.image for guide in source.guides]
    scores = edit_scores(network, result, reference.image, source.heads, guides)
    if factor is not None:
        scores["strength_factor"] = factor
    written = result
    if options.paste_back:
        placed = (reference.photo, reference.placement)
        written = geometry.paste_back(*placed, reference.image, result)
    return Finished(result, written, scores)


def _pick(options: Edit) -> align.Pick:
    """Return which face of the reference to edit."""
    landmarks = np.array(options.landmarks).reshape(5, 2) if options.landmarks else None
    left, top, right, bottom = options.box or (0, 0, 0, 0)
    box = (left, top, right, bottom) if options.box else None
    return align.Pick(options.face, landmarks, box)
