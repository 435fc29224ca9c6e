"""The canonical network that every writer starts from, and common rearrangements of its arrays."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

Network = Mapping[str, np.ndarray]

BLOCKS = (2, 2, 3, 3, 3)
CONVOLUTIONS = tuple(
    f"conv{block}_{number}"
    for block, count in enumerate(BLOCKS, 1)
    for number in range(1, count + 1)
)
DENSE = ("fc6", "fc7", "fc8")
WEIGHTED = CONVOLUTIONS + DENSE
MEAN_RGB = np.array([129.186279296875, 104.76238250732422, 93.59396362304688], np.float32)


class Layout(NamedTuple):
    """A layout in which VGG-Face weights are published, with its writer."""

    name: str
    filename: str
    colour: str  # "RGB" or "BGR": order of conv1_1's input channels in the file
    dense: bool  # whether the file holds fc6, fc7 and fc8
    write: Callable[[Path, Network], None]
    exact: bool = True  # bit-equal after conversion to float32
    needs: tuple[str, ...] = ()  # modules needed to write the file


def _sequence() -> tuple[tuple[str, str], ...]:
    """Return the 39 layers in order, as (kind, name)."""
    layers = []
    for block, count in enumerate(BLOCKS, 1):
        for number in range(1, count + 1):
            layers += [("conv", f"conv{block}_{number}"), ("relu", f"relu{block}_{number}")]
        layers.append(("pool", f"pool{block}"))
    for number in (6, 7):
        layers += [
            ("dense", f"fc{number}"),
            ("relu", f"relu{number}"),
            ("dropout", f"drop{number}"),
        ]
    return (*layers, ("dense", "fc8"), ("softmax", "prob"))


SEQUENCE = _sequence()


def random_network(
    rng: np.random.Generator,
    widths: tuple[int, ...] = (64, 128, 256, 512, 512),
    dense: tuple[int, ...] = (4096, 4096, 2622),
    grid: int = 7,
) -> dict[str, np.ndarray]:
    """Return a network of He-scaled normal kernels and normal biases, in practice without zeros."""
    network = {}
    outputs = [width for width, count in zip(widths, BLOCKS, strict=True) for _ in range(count)]
    shapes: list[tuple[int, ...]] = [
        (3, 3, i, o) for i, o in zip((3, *outputs), outputs, strict=False)
    ]
    shapes += zip((grid * grid * outputs[-1], *dense), dense, strict=False)
    for name, shape in zip(WEIGHTED, shapes, strict=True):
        kernel = rng.standard_normal(shape, np.float32)
        kernel *= np.float32(
            np.sqrt(2 / np.prod(shape[:-1]))
        )  # in place because fc6 alone takes 411 MB
        network[f"{name}/kernel"] = kernel
        network[f"{name}/bias"] = rng.standard_normal(shape[-1:], np.float32) / np.float32(10)
    return network


def in_colour(network: Network, colour: str) -> dict[str, np.ndarray]:
    """Return the network for images whose channel order is `colour`."""
    first = network["conv1_1/kernel"]
    return {**network, "conv1_1/kernel": {"RGB": first, "BGR": first[:, :, ::-1]}[colour]}


def as_convolution(network: Network, name: str) -> np.ndarray:
    """Return a layer's kernel as HWIO; fc6 spans the whole feature map, fc7 and fc8 are 1x1."""
    kernel = network[f"{name}/kernel"]
    if kernel.ndim == 4:
        return kernel
    grid = round((len(kernel) / len(network["conv5_3/bias"])) ** 0.5) if name == "fc6" else 1
    return kernel.reshape(grid, grid, -1, kernel.shape[1])


def channels_first(network: Network, name: str) -> np.ndarray:
    """Return a copy of a layer's kernel as OIHW; dense ones as (O, I) with inputs in CHW order."""
    kernel = as_convolution(network, name).transpose(3, 2, 0, 1).copy()
    return kernel.reshape(len(kernel), -1) if name in DENSE else kernel


def class_names(network: Network) -> list[str]:
    """Return one invented name per output of fc8."""
    return [f"Person_{number:04}" for number in range(1, len(network["fc8/bias"]) + 1)]
