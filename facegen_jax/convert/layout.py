"""From a container's arrays to canonical tensors: names, axes, colour order. The only place with conversion algebra.

Canonical is what `vgg_face` takes: kernels height, width, input, output (HWIO) with RGB input, dense kernels (input, output) whose
input is a height-width-channel flatten. Everything here is a view; nothing is copied before it is written.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from ..network.published import Colour
from ..network.vgg_face import CONVOLUTIONS, DENSE
from .cursor import SourceError

NAMES = (*CONVOLUTIONS, *DENSE)
Axes = Literal["HWIO", "OIHW"]


class Parsed(NamedTuple):
    """What a reader found: kernel and bias of each layer as they are in the file, and how to understand them."""

    container: str
    layers: dict[str, tuple[np.ndarray, np.ndarray]]
    axes: Axes
    """HWIO: dense kernels are (input, output), fc6 takes an HWC flatten. OIHW: (output, input), fc6 takes a CHW flatten."""
    colour: Colour
    mean_rgb: tuple[float, ...] | None = None
    """As the file itself states it, 0-255."""
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Remarks for the person at the terminal."""


def by_position(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Name layers by their order, for containers that carry no names of VGG-Face."""
    if len(pairs) not in (len(CONVOLUTIONS), len(NAMES) - 1, len(NAMES)):
        raise SourceError(
            f"{len(pairs)} layers with weights; VGG-Face has {len(CONVOLUTIONS)} convolutions and up to 3 dense layers"
        )
    return dict(zip(NAMES, pairs, strict=False))


def canonical(parsed: Parsed, colour: Colour | None = None) -> dict[str, np.ndarray]:
    """Tensors named `conv1_1/kernel`, ..., in the order of the network.

    Returned kernels of fc6 keep the four axes (height, width, input, output), of which the first three make one: merging them here
    would copy 400 MB.

    Args:
        parsed: what a reader gave.
        colour: of conv1_1's input in the file, where the user knows better.

    Raises:
        SourceError: a layer is missing, or its arrays have the wrong number of axes or sizes that do not belong together.
    """
    missing = [name for name in CONVOLUTIONS if name not in parsed.layers]
    if missing:
        raise SourceError(
            f"no weights for {', '.join(missing)}: not VGG-Face, or an incomplete file"
        )
    tensors: dict[str, np.ndarray] = {}
    for name in NAMES:
        if name not in parsed.layers:
            continue
        kernel, bias = parsed.layers[name]
        if (
            name in DENSE and parsed.axes == "OIHW" and kernel.shape[:2] == (1, 1)
        ):  # Caffe's old form of two axes
            kernel = kernel.reshape(kernel.shape[2:])
        if name in CONVOLUTIONS:
            kernel = _convolution(name, kernel, parsed.axes)
        elif name == "fc6":
            kernel = _first_dense(kernel, tensors["conv5_3/kernel"].shape[-1], parsed.axes)
        else:
            kernel = _dense(name, kernel, parsed.axes)
        if bias.size != kernel.shape[-1]:
            raise SourceError(
                f"{name}/bias has shape {bias.shape}, expected {(kernel.shape[-1],)} after a kernel of shape {kernel.shape}"
            )
        tensors[f"{name}/kernel"], tensors[f"{name}/bias"] = kernel, bias.reshape(-1)
    if (colour or parsed.colour) == "BGR":
        tensors["conv1_1/kernel"] = tensors["conv1_1/kernel"][:, :, ::-1]
    return tensors


def _convolution(name: str, kernel: np.ndarray, axes: Axes) -> np.ndarray:
    if (
        kernel.ndim == 2 and axes == "OIHW" and kernel.shape[1] % 9 == 0
    ):  # Torch's SpatialConvolutionMM
        kernel = kernel.reshape(len(kernel), -1, 3, 3)
    if kernel.ndim != 4:
        raise SourceError(f"{name}/kernel has shape {kernel.shape}, expected four axes")
    return kernel if axes == "HWIO" else kernel.transpose(2, 3, 1, 0)


def _first_dense(kernel: np.ndarray, channels: int, axes: Axes) -> np.ndarray:
    """fc6 as a convolution over the whole map: (height, width, input, output)."""
    if kernel.ndim == 2:
        inputs, outputs = kernel.shape if axes == "HWIO" else kernel.shape[::-1]
        side = math.isqrt(inputs // channels)
        if side * side * channels != inputs:
            raise SourceError(
                f"fc6/kernel has shape {kernel.shape}, expected {channels} channels times a square number of places"
            )
        kernel = kernel.reshape(
            (side, side, channels, outputs) if axes == "HWIO" else (outputs, channels, side, side)
        )
    placed = kernel.transpose(2, 3, 1, 0) if axes == "OIHW" and kernel.ndim == 4 else kernel
    if placed.ndim != 4 or placed.shape[0] != placed.shape[1] or placed.shape[2] != channels:
        raise SourceError(
            f"fc6/kernel has shape {kernel.shape}, expected axes {axes} with a square of places and {channels} input channels"
        )
    return placed


def _dense(name: str, kernel: np.ndarray, axes: Axes) -> np.ndarray:
    if kernel.ndim == 4:  # written as a 1x1 convolution
        kernel = kernel.reshape(
            [
                side
                for side, axis in zip(kernel.shape, axes, strict=True)
                if axis in "IO" or side != 1
            ]
        )
    if kernel.ndim != 2:
        raise SourceError(f"{name}/kernel has shape {kernel.shape}, expected (inputs, outputs)")
    return kernel if axes == "HWIO" else kernel.T


def merged(tensors: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    """Shapes as they are written: fc6's height, width and input as one axis."""
    return {
        name: (math.prod(array.shape[:-1]), array.shape[-1])
        if name == "fc6/kernel"
        else tuple(array.shape)
        for name, array in tensors.items()
    }
