"""Where an edit's attribute comes from: guides, a gallery, named directions or channels; each becomes a direction from the reference's own maps."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..descent import targets
from ..faces import align, colour, image, regions
from ..gallery.features import Described, Looking, describe
from ..gallery.labels import Choice, Gallery, having, lacking, load_gallery
from ..gallery.search import Query, available, matching, nearest, query
from ..names import normalise
from ..network import metrics
from ..network.checkpoint import Network
from ..network.direction import load_direction
from ..network.vgg_face import check_layers
from ..types import Features, Image
from .checks import EditError, amounts, gains
from .recipe import GUIDED_LAYERS, TUNED_LAYERS
from .settings import Edit

GUIDES, DIFFERENCE_FACES = 5, 100
"""The defaults of k: Li, Zuo & Zhang's, and Deep Feature Interpolation's."""
DIFFERENCE_SCALE = 3.0
"""What makes a difference of means the natural amount, by eye."""
SHARPNESS = 20.0
"""Of weights by similarity: exp of so many times the cosine, so that a guide that is 0.05 more similar counts 2.7 times as much."""
REGIONS = {
    "mouth": ("Mustache", "Teeth Not Visible", "Wearing Lipstick", "Big Lips"),
    "mouth+cheeks": ("Smiling", "Frowning"),
    "mouth+jaw": (
        "Mouth Slightly Open",
        "Mouth Wide Open",
        "Mouth Closed",
        "Goatee",
        "No Beard",
        "5 o' Clock Shadow",
        "Sideburns",
        "Double Chin",
        "Round Jaw",
    ),
    "face": ("Senior", "Youth"),
    "eyes+brows": ("Eyeglasses", "No Eyewear", "Sunglasses"),
    "eyes": ("Eyes Open", "Narrow Eyes", "Bags Under Eyes", "Brown Eyes"),
    "brows": ("Bushy Eyebrows", "Arched Eyebrows"),
    "nose": ("Big Nose", "Pointy Nose"),
    "cheeks": ("Rosy Cheeks", "High Cheekbones"),
    "hair+brows": (
        "Bangs",
        "Fully Visible Forehead",
        "Obstructed Forehead",
        "Receding Hairline",
        "Wearing Hat",
    ),
    "hair": (
        "Bald",
        "Black Hair",
        "Blond Hair",
        "Brown Hair",
        "Gray Hair",
        "Curly Hair",
        "Straight Hair",
        "Wavy Hair",
    ),
}
"""Where attributes act unless told otherwise; others act on the whole face, or everywhere where they are tuned."""


class Source(NamedTuple):
    """An attribute, ready to be added to the reference's maps."""

    direction: Features
    """What to add for a strength of 1, by layer."""
    guided: bool = False
    """It comes from guides' own maps."""
    layers: tuple[str, ...] = ()
    """Where it acts, if not where the recipe says."""
    guides: tuple[align.Face, ...] = ()
    chosen: tuple[tuple[Path, float], ...] = ()
    """Faces taken from a gallery, with their similarity."""
    heads: tuple[tuple[str, float], ...] = ()
    """Names under which the network may score it, and how much of each is wanted."""


class Pool(NamedTuple):
    """A gallery with its faces described: opened once, used for any number of references."""

    gallery: Gallery
    described: Described


def open_pool(
    config: Edit, network: Network, looking: Looking = lambda done, total: None
) -> Pool | None:
    """The gallery that the configuration names, if it does; `looking` is told of faces that have to be described."""
    if not config.gallery:
        return None
    gallery = load_gallery(config.gallery)
    check_names(config, gallery)  # a misspelt name is told before thousands of faces are described
    if "fc7" not in network.params and not config.similar_by:
        raise EditError(
            f"the network {network.name!r} has no descriptor to tell similar faces by; give layers, as in --similar-by conv5_3"
        )
    return Pool(gallery, describe(gallery, network, config.similar_by, config.align, looking))


def check_names(config: Edit, gallery: Gallery) -> None:
    """Refuse attributes that the gallery does not label.

    Raises:
        GalleryError: with the names that are nearest.
    """
    for name, _ in amounts(config.attribute or ""):
        having(gallery, name)


def find(config: Edit, network: Network, reference: align.Face, pool: Pool | None = None) -> Source:
    """The attribute that was asked for, of the opened gallery where one is named.

    Raises:
        EditError, ImageError, AlignError, CheckpointError, GalleryError: what is missing or wrong.
    """
    if pool:
        return _of_pool(config, network, reference, pool)
    if config.guides:
        faces = [
            align.load_face(path, len(reference.image), config.align, onto=reference.points)
            for path in config.guides
        ]
        return _guided(
            config,
            network,
            reference,
            faces,
            [_similarity(network, face.image, reference.image) for face in faces],
        )
    if config.channels:
        return _of_channels(config, network, reference.image)
    found = [
        (load_direction(network, name, config.directions), amount)
        for name, amount in amounts(config.attribute or "")
    ]
    heads = tuple((each.attribute, each.sign * amount) for each, amount in found)
    return Source(
        targets.add_directions((each.maps, amount) for each, amount in found), heads=heads
    )


def is_guided(config: Edit) -> bool:
    """Whether the attribute comes from guides' own maps, not from a direction."""
    return bool(config.guides) or (config.gallery is not None and config.target != "difference")


