"""Whether tensors are a VGG-Face network: shapes and counts (errors), and statistics that show a wrong order of axes or colours (doubts)."""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import jax
import numpy as np

from ..network.tensor_file import blocks
from ..network.vgg_face import DENSE, VGGFace, init_params
from .cursor import SourceError
from .layout import NAMES, merged

ZEROS = 4
"""Exact zeros at the end of a kernel that trained weights do not have."""
COUNTS = {26: "convolutions only", 30: "without fc8", 32: "complete"}


def shapes_of(module: VGGFace, size: int) -> dict[str, tuple[int, ...]]:
    """Shape of each tensor by name."""
    params = jax.eval_shape(lambda key: init_params(key, module, size), jax.random.key(0))
    return {
        f"{name}/{leaf}": tuple(params[name][leaf].shape)
        for name in NAMES
        for leaf in ("kernel", "bias")
    }


def check(tensors: Mapping[str, np.ndarray], expected: Mapping[str, tuple[int, ...]]) -> str:
    """Compare names, shapes and numbers with those expected; returns what the network holds, in words.

    Raises:
        SourceError: naming the tensor, the shape expected and the shape found; or what is wrong with its numbers.
    """
    shapes = merged(tensors)
    for name, shape in shapes.items():
        if shape != expected[name]:
            raise SourceError(
                f"{name} has shape {shape}, VGG-Face has {expected[name]}: another network"
            )
    held = [name for name in DENSE if f"{name}/kernel" in shapes]
    if len(shapes) not in COUNTS or tuple(held) != DENSE[: len(held)]:
        raise SourceError(
            f"{len(shapes)} tensors, with {', '.join(held)} of the dense layers; expected {', '.join(map(str, COUNTS))} tensors"
        )
    for name, array in tensors.items():
        _check_numbers(name, array, shapes[name])
    return f"{len(shapes)} tensors, {sum(map(math.prod, shapes.values())):,} parameters, {COUNTS[len(shapes)]}"


def _check_numbers(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    zeros, numbers = 0, np.empty(0, np.float32)
    for block in _as_it_lies(array):
        with np.errstate(over="ignore", invalid="ignore"):
            numbers = block.astype(np.float32, copy=False)
        if not np.isfinite(numbers).all():
            raise SourceError(
                f"{name} of shape {shape} holds numbers that are not finite (as float32)"
            )
        zeros += numbers.size - np.count_nonzero(numbers)
    if name.endswith("kernel") and zeros > array.size / 2:
        raise SourceError(
            f"{name} of shape {shape} is zero in {zeros} of {array.size} places: an unfinished download?"
        )
    if name.endswith("kernel") and not numbers.ravel()[-ZEROS:].any():
        raise SourceError(
            f"{name} of shape {shape} ends in {min(ZEROS, numbers.size)} zeros: an unfinished download?"
        )


def _as_it_lies(array: np.ndarray) -> Iterator[np.ndarray]:
    """Blocks in the order of memory, which is faster, and puts what a damaged file lacks at the end."""
    return blocks(
        array.transpose(np.argsort([-abs(step) for step in array.strides], kind="stable"))
    )


@np.errstate(all="ignore")  # numbers too large to square raise no doubts
def doubts(tensors: Mapping[str, np.ndarray]) -> list[str]:
    """Signs of a wrong order of axes or colours, in words; none for random networks and, as far as known, for right ones.

    Each compares the order that was read with the one that a wrong reading gives, by a trait that training leaves:
    - weight decay balances what goes into a channel with what comes out of it (Du et al., arXiv:1806.00900), so the energies of one
      kernel's outputs and the next one's inputs go together;
    - the centre of a face matters more than its border, so fc6's energy depends on the place;
    - in pictures of faces green is more like blue than like red, so conv1_1's kernels are too.
    """
    energies = {
        name.removesuffix("/kernel"): _energy(array)
        for name, array in tensors.items()
        if name.endswith("kernel")
    }
    found = [
        f"{name} ends in zeros"
        for name, array in tensors.items()
        if name.endswith("bias") and len(array) > 2 and not array[-2:].any()
    ]
    for before, name in itertools.pairwise(NAMES):
        if (
            name not in energies
            or name == "fc6"
            or len(energies[name].inputs) != len(energies[name].outputs)
        ):
            continue
        inputs, outputs = (
            _alike(energies[before].outputs, energy)
            for energy in (energies[name].inputs, energies[name].outputs)
        )
        if (
            outputs > max(3 / len(energies[name].outputs) ** 0.5, inputs) + 0.1
        ):  # 3 standard errors of what chance gives
            found.append(f"{name}: inputs and outputs look exchanged")
    if "fc6" in energies and _places_matter_more_exchanged(energies["fc6"].places):
        found.append(
            "fc6: its inputs look as if channels (CHW) and places (HWC) were taken for each other"
        )
    first = tensors["conv1_1/kernel"].astype(np.float64)
    red_green, green_blue = (
        float(np.corrcoef(first[:, :, i].ravel(), first[:, :, i + 1].ravel())[0, 1]) for i in (0, 1)
    )
    if red_green > max(0.3, green_blue + 0.03):
        found.append(
            "conv1_1: red and blue look exchanged; compare with --verify IMAGE, and give --colour RGB or BGR where you know"
        )
    return found


class _Energy(NamedTuple):
    """Sums of squares of a kernel."""

    places: np.ndarray
    """By everything but the output."""
    outputs: np.ndarray

    @property
    def inputs(self) -> np.ndarray:
        """By input channel."""
        return self.places.reshape(-1, self.places.shape[-1]).sum(0)


def _energy(kernel: np.ndarray) -> _Energy:
    kernel = kernel if kernel.dtype.itemsize >= 4 else kernel.astype(np.float32)
    axes = "hwio"[-kernel.ndim :]
    return _Energy(
        np.einsum(f"{axes},{axes}->{axes[:-1]}", kernel, kernel),
        np.einsum(f"{axes},{axes}->o", kernel, kernel),
    )


def _alike(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation of logarithms."""
    first, second = (np.log(np.asarray(energy, np.float64) + 1e-12) for energy in (first, second))
    return (
        float(np.corrcoef(first, second)[0, 1])
        if len(first) > 1 and first.std() > 0 and second.std() > 0
        else 0.0
    )


def _places_matter_more_exchanged(energies: np.ndarray) -> bool:
    """Whether the place explains more of fc6's (log) input energies if the inputs are read in the other order."""
    height, width, channels = energies.shape
    flat, places = (
        np.log(np.asarray(energies, np.float64) + 1e-12).reshape(-1, channels),
        height * width,
    )

    def explained(by_place: np.ndarray) -> float:
        return float(by_place.mean(1).var() / max(by_place.var(), 1e-12))

    exchanged = (
        flat.reshape(channels, places).T,
        flat.T.reshape(places, channels),
    )  # CHW taken for HWC, and the reverse
    return places > 1 and max(map(explained, exchanged)) > max(5 * explained(flat), 10 / channels)
