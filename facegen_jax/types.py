"""Array types and the image contract.

An image is RGB, float32, in [0, 1], shaped `height width 3`. The value range and mean that a
network expects are applied inside its own module, such as `vgg_face`, and nowhere else.
"""

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from jaxtyping import Array
else:

    class _JaxArray(type):
        """Knows JAX's arrays without importing JAX, which processes that read photos do without."""

        def __instancecheck__(cls, value: Any) -> bool:
            jax = sys.modules.get("jax")
            return jax is not None and isinstance(value, jax.Array)

    class Array(metaclass=_JaxArray):
        """Stands for `jax.Array`."""


AnyArray: TypeAlias = Array | np.ndarray
Image: TypeAlias = Float[AnyArray, "height width 3"]
NewImage: TypeAlias = Float[np.ndarray, "new_height new_width 3"]
"""An image whose size differs from that of the image it was made from."""
Images: TypeAlias = Float[AnyArray, "*batch height width 3"]
FeatureMap: TypeAlias = Float[AnyArray, "height width channels"]
Features: TypeAlias = Mapping[str, Float[AnyArray, "..."]]
"""Feature maps of one forward pass by layer; layer `"image"` is the image itself."""
Params: TypeAlias = dict[str, dict[str, Array]]
"""Network parameters: layer name to `kernel` and `bias`."""
Scalar: TypeAlias = Float[Array, ""]
Mask: TypeAlias = Float[AnyArray, "height width"]
Progress: TypeAlias = Callable[[int, int], object]
"""Progress callback, called as `progress(done, total)`."""
StepProgress: TypeAlias = Callable[[int, Float[np.ndarray, " batch"]], bool | None]
"""Progress callback of a descent, called between chunks with the steps done and each problem's
total; returning True stops there."""
Follow: TypeAlias = StepProgress | bool | None
"""What follows a descent: a function, or whether to show a bar; None shows one in notebooks."""
