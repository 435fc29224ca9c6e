"""Convolution and max pooling with backward passes that are fast on CPUs."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ..types import AnyArray


@jax.custom_vjp
def convolve(
    maps: Float[AnyArray, "batch height width inputs"], kernel: Float[Array, "3 3 inputs outputs"]
) -> Float[Array, "batch height width outputs"]:
    """Correlate with a 3x3 kernel at stride 1 and zero padding 1.

    The input gradient is written as the same kind of convolution with the flipped kernel: XLA's own
    transpose is several times slower on CPUs (see `experiments/speed`).
    """
    return _correlate(maps, kernel)


def _correlate(maps, kernel):
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        maps, kernel, (1, 1), ((1, 1), (1, 1)), dimension_numbers=layout
    )


def _convolve_forward(maps, kernel):
    return convolve(maps, kernel), (maps, kernel)


def _convolve_backward(saved, gradient):
    maps, kernel = saved
    flipped = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
    _, kernel_vjp = jax.vjp(lambda kernel: _correlate(maps, kernel), kernel)
    return convolve(gradient, flipped), kernel_vjp(gradient)[0]


convolve.defvjp(_convolve_forward, _convolve_backward)


def max_pool(
    maps: Float[Array, "batch height width channels"],
) -> Float[Array, "batch half_height half_width channels"]:
    """Take the maximum of 2x2 cells at stride 2; an odd last row or column is dropped.

    The maximum of four strided slices has an elementwise gradient; that of `reduce_window` is a
    scatter, which is slow on CPUs.
    """
    height, width = (side // 2 * 2 for side in maps.shape[1:3])
    corners = [maps[:, row:height:2, col:width:2] for row in (0, 1) for col in (0, 1)]
    return jnp.maximum(jnp.maximum(corners[0], corners[1]), jnp.maximum(corners[2], corners[3]))
