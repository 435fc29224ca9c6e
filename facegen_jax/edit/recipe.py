"""The objective of the command lines; `docs/settings.md` says how it was chosen."""

from ..descent.objective import (
    Attribute,
    AttributePixels,
    Chroma,
    DescriptorIdentity,
    Identity,
    Objective,
    TotalVariation,
)
from .settings import Weights

TUNED_LAYERS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3")
"""Where a direction acts: with high layers alone the picture answers with speckle."""
GUIDED_LAYERS = ("conv2_2", "conv3_3", "conv4_3")
"""Where guides act: lower layers would paste the guide's own face, higher ones bring blotches."""
HELD_LAYERS = ("image", "conv1_2", "conv2_2")
"""Where the reference is held outside the attribute's mask."""
GUIDED_SMOOTHNESS, GUIDED_CHROMA = 3.0, 10.0
"""Factors on the weights of total variation and colour with guides, whose own colours are not wanted."""
DESCRIPTOR_SHARE = 0.25
"""Weight of the descriptor's distance in the identity part: enough to stay the same person, little enough to let the attribute come."""


def objective(
    weights: Weights,
    *,
    guided: bool = False,
    layers: tuple[str, ...] = (),
    area: float | None = None,
    held: bool = False,
    described: bool = True,
) -> Objective:
    """The objective for one way of asking.

    Args:
        weights: of its parts.
        guided: the attribute comes from guides, not from a direction.
        layers: where the attribute acts; the recipe's own by default. Others have no picture's own change (`AttributePixels`).
        area: share of the picture that the mask "inside" covers, where the attribute acts; None where there is no such mask.
        held: the reference's maps are held inside the mask "identity".
        described: the network has a descriptor for pictures of this size; otherwise its deepest maps stand in.
    """
    inside = None if area is None else "inside"
    identity = (
        DESCRIPTOR_SHARE * DescriptorIdentity()
        if described
        else DESCRIPTOR_SHARE * Identity(("conv5_3",))
    )
    if held:
        identity = identity + Identity(HELD_LAYERS, "identity")
    # A masked distance is a mean over the mask: without this a small region would be pushed harder than the same place of an unmasked edit.
    share = 1.0 if area is None or guided else area**0.5
    smoothness, chroma = (GUIDED_SMOOTHNESS, GUIDED_CHROMA) if guided else (1.0, 1.0)
    attribute = (
        share
        * weights.attribute
        * Attribute(layers or (GUIDED_LAYERS if guided else TUNED_LAYERS), inside)
    )
    if not guided and not layers:
        attribute = attribute + share * weights.pixels * AttributePixels(mask=inside)
    return (
        weights.identity * identity
        + attribute
        + smoothness * weights.total_variation * TotalVariation()
        + chroma * weights.chroma * Chroma()
    )
