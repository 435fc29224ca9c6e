"""Checks that tensors are a VGG-Face network, read in the right order.

Wrong names, shapes, counts and numbers are errors. Statistics that suggest a wrong order of axes or
colours give warnings.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from ..network.tensor_file import blocks
from ..network.vgg_face import DENSE, VGGFace, param_shapes
from .cursor import SourceError
from .layout import NAMES, stored_shapes

TRAILING_ZEROS = 4
"""A trained kernel does not end in this many exact zeros."""
CONTENTS = {26: "convolutions only", 30: "without fc8", 32: "complete"}
"""Which part of the network a number of tensors makes."""


def expected_shapes(module: VGGFace, size: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor by name."""
    shapes = param_shapes(module, size)
    return {
        f"{name}/{leaf}": shapes[name][leaf].shape for name in NAMES for leaf in ("kernel", "bias")
    }


def check(tensors: Mapping[str, np.ndarray], expected: Mapping[str, tuple[int, ...]]) -> str:
    """Check names, shapes and numbers; return a description of the tensors.

    Raises:
        SourceError: names the tensor, with the expected and actual shape or the bad numbers.
    """
    shapes = check_shapes(tensors, expected)
    for name, array in tensors.items():
        _check_numbers(name, array, shapes[name])
    count = sum(map(math.prod, shapes.values()))
    return f"{len(shapes)} tensors, {count:,} parameters, {CONTENTS[len(shapes)]}"


