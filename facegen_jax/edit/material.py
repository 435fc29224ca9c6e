"""What an edit is made of: its faces, its attribute, its masks; the program and the problem that follow, and the finished picture.

`program` looks at the configuration alone, so that a sweep knows which edits share a program before it opens any picture.
"""

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..descent.objective import Attribute, Objective
from ..descent.problem import Problem, from_direction, with_noise
from ..descent.solver import LEARNING_RATES, Solver
from ..faces import align, colour, image, regions
from ..network.checkpoint import Network
from ..network.vgg_face import check_layers
from ..types import Image, Mask
from . import attribute
from .checks import EditError, gains
from .recipe import objective
from .record import edit_scores
from .settings import Edit

EVERYWHERE, OUTSIDE = "everywhere", "outside"
"""Where the reference's maps are held if no region or mask is named: outside is where the attribute does not act."""


class Material(NamedTuple):
    """Everything that had to be read and looked for."""

    reference: align.Face
    source: attribute.Source
    masks: dict[str, Mask]
    """`inside`, where the attribute acts, and `identity`, where the reference's maps are held; absent where there is no such limit."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks for the user."""
        return tuple(face.note for face in (self.reference, *self.source.guides) if face.note)


class Finished(NamedTuple):
    """A result with its colours."""

    image: Image
    picture: Image
    """What is written: the image, or the whole photo with it pasted back."""
    scores: dict[str, object]


def gather(config: Edit, network: Network, pool: attribute.Pool | None = None) -> Material:
    """Read the pictures and find the attribute.

    Raises:
        EditError, ImageError, CheckpointError, GalleryError, AlignError: all of them ValueErrors, each with a message of one line.
    """
    if config.colour_at != "everywhere" and places(config)[0] is None:
        raise EditError(
            f"--colour-at {config.colour_at} needs a place where the attribute acts; give --region or --mask"
        )
    reference = align.load_face(
        config.reference, config.size or network.size, config.align, _pick(config)
    )
    return Material(
        reference, attribute.find(config, network, reference, pool), _masks(config, reference)
    )


def program(config: Edit, network: Network) -> Solver:
    """The solver that the configuration asks for; edits whose solvers are equal, at one size, can be stacked."""
    inside, _ = places(config)
    return Solver(
        _objective(config, network, None if inside is None else 1.0),
        config.steps,
        config.optimizer,
        config.learning_rate,
    )


def assemble(config: Edit, network: Network, material: Material) -> Problem:
    """The problem for the first strength, with loss weights and learning rate of its own."""
    reference, source, masks = material
    terms = _objective(
        config, network, float(np.mean(masks["inside"])) if "inside" in masks else None
    )
    acting = {layer for term in terms.terms if isinstance(term, Attribute) for layer in term.layers}
    direction = {layer: maps for layer, maps in source.direction.items() if layer in acting}
    made = from_direction(
        network.params, terms, reference.image, direction, config.strength[0], masks=masks
    )
    if config.noise:
        made = with_noise(made, jax.random.key(config.seed), config.noise)
    return made._replace(
        weights=jnp.array(terms.weights, jnp.float32),
        learning_rate=jnp.float32(learning_rate(config)),
    )


def learning_rate(config: Edit) -> float:
    """The learning rate that is asked for, or its optimizer's default."""
    return (
        LEARNING_RATES[config.optimizer] if config.learning_rate is None else config.learning_rate
    )


def finish(config: Edit, network: Network, material: Material, result: Image) -> Finished:
    """Bring a result to the colours that are asked for, score it, and paste it back where that is asked for."""
    reference, source, masks = material
    inside = masks.get("inside")
    place = (
        None
        if config.colour_at == "everywhere" or inside is None
        else inside
        if config.colour_at == "inside"
        else 1 - inside
    )
    result = np.asarray(colour.matched(config.colour, result, reference.image, place))
    scores = edit_scores(
        network, result, reference.image, source.heads, [guide.image for guide in source.guides]
    )
    picture = (
        align.paste_back(reference.photo, reference.placement, reference.image, result)
        if config.paste_back
        else result
    )
    return Finished(result, picture, scores)


def places(config: Edit) -> tuple[Path | str | None, Path | str | None]:
    """Where the attribute acts and where the reference's maps are held: a mask's file, regions by name, or `None` for no limit."""
    guided = attribute.is_guided(config)
    inside: Path | str | None = config.mask or config.region
    if inside is None and align.unaligned(
        config.align, by_hand=bool(config.landmarks)
    ):  # nobody knows where the parts of the face are
        inside = "face" if guided else None
    elif inside is None:
        inside = attribute.default_region(config, guided=guided)
    inside = None if str(inside).lower() == "none" else inside
    held: Path | str | None = config.identity_mask or config.identity_region
    if held is None:  # guides are other people everywhere
        held = OUTSIDE if inside else EVERYWHERE if guided else None
    return inside, None if str(held).lower() == "none" else held


def _objective(config: Edit, network: Network, area: float | None) -> Objective:
    return objective(
        config.weights,
        guided=attribute.is_guided(config),
        layers=check_layers(gains(config.channels), network.params),
        area=area,
        held=places(config)[1] is not None,
        described="fc7" in network.params and config.size in (None, network.size),
    )


def _masks(config: Edit, reference: align.Face) -> dict[str, Mask]:
    (inside, held), size = places(config), len(reference.image)
    masks: dict[str, Mask] = {}
    if inside is not None:
        masks["inside"] = _mask(inside, reference)
    if held == OUTSIDE:
        masks["identity"] = 1 - masks["inside"]
    elif held == EVERYWHERE:
        masks["identity"] = np.ones((size, size), np.float32)
    elif held is not None:
        masks["identity"] = _mask(held, reference)
    return masks


def _mask(place: Path | str, reference: align.Face) -> Mask:
    """A region by name; or a mask from a file, moved as the reference was."""
    if isinstance(place, str):
        return regions.region(place, len(reference.image), reference.points)
    mask, expected = image.load(place), reference.photo.shape
    if mask.shape != expected:
        raise EditError(
            f"{place}: the mask has {mask.shape[1]}x{mask.shape[0]} pixels, the reference {expected[1]}x{expected[0]}; they must be equal"
        )
    return np.asarray(
        align.place_on(mask, reference.landmarks, reference.placement, len(reference.image))
    ).mean(-1)


def _pick(config: Edit) -> align.Pick:
    """Which face of the reference is meant."""
    landmarks = np.array(config.landmarks).reshape(5, 2) if config.landmarks else None
    return align.Pick(
        config.face,
        landmarks,
        (config.box[0], config.box[1], config.box[2], config.box[3]) if config.box else None,
    )
