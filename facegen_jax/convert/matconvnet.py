"""MatConvNet `.mat`: vlfeat.org's files, Oxford's, and DagNN's.

vlfeat.org's hold `layers` beside `meta` (or, in older ones, beside `normalization`); Oxford's holds
the same in a struct `net`. Kernels are stored as (height, width, input, output), and a convolution
is a cross-correlation, as in this package. Layers are found by type and name, never by number.
"""

from typing import Any

import numpy as np

from .cursor import SourceError
from .layout import NAMES, TOP, Pair, Parsed, by_position
from .mat5 import read_mat
from .unmerged import normalised


def read(data: memoryview) -> tuple[Parsed, ...]:
    """Read a `.mat` file; see `layout.Parsed`."""
    variables = read_mat(data)
    nets = {
        name: value
        for name, value in variables.items()
        if isinstance(value, dict) and "layers" in value
    }
    if "layers" in variables:
        nets[TOP] = variables
    if not nets:
        raise SourceError(
            "a MAT-file without a network: expected a variable layers or net, "
            f"found {', '.join(variables) or 'nothing'}"
        )
    several = len(nets) > 1
    return tuple(_parsed(net, name, several) for name, net in nets.items())


def _parsed(net: dict[str, Any], name: str, several: bool) -> Parsed:
    is_graph = "params" in net
    origin = "vlfeat, layers" if name == TOP else "Oxford, net"
    layers, problem = _graph_layers(net) if is_graph else _chain_layers(net), ""
    if not set(layers) <= set(NAMES):
        layers, problem = by_position(list(layers.values()))
    problem = problem or normalised(_normalisations(net))
    meta = net["meta"] if isinstance(net.get("meta"), dict) else net
    mean = _mean(meta)
    # The mean reveals the colour order: red is by far the largest of VGG-Face's.
    reversed_mean = mean is not None and mean[0] < mean[2]
    return Parsed(
        f"MatConvNet .mat ({'DagNN' if is_graph else origin})",
        layers,
        "HWIO",
        "BGR" if reversed_mean else "RGB",
        mean[::-1] if mean and reversed_mean else mean,
        _classes(meta),
        name=name if several else TOP,
        problem=problem,
    )


def _structs(value: Any) -> list[dict[str, Any]]:
    """Return a cell or an array of structs as a list of structs."""
    rows = value if isinstance(value, list) else [value]
    return [row for row in rows if isinstance(row, dict)]


def _name(struct: dict[str, Any]) -> str:
    name = struct.get("name")
    return name if isinstance(name, str) else ""


def _arrays(value: Any) -> list[np.ndarray]:
    values = value if isinstance(value, list) else [value]
    return [array for array in values if isinstance(array, np.ndarray) and array.size]


def _chain_layers(net: dict[str, Any]) -> dict[str, Pair]:
    """Return the layers of a SimpleNN, which hold `weights` (before 2015 `filters`, `biases`)."""
    layers: dict[str, Pair] = {}
    for number, layer in enumerate(_structs(net["layers"])):
        arrays = _arrays(layer.get("weights")) or [
            *_arrays(layer.get("filters")),
            *_arrays(layer.get("biases")),
        ]
        if len(arrays) == 2:
            layers[_name(layer) or str(number)] = (arrays[0], arrays[1])
    return layers


def _graph_layers(net: dict[str, Any]) -> dict[str, Pair]:
    """Return the layers of a DagNN, which refer by name to a separate list of parameters."""
    values = {_name(struct): struct.get("value") for struct in _structs(net["params"])}
    layers: dict[str, Pair] = {}
    for number, layer in enumerate(_structs(net["layers"])):
        names = layer.get("params")
        arrays = [
            array
            for name in (names if isinstance(names, list) else [names])
            for array in _arrays(values.get(name if isinstance(name, str) else ""))
        ]
        if len(arrays) == 2:
            layers[_name(layer) or str(number)] = (arrays[0], arrays[1])
    return layers


def _normalisations(net: dict[str, Any]) -> list[str]:
    """Return the names of all layers of batch normalisation."""
    layers = [(_name(layer), layer.get("type")) for layer in _structs(net["layers"])]
    return [
        name
        for name, kind in layers
        if isinstance(kind, str) and kind in ("bnorm", "dagnn.BatchNorm")
    ]


def _mean(meta: dict[str, Any]) -> tuple[float, ...] | None:
    """Return the mean colour of `averageImage`, which holds three numbers or a whole image."""
    normalization = meta.get("normalization")
    average = normalization.get("averageImage") if isinstance(normalization, dict) else None
    if not isinstance(average, np.ndarray) or average.size < 3 or average.size % 3:
        return None
    return tuple(
        float(value) for value in average.reshape(-1, 3, order="F").mean(0, dtype=np.float64)
    )


def _classes(meta: dict[str, Any]) -> tuple[str, ...]:
    classes = meta.get("classes")
    names = classes.get("description") if isinstance(classes, dict) else None
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()
