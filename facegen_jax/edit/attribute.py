"""Where an edit's attribute comes from: guides, a gallery, named directions, channels, user
code."""

import jax

from ..descent import targets
from ..faces.align import Face
from ..network.direction import load_direction
from ..network.protocol import Network, check_layers
from ..types import Image
from . import difference, guides
from .parsing import EditError
from .pool import Pool
from .recall import Recall, make_anew
from .recipe import TUNED_LAYERS
from .request import AttributeSource, Request
from .source import Source


def find(
    request: Request,
    network: Network,
    reference: Face,
    pool: Pool | None = None,
    recall: Recall = make_anew,
) -> Source:
    """Return the attribute that was asked for; `pool` is the opened gallery if one is named.

    Named directions are the same for every reference, so `recall` may have them already.

    Raises:
        EditError, ImageError, AlignError, CheckpointError, GalleryError: what is missing or wrong.
    """
    if request.source:
        return _from_user(request, request.source, network, reference)
    if pool:
        source = difference if request.target == "difference" else guides
        return source.from_pool(request, network, reference, pool)
    if request.options.guides:
        return guides.from_files(request, network, reference, recall)
    if request.gains:
        return _from_channels(request, network, reference.image)
    key = (request.attributes, request.options.directions, network.sha256)
    return recall(key, lambda: _named(request, network))


def _named(request: Request, network: Network) -> Source:
    directory = request.options.directions
    named = [
        (load_direction(network, name, directory), amount) for name, amount in request.attributes
    ]
    heads = tuple((each.attribute, each.sign * amount) for each, amount in named)
    levels = tuple(each.levels for each, _ in named if each.levels)
    return Source(
        targets.add_directions((each.maps, amount) for each, amount in named),
        heads=heads,
        levels=levels if len(levels) == len(heads) else (),
    )


def _from_channels(request: Request, network: Network, reference: Image) -> Source:
    layers = check_layers(network.backbone, request.gains)
    maps = targets.own_maps(network, reference, layers)
    try:
        return Source(targets.channel_direction(maps, request.gains))
    except ValueError as error:
        raise EditError(f"--channels: {error}") from None


def _from_user(
    request: Request, source: AttributeSource, network: Network, reference: Face
) -> Source:
    """Call the user's source and subtract the reference's own maps, so that strengths apply."""
    default = ("image", *TUNED_LAYERS)
    layers = request.objective.layers if request.objective else default
    try:
        maps = source(network, reference, layers, request.options)
    except Exception as error:  # anything may happen in foreign code
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise EditError(f"--source: it raised {reason[:300]}") from error
    own = targets.own_maps(network, reference.image, layers)
    unknown = [name for name in maps if name not in own] if isinstance(maps, dict) else None
    if unknown is None or unknown or not maps:
        given = f"a {type(maps).__name__}" if unknown is None else ", ".join(unknown) or "nothing"
        raise EditError(f"--source: expected maps of {', '.join(layers)} as a dict, got {given}")
    for name, values in maps.items():
        if values.shape != own[name].shape:
            raise EditError(
                f"--source: its {name} has shape {values.shape}, the reference's {own[name].shape}"
            )
    held = {name: own[name] for name in maps}
    return Source(jax.tree.map(lambda new, old: new - old, maps, held), heads=request.heads)
