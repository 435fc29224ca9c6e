"""Objectives as published, on whatever network descends."""

import facegen_jax as fg

paper = 1.0 * fg.Identity() + 1.0 * fg.Attribute(("conv3_3", "conv4_3", "conv5_3"))
"""Li, Zuo & Zhang: maps of the reference and of the guides, everywhere, and no prior on pixels."""

interpolation = 1.0 * fg.Attribute(("conv3_1", "conv4_1", "conv5_1")) + 0.001 * fg.TotalVariation(
    of="image"
)
"""Deep Feature Interpolation (arXiv:1611.05507): three layers, total variation of the image."""
