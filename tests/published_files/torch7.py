"""Torch7's binary `.t7` serialisation of an nn.Sequential, written from its grammar."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from .network import (
    DENSE,
    SEQUENCE,
    WEIGHTED,
    Layout,
    Network,
    as_convolution,
    channels_first,
    in_colour,
)

DTYPES = {"Float": "<f4", "Cuda": "<f4", "Double": "<f8", "Long": "<i8"}


class Dialect(NamedTuple):
    """Variations between files."""

    element: str = "Float"  # as in torch.FloatTensor and torch.FloatStorage
    unfolded: bool = True  # nn.SpatialConvolutionMM with (O, I*H*W) kernels, not SpatialConvolution
    shared: bool = False  # all parameters in one storage, as after getParameters()
    versioned: bool = True  # write "V 1" before each class name


DEFAULT = Dialect()


@dataclass(eq=False)
class Storage:
    """A flat vector, whose arrays are computed only when they are written."""

    element: str
    count: int
    arrays: Iterable[np.ndarray]


@dataclass(eq=False)
class Tensor:
    """A contiguous view of a storage at a 1-based offset; by default an empty tensor."""

    element: str
    size: tuple[int, ...] = ()
    storage: Storage | None = None
    offset: int = 1


@dataclass(eq=False)
class Module:
    """An object of a Lua class without its own serialisation."""

    name: str
    table: dict[Any, Any]


class Writer:
    """A writer of Lua values; repeated tables and Torch objects become references."""

    def __init__(self, file: BinaryIO, versioned: bool) -> None:
        self.file = file
        self.versioned = versioned
        # Index of each object by its id; the object is kept so that its id is not reused.
        self.seen: dict[int, tuple[int, Any]] = {}

    def _pack(self, fmt: str, *values: float) -> None:
        self.file.write(struct.pack(f"<{fmt}", *values))

    def _string(self, text: str) -> None:
        self._pack("i", len(text))
        self.file.write(text.encode())

    def _is_new(self, value: Any) -> bool:
        """Write the index of an object; return whether its content must follow."""
        new = id(value) not in self.seen
        index, _ = self.seen.setdefault(id(value), (len(self.seen) + 1, value))
        self._pack("i", index)
        return new

    def write(self, value: Any) -> None:
        match value:
            case None:
                self._pack("i", 0)
            case bool():  # before the numbers, because a bool is an int
                self._pack("ii", 5, value)
            case int() | float():
                self._pack("id", 1, value)
            case str():
                self._pack("i", 2)
                self._string(value)
            case dict():
                self._pack("i", 3)
                self._table(value)
            case _:
                self._pack("i", 4)
                self._object(value)

    def _table(self, table: dict[Any, Any]) -> None:
        if self._is_new(table):
            self._pack("i", len(table))
            for key, value in table.items():
                self.write(key)
                self.write(value)

    def _object(self, value: Storage | Tensor | Module) -> None:
        if not self._is_new(value):
            return
        if self.versioned:
            self._string("V 1")
        match value:
            case Storage():
                self._string(f"torch.{value.element}Storage")
                self._pack("q", value.count)
                for array in value.arrays:
                    self.file.write(np.ascontiguousarray(array, DTYPES[value.element]).data)
            case Tensor():
                self._string(f"torch.{value.element}Tensor")
                strides = (
                    list(accumulate(value.size[:0:-1], int.__mul__, initial=1))[::-1]
                    if value.size
                    else []
                )
                self._pack(
                    f"i{2 * len(strides)}qq", len(strides), *value.size, *strides, value.offset
                )
                self.write(value.storage)
            case Module():
                self._string(value.name)
                self.write(value.table)


def _array(network: Network, key: str) -> np.ndarray:
    """Return a kernel or bias in Torch's axis order."""
    name, part = key.split("/")
    return channels_first(network, name) if part == "kernel" else network[key]


