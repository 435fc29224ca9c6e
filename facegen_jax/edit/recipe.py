"""The default objective of the command lines; `docs/settings.md` says how it was chosen."""

from ..descent.objective import Objective
from ..descent.terms import (
    Attribute,
    AttributePixels,
    Chroma,
    DescriptorIdentity,
    Identity,
    TotalVariation,
)
from .settings import Weights

INSIDE, HELD = "inside", "identity"
"""Masks: where the attribute acts, and where the reference's maps are held."""
TUNED_LAYERS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3")
"""Where a direction acts: with high layers alone the image answers with speckle."""
GUIDED_LAYERS = ("conv2_2", "conv3_3", "conv4_3")
"""Where guides act: lower layers would paste the guide's own face, higher ones bring blotches."""
HELD_LAYERS = ("image", "conv1_2", "conv2_2")
"""Where the reference is held outside of the attribute's region."""
LAYERS = tuple(dict.fromkeys((*HELD_LAYERS, *TUNED_LAYERS, *GUIDED_LAYERS, "conv5_3")))
"""Every layer that some variant of the recipe may read, beside the descriptor's."""
GUIDED_SMOOTHNESS, GUIDED_CHROMA = 3.0, 10.0
"""Factors on the weights of total variation and colour with guides, whose own colours are
unwanted."""
GUIDED_DESCRIPTOR, TUNED_DESCRIPTOR = 0.25, 0.025
"""Weight of the descriptor in the identity part, with guides and with a direction: enough to stay
the same person, little enough to let the attribute come. Guides are other people; a direction
hardly moves the person, and a larger weight undoes the attribute first."""


def objective(
    weights: Weights,
    *,
    guided: bool = False,
    layers: tuple[str, ...] = (),
    area: float | None = None,
    held: bool = False,
    described: bool = True,
) -> Objective:
    """Return the objective of one kind of edit.

    Args:
        weights: loss weights of its parts.
        guided: the attribute comes from guides, not from a direction.
        layers: layers where the attribute acts; the recipe's own by default. Others get no
            `AttributePixels`.
        area: share of the image that the mask "inside" covers, where the attribute acts; None if it
            acts everywhere.
        held: the reference's maps are held inside the mask "identity".
        described: the network has fc7 for images of this size; otherwise its deepest maps stand in.
    """
    inside = None if area is None else INSIDE
    describing = DescriptorIdentity() if described else Identity(("conv5_3",))
    identity = (GUIDED_DESCRIPTOR if guided else TUNED_DESCRIPTOR) * describing
    if held:
        identity = identity + Identity(HELD_LAYERS, HELD)
    # A masked distance is a mean over the mask: without this factor a small region would be pushed
    # harder than the same pixels of an unmasked edit.
    share = 1.0 if area is None or guided else area**0.5
    smoothness, chroma = (GUIDED_SMOOTHNESS, GUIDED_CHROMA) if guided else (1.0, 1.0)
    acting = layers or (GUIDED_LAYERS if guided else TUNED_LAYERS)
    attribute = share * weights.attribute * Attribute(acting, inside)
    if not guided and not layers:
        attribute = attribute + share * weights.pixels * AttributePixels(mask=inside)
    return (
        weights.identity * identity
        + attribute
        + smoothness * weights.total_variation * TotalVariation()
        + chroma * weights.chroma * Chroma()
    )
