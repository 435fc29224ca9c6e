"""The conversion algebra: from the arrays of any container to canonical names, axes and colours.

Canonical is the layout that `vgg_face` uses: kernels as (height, width, input, output) (HWIO) for
RGB input, dense kernels as (input, output), with the input of fc6 flattened in (height, width,
channel) order. Everything here is a view; nothing is copied before it is written.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from ..network.published import Colour
from ..network.vgg_face import CONVOLUTIONS, DENSE
from .cursor import SourceError

NAMES = (*CONVOLUTIONS, *DENSE)
POSSIBLE = (len(CONVOLUTIONS), len(NAMES) - 1, len(NAMES))
"""Numbers of layers that VGG-Face can have: without dense layers, without fc8, complete."""
Axes = Literal["HWIO", "OIHW"]
TOP = "."
"""Name of a network that is not nested in anything."""
Pair: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Kernel and bias of a layer."""


class Parsed(NamedTuple):
    """The layers a reader found, as they are stored in the file, and how to interpret them."""

    container: str
    layers: dict[str, Pair]
    axes: Axes
    """HWIO: dense kernels are (input, output) and fc6 takes an HWC flatten. OIHW: they are
    (output, input) and fc6 takes a CHW flatten."""
    colour: Colour
    mean_rgb: tuple[float, ...] | None = None
    """Mean colour stated by the file, in 0-255."""
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Assumptions that the user should check."""
    name: str = TOP
    """What the file calls the network, if it holds several."""
    others: int = 0
    """How many tensors of the file belong to something else."""
    problem: str = ""
    """Why the layers cannot be used, if they cannot."""


def by_position(pairs: Sequence[Pair]) -> tuple[dict[str, Pair], str]:
    """Name layers by their order, where they have no names of VGG-Face's.

    Returns them, or none and what is wrong with their number.
    """
    if len(pairs) in POSSIBLE:
        return dict(zip(NAMES, pairs, strict=False)), ""
    return {}, (
        f"{len(pairs)} layers with weights; VGG-Face has {len(CONVOLUTIONS)} convolutions "
        "and up to 3 dense layers"
    )


def only_convolutions(parsed: Parsed) -> Parsed:
    """Return a network without its dense layers."""
    layers = {name: pair for name, pair in parsed.layers.items() if name not in DENSE}
    return parsed._replace(layers=layers)


def canonical(parsed: Parsed, colour: Colour | None = None) -> dict[str, np.ndarray]:
    """Return tensors named `conv1_1/kernel`, ..., in the order of the network.

    fc6's kernel keeps four axes (height, width, input, output); `stored_shapes` merges the first
    three when it is written, because merging them here would copy 400 MB.

    Args:
        parsed: layers from a reader.
        colour: order of conv1_1's input channels in the file; overrides the reader's.

    Raises:
        SourceError: a layer is missing, or its arrays have the wrong number of axes or
            inconsistent sizes.
    """
    if parsed.problem:
        raise SourceError(parsed.problem)
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
        if name in CONVOLUTIONS:
            kernel = _convolution(name, kernel, parsed.axes)
        elif name == "fc6":
            kernel = _fc6(kernel, tensors["conv5_3/kernel"].shape[-1], parsed.axes)
        else:
            kernel = _dense(name, kernel, parsed.axes)
        if bias.size != kernel.shape[-1]:
            raise SourceError(
                f"{name}/bias has shape {bias.shape}, expected {(kernel.shape[-1],)} to match the "
                f"kernel's {kernel.shape}"
            )
        tensors[f"{name}/kernel"], tensors[f"{name}/bias"] = kernel, bias.reshape(-1)
    if (colour or parsed.colour) == "BGR":
        tensors["conv1_1/kernel"] = tensors["conv1_1/kernel"][:, :, ::-1]
    return tensors


def _convolution(name: str, kernel: np.ndarray, axes: Axes) -> np.ndarray:
    if kernel.ndim == 2 and axes == "OIHW" and kernel.shape[1] % 9 == 0:
        kernel = kernel.reshape(len(kernel), -1, 3, 3)  # Torch's SpatialConvolutionMM
    if kernel.ndim != 4:
        raise SourceError(f"{name}/kernel has shape {kernel.shape}, expected four axes")
    return kernel if axes == "HWIO" else kernel.transpose(2, 3, 1, 0)


def _fc6(kernel: np.ndarray, channels: int, axes: Axes) -> np.ndarray:
    """Return fc6 as a convolution over the whole feature map: (height, width, input, output)."""
    kernel = _without_unit_axes(kernel, axes)
    if kernel.ndim == 2:
        inputs, outputs = kernel.shape if axes == "HWIO" else kernel.shape[::-1]
        side = math.isqrt(inputs // channels)
        if side * side * channels != inputs:
            raise SourceError(
                f"fc6/kernel has shape {kernel.shape}, expected {channels} channels times a "
                "square number of positions"
            )
        kernel = kernel.reshape(
            (side, side, channels, outputs) if axes == "HWIO" else (outputs, channels, side, side)
        )
    hwio = kernel.transpose(2, 3, 1, 0) if axes == "OIHW" and kernel.ndim == 4 else kernel
    if hwio.ndim != 4 or hwio.shape[0] != hwio.shape[1] or hwio.shape[2] != channels:
        raise SourceError(
            f"fc6/kernel has shape {kernel.shape}, expected axes {axes} over a square map of "
            f"{channels} channels"
        )
    return hwio


def _dense(name: str, kernel: np.ndarray, axes: Axes) -> np.ndarray:
    kernel = _without_unit_axes(kernel, axes)
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


def _without_unit_axes(kernel: np.ndarray, axes: Axes) -> np.ndarray:
    """Drop the two leading unit axes with which old Caffe files store dense kernels."""
    leading = axes == "OIHW" and kernel.shape[:2] == (1, 1)
    return kernel.reshape(kernel.shape[2:]) if leading else kernel


def stored_shapes(tensors: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    """Return the shapes to write: fc6's height, width and input become one axis."""
    return {
        name: (math.prod(array.shape[:-1]), array.shape[-1])
        if name == "fc6/kernel"
        else tuple(array.shape)
        for name, array in tensors.items()
    }
