"""The paper's objective with its identity term off, at single layers, and as published."""

import facegen_jax as fg

none = 1.0 * fg.Attribute(("conv3_3", "conv4_3", "conv5_3"))
conv1_2 = 1.0 * fg.Identity(("conv1_2",)) + none
conv2_2 = 1.0 * fg.Identity(("conv2_2",)) + none
conv3_3 = 1.0 * fg.Identity(("conv3_3",)) + none
conv4_3 = 1.0 * fg.Identity(("conv4_3",)) + none
conv5_3 = 1.0 * fg.Identity(("conv5_3",)) + none
paper = 1.0 * fg.Identity(("conv3_3", "conv4_3", "conv5_3")) + none
