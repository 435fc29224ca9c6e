"""Array aliases and the image contract.

An image is RGB, float32, in [0, 1], shaped `height width 3`; everywhere in the package but inside `vgg_face`, where alone
the network's own range and mean exist.
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import Array, Float

AnyArray: TypeAlias = Array | np.ndarray
Image: TypeAlias = Float[AnyArray, "height width 3"]
NewImage: TypeAlias = Float[np.ndarray, "new_height new_width 3"]
"""An image of another size than the one it was made from."""
Images: TypeAlias = Float[AnyArray, "*batch height width 3"]
FeatureMap: TypeAlias = Float[AnyArray, "height width channels"]
Features: TypeAlias = dict[str, Float[AnyArray, "..."]]
"""Named maps of one forward pass; the picture itself is layer zero, under `"image"`."""
Params: TypeAlias = dict[str, dict[str, Array]]
"""Network parameters: layer name to `kernel` and `bias`."""
Scalar: TypeAlias = Float[Array, ""]
Mask: TypeAlias = Float[AnyArray, "height width"]
