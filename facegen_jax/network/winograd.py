"""Winograd's minimal filtering F(4x4, 3x3): a quarter of the multiplications of a convolution.

Source: Lavin & Gray, arXiv:1509.09308, section 4.3, whose matrices these are. Tiles of 6x6 inputs
give 4x4 outputs by 36 matrix products over channels. Rounding is coarser than that of a direct
convolution: about 1e-5 of the largest output in float32 (a test holds it).
"""

import functools
from collections.abc import Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ..types import AnyArray

OUT, IN = 4, 6
"""Sides of a tile's outputs and inputs."""
INPUT = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
KERNEL = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
OUTPUT = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
WIDE, TILES = 64, (49, 1024)
"""Channels, and least and most tiles, where the saved products outweigh the transforms: few tiles
leave reading the kernel as the cost, many do not fit into the cache."""


def suits(height: int, width: int, inputs: int, outputs: int) -> bool:
    """Return whether Winograd convolves maps of this shape faster than a direct convolution."""
    tiles = -(-height // OUT) * -(-width // OUT)
    return min(inputs, outputs) >= WIDE and TILES[0] <= tiles <= TILES[1]


def transformed(kernel: Float[Array, "3 3 inputs outputs"]) -> Float[Array, "6 6 inputs outputs"]:
    """Return a kernel as `correlate` reads it."""
    rows = jnp.stack(_combined(KERNEL, list(kernel)))  # 6 3 inputs outputs
    return jnp.stack(_combined(KERNEL, [rows[:, col] for col in range(3)]), 1)


def correlate(
    maps: Float[AnyArray, "batch height width inputs"],
    kernel: Float[Array, "6 6 inputs outputs"],
) -> Float[Array, "batch height width outputs"]:
    """Correlate at stride 1 and zero padding 1 with a transformed 3x3 kernel."""
    batch, height, width, inputs = maps.shape
    rows, cols, outputs = -(-height // OUT), -(-width // OUT), kernel.shape[-1]
    edges = (1, OUT * rows + 1 - height), (1, OUT * cols + 1 - width)
    padded = jnp.pad(maps, ((0, 0), *edges, (0, 0)))
    tiles = [
        tile
        for strip in _combined(INPUT, _every_fourth(padded, 1, rows))
        for tile in _combined(INPUT, _every_fourth(strip, 2, cols))
    ]
    stacked = jnp.reshape(jnp.stack(tiles), (IN * IN, batch * rows * cols, inputs))
    flat = jnp.reshape(kernel, (IN * IN, inputs, outputs))
    products = lax.dot_general(stacked, flat, (((2,), (1,)), ((0,), (0,))))
    products = jnp.reshape(products, (IN, IN, batch, rows, cols, outputs))
    strips = jnp.stack(_combined(OUTPUT, list(products)))  # 4 6 batch rows cols outputs
    cells = jnp.stack(_combined(OUTPUT, [strips[:, col] for col in range(IN)]))  # 4 columns first
    placed = jnp.transpose(cells, (2, 3, 1, 4, 0, 5))
    return jnp.reshape(placed, (batch, OUT * rows, OUT * cols, outputs))[:, :height, :width]


def _every_fourth(padded: Array, axis: int, count: int) -> list[Array]:
    """Return the six slices whose k-th elements make the k-th tile along an axis."""
    return [
        lax.slice_in_dim(padded, first, first + OUT * (count - 1) + 1, OUT, axis)
        for first in range(IN)
    ]


def _combined(matrix: Sequence[Sequence[int | float]], parts: Sequence[Array]) -> list[Array]:
    """Multiply a matrix by a vector of arrays; zeros cost nothing."""
    return [
        functools.reduce(
            jnp.add, [factor * part for factor, part in zip(row, parts, strict=True) if factor]
        )
        for row in matrix
    ]