def check_shapes(
    tensors: Mapping[str, np.ndarray], expected: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    """Check names and shapes; return the shapes to write. Errors are those of `check`."""
    shapes = stored_shapes(tensors)
    for name, shape in shapes.items():
        if shape != expected[name]:
            raise SourceError(
                f"{name} has shape {shape}, VGG-Face has {expected[name]}: another network"
            )
    dense = tuple(name for name in DENSE if f"{name}/kernel" in shapes)
    if len(shapes) not in CONTENTS or dense != DENSE[: len(dense)]:
        raise SourceError(
            f"{len(shapes)} tensors, dense layers {', '.join(dense) or 'none'}; expected "
            f"{', '.join(map(str, CONTENTS))} tensors, with dense layers from fc6 on"
        )
    return shapes


def _check_numbers(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if name.endswith("kernel") and array.dtype.itemsize < 2:
        raise SourceError(
            f"{name} holds {array.dtype} numbers: a quantised network; convert the one it was made "
            "of"
        )
    zeros, numbers = 0, np.empty(0, np.float32)
    for block in _memory_order(array):
        with np.errstate(over="ignore", invalid="ignore"):
            numbers = block.astype(np.float32, copy=False)
        if not np.isfinite(numbers).all():
            raise SourceError(f"{name} of shape {shape} holds non-finite numbers (as float32)")
        zeros += numbers.size - np.count_nonzero(numbers)
    if name.endswith("kernel") and zeros > array.size / 2:
        raise SourceError(
            f"{name} of shape {shape} has {zeros} zeros among {array.size} numbers: "
            "an unfinished download?"
        )
    if name.endswith("kernel") and not numbers.ravel()[-TRAILING_ZEROS:].any():
        raise SourceError(
            f"{name} of shape {shape} ends in {min(TRAILING_ZEROS, numbers.size)} zeros: "
            "an unfinished download?"
        )


def _memory_order(array: np.ndarray) -> Iterator[np.ndarray]:
    """Yield blocks in the order of memory.

    That is faster, and the part missing from an incomplete file is at the end of the last block.
    """
    return blocks(
        array.transpose(np.argsort([-abs(step) for step in array.strides], kind="stable"))
    )


@np.errstate(all="ignore")  # numbers whose squares overflow give no warnings
def order_warnings(tensors: Mapping[str, np.ndarray]) -> list[str]:
    """Return warnings about a probably wrong order of axes or colours.

    Random networks and, as far as known, correctly read ones give none. Each test compares the
    order as read with the one a wrong reading would give, by a trait of trained networks:
    - weight decay balances what enters a channel against what leaves it (Du et al.,
      arXiv:1806.00900), so a kernel's energy by output correlates with the next one's by input;
    - the centre of a face matters more than its border, so fc6's energy depends on the position;
    - in images of faces green resembles blue more than red, and so do conv1_1's kernels.
    """
    energies = {
        name.removesuffix("/kernel"): _energy(array)
        for name, array in tensors.items()
        if name.endswith("kernel")
    }
    warnings = [
        f"{name} ends in zeros"
        for name, array in tensors.items()
        if name.endswith("bias") and len(array) > 2 and not array[-2:].any()
    ]
    for previous, name in itertools.pairwise(NAMES):
        if name in energies and name != "fc6" and _swapped(energies[previous], energies[name]):
            warnings.append(f"{name}: inputs and outputs look swapped")
    if "fc6" in energies and _wrong_flatten(energies["fc6"].inputs_by_position):
        warnings.append("fc6: its inputs look flattened in the other order (CHW against HWC)")
    first = tensors["conv1_1/kernel"].astype(np.float64)
    red_green, green_blue = (
        float(np.corrcoef(first[:, :, i].ravel(), first[:, :, i + 1].ravel())[0, 1]) for i in (0, 1)
    )
    if red_green > max(0.3, green_blue + 0.03):
        warnings.append(
            "conv1_1: red and blue look swapped; check with --verify IMAGE, and set --colour RGB "
            "or BGR if you know the order"
        )
    return warnings


class _Energy(NamedTuple):
    """Sums of squares of a kernel."""

    inputs_by_position: np.ndarray
    """Summed over the outputs only."""
    outputs: np.ndarray
    """One for each output channel."""

    @property
    def inputs(self) -> np.ndarray:
        """One for each input channel."""
        return self.inputs_by_position.reshape(-1, self.inputs_by_position.shape[-1]).sum(0)


def _energy(kernel: np.ndarray) -> _Energy:
    kernel = kernel if kernel.dtype.itemsize >= 4 else kernel.astype(np.float32)
    axes = "hwio"[-kernel.ndim :]
    return _Energy(
        np.einsum(f"{axes},{axes}->{axes[:-1]}", kernel, kernel),
        np.einsum(f"{axes},{axes}->o", kernel, kernel),
    )


def _swapped(previous: _Energy, current: _Energy) -> bool:
    """Return whether a square kernel fits the previous layer better with its two axes swapped."""
    if len(current.inputs) != len(current.outputs):
        return False
    as_read = _log_correlation(previous.outputs, current.inputs)
    swapped = _log_correlation(previous.outputs, current.outputs)
    chance = 3 / len(current.outputs) ** 0.5  # three standard errors of an uncorrelated pair
    return swapped > max(chance, as_read) + 0.1


def _log_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return the correlation of the logarithms; 0 where it is undefined."""
    first, second = (np.log(np.asarray(energy, np.float64) + 1e-12) for energy in (first, second))
    return (
        float(np.corrcoef(first, second)[0, 1])
        if len(first) > 1 and first.std() > 0 and second.std() > 0
        else 0.0
    )


def _wrong_flatten(energies: np.ndarray) -> bool:
    """Return whether position explains more of fc6's input log energies in the other order."""
    height, width, channels = energies.shape
    positions = height * width
    flat = np.log(np.asarray(energies, np.float64) + 1e-12).reshape(-1, channels)

    def explained(by_position: np.ndarray) -> float:
        return float(by_position.mean(1).var() / max(by_position.var(), 1e-12))

    # CHW read as HWC, and the reverse.
    others = (flat.reshape(channels, positions).T, flat.T.reshape(positions, channels))
    best = max(map(explained, others))
    return positions > 1 and best > max(5 * explained(flat), 10 / channels)
