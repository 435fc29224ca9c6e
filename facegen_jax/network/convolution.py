"""Convolution and max pooling, forward and backward, fast on CPUs.

Loops over steps read `Filters`: kernels that were flipped or transformed once, outside of the loop.
Which algorithm convolves is decided here, from shapes alone (`experiments/speed` compares them).
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ..types import AnyArray
from . import winograd

FEW = 3
"""Channels of an image or its gradient: too few for a matrix product."""
NARROW = 32
"""Channels on the other side up to which sums over taps beat a convolution with `FEW`."""
Maps = Float[AnyArray, "batch height width inputs"]
Kernel = Float[Array, "3 3 inputs outputs"]


class Filters(NamedTuple):
    """A kernel as loops read it; each array is 3x3, or 6x6 and transformed for Winograd."""

    forward: Float[Array, "side side inputs outputs"]
    backward: Float[Array, "side side outputs inputs"]
    """The kernel of the input gradient."""


def filters(kernel: Kernel, height: int, width: int) -> Filters:
    """Prepare a kernel for many convolutions of maps of this size, and for their gradients."""

    def prepared(kernel: Kernel) -> Array:
        suited = winograd.suits(height, width, *kernel.shape[2:])
        return winograd.transformed(kernel) if suited else kernel

    return Filters(prepared(kernel), prepared(_flipped(kernel)))


def convolve_with(maps: Maps, filters: Filters) -> Float[Array, "batch height width outputs"]:
    """Correlate like `convolve`; filters are constants, whose gradient is taken to be zero."""
    return _convolve_with(_precision(), maps, filters)


def convolve(maps: Maps, kernel: Kernel) -> Float[Array, "batch height width outputs"]:
    """Correlate with a 3x3 kernel at stride 1 and zero padding 1.

    The input gradient is written as the same kind of convolution with the flipped kernel: XLA's own
    transpose is several times slower on CPUs (see `experiments/speed`). As in JAX's own operations,
    the default precision of products at the call is that of the gradient, too.
    """
    return _convolve(_precision(), maps, kernel)


def _precision() -> str | None:
    settings: Any = jax.config
    return settings.jax_default_matmul_precision


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _convolve_with(precision: str | None, maps: Maps, filters: Filters) -> Array:
    return _correlate(maps, filters.forward)


def _convolve_with_backward(precision, filters, gradient):
    with jax.default_matmul_precision(precision):
        return _correlate(gradient, filters.backward), None


_convolve_with.defvjp(
    lambda precision, maps, filters: (_correlate(maps, filters.forward), filters),
    _convolve_with_backward,
)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _convolve(precision: str | None, maps: Maps, kernel: Kernel) -> Array:
    return _direct(maps, kernel)


def _convolve_backward(precision, saved, gradient):
    maps, kernel = saved
    with jax.default_matmul_precision(precision):
        _, kernel_vjp = jax.vjp(lambda kernel: _direct(maps, kernel), kernel)
        return convolve(gradient, _flipped(kernel)), kernel_vjp(gradient)[0]


_convolve.defvjp(
    lambda precision, maps, kernel: (_direct(maps, kernel), (maps, kernel)), _convolve_backward
)


def _flipped(kernel: Kernel) -> Float[Array, "3 3 outputs inputs"]:
    return jnp.flip(kernel, (0, 1)).swapaxes(2, 3)


def _correlate(maps: Maps, prepared: Array) -> Array:
    if len(prepared) != 3:
        return winograd.correlate(maps, prepared)
    inputs, outputs = prepared.shape[2:]
    if inputs <= FEW and outputs <= NARROW:
        return _sum_of_inputs(maps, prepared)
    if outputs <= FEW and inputs <= NARROW:
        return _sum_of_outputs(maps, prepared)
    return _direct(maps, prepared)


def _direct(maps: Maps, kernel: Array) -> Array:
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        jnp.asarray(maps), kernel, (1, 1), ((1, 1), (1, 1)), dimension_numbers=layout
    )


def _padded(maps: Maps) -> Array:
    return jnp.pad(jnp.asarray(maps), ((0, 0), (1, 1), (1, 1), (0, 0)))


def _shifted(padded: Array, tap: int, first: int, count: int) -> Array:
    """Return `count` channels as one of the nine taps of a kernel sees them.

    Sliced by `lax`, as indexing takes ten times as long to trace.
    """
    batch, height, width, _ = padded.shape
    row, col = divmod(tap, 3)
    end = (batch, row + height - 2, col + width - 2, first + count)
    return lax.slice(padded, (0, row, col, first), end)


def _sum_of_inputs(maps: Maps, kernel: Array) -> Array:
    """Convolve few channels: one elementwise sum over taps and channels."""
    inputs, outputs = kernel.shape[2:]
    padded, rows = _padded(maps), lax.reshape(kernel, (9 * inputs, outputs))

    def product(index: int) -> Array:
        pixels = _shifted(padded, *divmod(index, inputs), 1)
        row = lax.slice_in_dim(rows, index, index + 1)
        shape = (*maps.shape[:3], outputs)
        both = (pixels, (0, 1, 2, 3)), (row, (2, 3))
        return lax.mul(*(lax.broadcast_in_dim(each, shape, axes) for each, axes in both))

    return functools.reduce(lax.add, map(product, range(9 * inputs)))


def _sum_of_outputs(maps: Maps, kernel: Array) -> Array:
    """Convolve into few channels: one product with all taps, then the sum of their shifts."""
    outputs = kernel.shape[-1]
    taps = jnp.reshape(jnp.transpose(kernel, (2, 0, 1, 3)), (kernel.shape[2], -1))
    padded = _padded(lax.dot_general(maps, taps, (((3,), (0,)), ((), ()))))
    parts = (_shifted(padded, tap, tap * outputs, outputs) for tap in range(9))
    return functools.reduce(lax.add, parts)


@jax.custom_vjp
def max_pool(
    maps: Float[Array, "batch height width channels"],
) -> Float[Array, "batch half_height half_width channels"]:
    """Take the maximum of 2x2 cells at stride 2; an odd last row or column is dropped.

    The gradient goes to all maxima of a cell in equal parts. Both are elementwise: the gradient of
    `reduce_window` is a scatter, that of strided slices an interleaving, and both are slow on CPUs.
    """
    height, width = (side // 2 * 2 for side in maps.shape[1:3])
    corners = _corners(maps[:, :height, :width])
    return jnp.maximum(jnp.maximum(corners[0], corners[1]), jnp.maximum(corners[2], corners[3]))


def _max_pool_forward(maps):
    pooled = max_pool(maps)
    return pooled, (maps, pooled)


def _max_pool_backward(saved, gradient):
    maps, pooled = saved
    height, width = (2 * side for side in pooled.shape[1:3])
    covered = maps[:, :height, :width]
    equal = [(corner == pooled).astype(gradient.dtype) for corner in _corners(covered)]
    largest = functools.reduce(jnp.add, equal)
    spread = jnp.where(covered == _doubled(pooled), _doubled(gradient / largest), 0)
    rest = [(0, side % 2) for side in maps.shape[1:3]]
    return (jnp.pad(spread, ((0, 0), *rest, (0, 0))),)


def _corners(maps: Array) -> list[Array]:
    """Return the four elements of every 2x2 cell."""
    step = (1, 2, 2, 1)
    return [lax.slice(maps, (0, row, col, 0), maps.shape, step) for row in (0, 1) for col in (0, 1)]


def _doubled(maps: Array) -> Array:
    """Repeat every element as a 2x2 cell."""
    batch, height, width, channels = maps.shape
    cells = lax.broadcast_in_dim(maps, (batch, height, 2, width, 2, channels), (0, 1, 3, 5))
    return lax.reshape(cells, (batch, 2 * height, 2 * width, channels))


max_pool.defvjp(_max_pool_forward, _max_pool_backward)
