"""MatConvNet `.mat`: the files of vlfeat.org (`layers` beside `meta`, or beside `normalization`), of Oxford (`net`), and DagNN's.

Kernels lie as height, width, input, output; a convolution there is a correlation, as here. Layers are found by type and name, never by number.
"""

from typing import Any

import numpy as np

from .cursor import SourceError
from .layout import NAMES, Parsed, by_position
from .mat5 import read_mat

Pair = tuple[np.ndarray, np.ndarray]


def read(data: memoryview) -> Parsed:
    """Read a `.mat` file; see `layout.Parsed`."""
    variables = read_mat(data)
    net = variables.get("net", variables)
    if not isinstance(net, dict) or "layers" not in net:
        raise SourceError(
            f"a MAT-file without a network: expected layers or net, found {', '.join(variables) or 'nothing'}"
        )
    form = "Oxford, net" if "net" in variables else "vlfeat, layers"
    found = _of_graph(net) if "params" in net else _of_chain(net)
    meta = net["meta"] if isinstance(net.get("meta"), dict) else net
    mean = _mean(meta)
    named = set(found) <= set(NAMES)
    return Parsed(
        f"MatConvNet .mat ({'DagNN' if 'params' in net else form})",
        found if named else by_position(list(found.values())),
        "HWIO",
        # The mean tells the order: red is the largest by far in the right one.
        "BGR" if mean and mean[0] < mean[2] else "RGB",
        mean[::-1] if mean and mean[0] < mean[2] else mean,
        _classes(meta),
    )


def _rows(value: Any) -> list[dict[str, Any]]:
    """A cell or an array of structs, as a list of structs."""
    rows = value if isinstance(value, list) else [value]
    return [row for row in rows if isinstance(row, dict)]


def _name(row: dict[str, Any]) -> str:
    name = row.get("name")
    return name if isinstance(name, str) else ""


def _arrays(value: Any) -> list[np.ndarray]:
    values = value if isinstance(value, list) else [value]
    return [array for array in values if isinstance(array, np.ndarray) and array.size]


def _of_chain(net: dict[str, Any]) -> dict[str, Pair]:
    """SimpleNN: every layer holds its own `weights`, before 2015 `filters` and `biases`."""
    found: dict[str, Pair] = {}
    for number, layer in enumerate(_rows(net["layers"])):
        arrays = _arrays(layer.get("weights")) or [
            *_arrays(layer.get("filters")),
            *_arrays(layer.get("biases")),
        ]
        if len(arrays) == 2:
            found[_name(layer) or str(number)] = (arrays[0], arrays[1])
    return found


def _of_graph(net: dict[str, Any]) -> dict[str, Pair]:
    """DagNN: layers name their parameters, which lie in a list of their own."""
    values = {_name(row): row.get("value") for row in _rows(net["params"])}
    found: dict[str, Pair] = {}
    for number, layer in enumerate(_rows(net["layers"])):
        names = layer.get("params")
        arrays = [
            array
            for name in (names if isinstance(names, list) else [names])
            for array in _arrays(values.get(name if isinstance(name, str) else ""))
        ]
        if len(arrays) == 2:
            found[_name(layer) or str(number)] = (arrays[0], arrays[1])
    return found


def _mean(meta: dict[str, Any]) -> tuple[float, ...] | None:
    """`averageImage`: three numbers, or a picture of them."""
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