def _parameters(network: Network, dialect: Dialect) -> dict[str, Tensor]:
    """Return all kernels and biases as tensors."""
    sizes = {}
    for name in WEIGHTED:
        height, width, inputs, outputs = as_convolution(network, name).shape
        flat = dialect.unfolded or name in DENSE
        sizes[f"{name}/kernel"] = (
            (outputs, inputs * height * width) if flat else (outputs, inputs, height, width)
        )
        sizes[f"{name}/bias"] = (outputs,)
    counts = [network[key].size for key in sizes]
    arrays = partial(map, partial(_array, network))  # lazy: one transposed copy at a time
    if dialect.shared:
        storages = [Storage(dialect.element, sum(counts), arrays(sizes))] * len(sizes)
        offsets = accumulate(counts[:-1], initial=1)
    else:
        storages = [
            Storage(dialect.element, count, arrays([key]))
            for key, count in zip(sizes, counts, strict=True)
        ]
        offsets = [1] * len(sizes)
    rows = zip(sizes.items(), storages, offsets, strict=True)
    return {
        key: Tensor(dialect.element, size, storage, offset) for (key, size), storage, offset in rows
    }


def _weighted_attributes(
    network: Network, name: str, parameters: dict[str, Tensor], scratch: Tensor
) -> dict[str, Any]:
    """Return the attributes of a module with weights, gradients cleared.

    All convolutions share one scratch tensor.
    """
    table = {
        "weight": parameters[f"{name}/kernel"],
        "bias": parameters[f"{name}/bias"],
        "gradWeight": None,
        "gradBias": None,
    }
    if name in DENSE:
        return table
    inputs, outputs = network[f"{name}/kernel"].shape[2:]
    sizes = {
        "nInputPlane": inputs,
        "nOutputPlane": outputs,
        "kW": 3,
        "kH": 3,
        "dW": 1,
        "dH": 1,
        "padW": 1,
        "padH": 1,
    }
    return sizes | table | {"finput": scratch, "fgradInput": scratch}


def _attributes(kind: str, element: str) -> tuple[str, dict[str, Any]]:
    """Return the class and attributes of a module without weights."""
    match kind:
        case "relu":
            return "nn.ReLU", {"threshold": 0, "val": 0, "inplace": True}
        case "pool":
            sizes = {"kW": 2, "kH": 2, "dW": 2, "dH": 2, "padW": 0, "padH": 0}
            return "nn.SpatialMaxPooling", {**sizes, "ceil_mode": True, "indices": Tensor(element)}
        case "dropout":
            return "nn.Dropout", {
                "p": 0.5,
                "v2": True,
                "inplace": True,
                "stochasticInference": False,
                "noise": Tensor(element),
            }
        case "view":
            return "nn.View", {
                "size": Storage("Long", 1, [np.array([-1])]),
                "numElements": 1,
                "numInputDims": 3,
            }
    return "nn.SoftMax", {}


def network_module(network: Network, dialect: Dialect) -> Module:
    """Return the nn.Sequential of 40 modules."""
    parameters = _parameters(network, dialect)
    scratch = Tensor(dialect.element)
    classes = {
        "conv": "nn.SpatialConvolutionMM" if dialect.unfolded else "nn.SpatialConvolution",
        "dense": "nn.Linear",
    }
    sequence = list(SEQUENCE)
    sequence.insert(sequence.index(("dense", "fc6")), ("view", "flatten"))
    modules = []
    for kind, name in sequence:
        if name in WEIGHTED:
            title, own = classes[kind], _weighted_attributes(network, name, parameters, scratch)
        else:
            title, own = _attributes(kind, dialect.element)
        common = {
            "_type": f"torch.{dialect.element}Tensor",
            "train": False,
            "output": Tensor(dialect.element),
            "gradInput": Tensor(dialect.element),
        }
        modules.append(Module(title, common | own))
    # The chain's output is its last module's, so this tensor is written once and referred to once.
    chain = {
        "_type": f"torch.{dialect.element}Tensor",
        "train": False,
        "output": modules[-1].table["output"],
        "gradInput": Tensor(dialect.element),
    }
    return Module("nn.Sequential", {**chain, "modules": dict(enumerate(modules, 1))})


def write(path: Path, network: Network, dialect: Dialect = DEFAULT) -> None:
    """Write the chain in Torch7's binary format, for BGR images."""
    with path.open("wb") as file:
        Writer(file, dialect.versioned).write(network_module(in_colour(network, "BGR"), dialect))


def _row(name: str, dialect: Dialect) -> Layout:
    return Layout(f"torch7-{name}", "VGG_FACE.t7", "BGR", True, partial(write, dialect=dialect))


LAYOUTS = (
    _row("unfolded", DEFAULT),
    _row("double", Dialect("Double", unfolded=False, versioned=False)),
    _row("cuda", Dialect("Cuda", unfolded=False)),
    _row("shared", Dialect(shared=True)),
)