def default_region(config: Edit, *, guided: bool) -> str | None:
    """Where the attribute acts when nothing was said; None is everywhere."""
    parts = {normalise(name): part for part, names in REGIONS.items() for name in names}
    asked = [
        parts.get(normalise(name.partition("/")[0])) for name, _ in amounts(config.attribute or "x")
    ]
    known = [part for part in asked if part]
    if len(known) < len(asked):
        return "face" if guided else None
    return "+".join(known)


def _of_channels(config: Edit, network: Network, reference: Image) -> Source:
    layers = check_layers(gains(config.channels), network.params)
    try:
        direction = targets.channel_direction(
            targets.own_maps(network.params, reference, layers), gains(config.channels)
        )
    except ValueError as error:
        raise EditError(f"--channels: {error}") from None
    return Source(direction, layers=layers)


def _guided(
    config: Edit,
    network: Network,
    reference: align.Face,
    faces: list[align.Face],
    similarities: list[float],
) -> Source:
    """Guides of the reference's colours, one way or another as one face."""
    pictures = [_recoloured(face.image, reference) for face in faces]
    weights = (
        [float(np.exp(SHARPNESS * (each - max(similarities)))) for each in similarities]
        if config.target == "weighted"
        else None
    )
    maps = targets.mean(network.params, GUIDED_LAYERS, pictures, weights)
    if config.target == "patches" and len(pictures) > 1:
        maps = targets.patches(network.params, maps, pictures)
    own = targets.own_maps(network.params, reference.image, GUIDED_LAYERS)
    return Source(jax.tree.map(jnp.subtract, maps, own), guided=True, guides=tuple(faces))


def _recoloured(guide: Image, reference: align.Face) -> Image:
    """Light and skin tone are the reference's, so that only what the attribute changes is left."""
    return colour.match_statistics(
        guide, reference.image, regions.region("face", len(guide), reference.points)
    )


def _similarity(network: Network, guide: Image, reference: Image) -> float:
    if "fc7" not in network.params:
        return 1.0
    size = (network.size, network.size)
    return metrics.identity_similarity(
        network, image.resize(guide, size), image.resize(reference, size)
    )


def _of_pool(config: Edit, network: Network, reference: align.Face, pool: Pool) -> Source:
    gallery, described = pool
    names = amounts(config.attribute or "")
    picture = image.resize(reference.image, (network.size, network.size))
    face = query(
        gallery, described, network, picture, config.reference, config.similar_by, config.identity
    )
    alike = np.ones(len(gallery.filenames), bool)
    for attribute in config.match:
        alike &= matching(gallery, network, face, picture, attribute)
    heads = tuple((name.partition("/")[0], amount) for name, amount in names)
    if config.target == "difference":
        return _difference(config, network, reference, pool, face, alike)._replace(heads=heads)
    choice = np.logical_and.reduce([having(gallery, name) for name, _ in names]) & alike
    places, cosines = nearest(
        gallery,
        described,
        face,
        choice,
        config.k or GUIDES,
        points=reference.points,
        candidates=config.candidates,
    )
    faces = list(_faces(config, pool, places, reference))
    chosen = tuple(
        (gallery.path(place), cosine) for place, cosine in zip(places, cosines, strict=True)
    )
    return _guided(config, network, reference, faces, cosines)._replace(chosen=chosen, heads=heads)


def _difference(
    config: Edit, network: Network, reference: align.Face, pool: Pool, face: Query, alike: Choice
) -> Source:
    """The sum over attributes of mean(with) - mean(without), each over its own nearest faces."""
    gallery, described = pool
    layers, chosen, found = ("image", *TUNED_LAYERS), [], []

    def pictures(choice: Choice) -> Iterator[Image]:
        k = config.k or max(
            1, min(DIFFERENCE_FACES, int(available(gallery, described, face, choice).sum()))
        )
        places, cosines = nearest(
            gallery,
            described,
            face,
            choice,
            k,
            points=reference.points,
            candidates=config.candidates,
        )
        chosen.extend(
            (gallery.path(place), cosine) for place, cosine in zip(places, cosines, strict=True)
        )
        return (
            _recoloured(each.image, reference) for each in _faces(config, pool, places, reference)
        )

    for name, amount in amounts(config.attribute or ""):
        direction = targets.difference(
            network.params,
            layers,
            pictures(having(gallery, name) & alike),
            pictures(lacking(gallery, name) & alike),
        )
        maps = {layer: values for layer, values in direction.items() if layer != "image"}
        scale = (
            DIFFERENCE_SCALE if config.scaling == "natural" else targets.interpolation_scale(maps)
        )
        found.append((direction, amount * scale))
    return Source(targets.add_directions(found), chosen=tuple(chosen))


def _faces(
    config: Edit, pool: Pool, places: list[int], reference: align.Face
) -> Iterator[align.Face]:
    """Faces of the gallery in the reference's geometry, read one by one; their landmarks are known already."""
    for place in places:
        landmarks = pool.described.landmarks[place].astype(float)
        known = align.Pick(landmarks=landmarks) if np.isfinite(landmarks).all() else None
        yield align.load_face(
            pool.gallery.path(place),
            len(reference.image),
            config.align,
            known,
            onto=reference.points,
            centre=True,
        )
