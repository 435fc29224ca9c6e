"""MatConvNet's `.mat` files: vlfeat.org's releases, Oxford's package, older betas and DagNN."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .network import MEAN_RGB, SEQUENCE, WEIGHTED, Layout, Network, as_convolution, class_names

BLOCK_TYPES = {
    "conv": "Conv",
    "dense": "Conv",
    "relu": "ReLU",
    "pool": "Pooling",
    "dropout": "DropOut",
    "softmax": "SoftMax",
}


class Style(NamedTuple):
    """Variations between releases."""

    tidy: bool = False  # include the fields that `vl_simplenn_tidy` adds
    filters: bool = False  # store `filters` and `biases` instead of `weights`
    column: bool = False  # store biases as (C, 1) instead of (1, C)
    kernels: type = np.float32
    mean: type = np.float32


def _cell(items: Sequence[Any], column: bool = False) -> np.ndarray:
    """Return a MATLAB cell array of one row or one column."""
    cell = np.empty(len(items), object)
    for index, item in enumerate(items):
        cell[index] = item
    return cell.reshape((-1, 1) if column else (1, -1))


def _structs(rows: Sequence[dict[str, Any]]) -> np.ndarray:
    """Return a MATLAB struct array of one row."""
    array = np.empty((1, len(rows)), [(field, object) for field in rows[0]])
    for index, row in enumerate(rows):
        array[0, index] = tuple(row.values())
    return array


def _empty() -> np.ndarray:
    """Return MATLAB's `{}`."""
    return np.empty((0, 0), object)


def _parameters(network: Network, name: str, style: Style) -> list[np.ndarray]:
    """Return the HWIO kernel and the bias of a layer."""
    bias = network[f"{name}/bias"]
    return [
        as_convolution(network, name).astype(style.kernels, copy=False),
        bias.reshape((-1, 1) if style.column else (1, -1)),
    ]


def _settings(kind: str, name: str) -> dict[str, Any]:
    """Return a layer's settings, which have the same names in SimpleNN and DagNN."""
    match kind:
        case "conv" | "dense":
            return {
                "pad": np.full((1, 4), float(name.startswith("conv"))),
                "stride": np.ones((1, 2)),
            }
        case "pool":
            return {"method": "max", "pad": np.zeros((1, 4)), "stride": np.full((1, 2), 2.0)}
        case "dropout":
            return {"rate": 0.5}
    return {}


def _layer(network: Network, style: Style, kind: str, name: str) -> dict[str, Any]:
    """Return a layer of the chain."""
    kind = "conv" if kind == "dense" else kind
    layer: dict[str, Any] = {"name": name, "type": kind}
    if kind == "conv":
        parameters = _parameters(network, name, style)
        layer |= (
            dict(zip(("filters", "biases"), parameters, strict=True))
            if style.filters
            else {"weights": _cell(parameters)}
        )
    elif style.tidy:
        layer["weights"] = _empty()
    layer |= _settings(kind, name)
    if kind == "pool":
        layer["pool"] = np.full((1, 2), 2.0)
    if style.tidy:
        layer |= {"precious": False, "opts": _empty()}
        layer |= {"conv": {"dilate": 1.0}, "relu": {"leak": 0.0}}.get(kind, {})
    return layer


def _meta(network: Network, style: Style, column: bool = False) -> dict[str, Any]:
    """Return the image normalisation and the class names."""
    side = 32.0 * len(as_convolution(network, "fc6"))
    mean = MEAN_RGB.astype(style.mean).reshape(1, 1, 3)
    normalization = {
        "imageSize": [side, side, 3.0],
        "keepAspect": 1.0,
        "border": [0.0, 0.0],
        "averageImage": mean,
        "interpolation": "bilinear",
    }
    names = class_names(network)
    return {
        "normalization": normalization,
        "classes": {"name": _cell(names), "description": _cell(names, column)},
    }


def _save(path: Path, content: dict[str, Any], compress: bool) -> None:
    from scipy.io import savemat

    savemat(path, content, do_compression=compress)


def write_chain(
    path: Path, network: Network, form: str, style: Style, compress: bool = False
) -> None:
    """Write a SimpleNN chain.

    `form` says where the normalisation and classes are stored: in a struct `meta`, at the top level
    (`top`), or together with the layers in one struct `net`.
    """
    chain = {"layers": _cell([_layer(network, style, kind, name) for kind, name in SEQUENCE])}
    meta = _meta(network, style, column=form == "net")
    content = {
        "meta": {**chain, "meta": meta},
        "top": {**chain, **meta},
        "net": {"net": {**chain, **meta}},
    }
    _save(path, content[form], compress)


def _block(network: Network, kind: str, name: str) -> dict[str, Any]:
    """Return a DagNN block as `saveobj` returns it."""
    block = _settings(kind, name)
    if kind in ("conv", "dense"):
        block |= {
            "size": np.array([as_convolution(network, name).shape], float),
            "hasBias": True,
            "opts": _cell(["cuDNN"]),
        }
    elif kind == "pool":
        block |= {"poolSize": np.full((1, 2), 2.0), "opts": _cell(["cuDNN"])}
    elif kind == "relu":
        block |= {"useShortCircuit": True, "opts": _empty()}
    return block


def write_dag(path: Path, network: Network, compress: bool = True) -> None:
    """Write the graph that `DagNN.fromSimpleNN` makes of the chain, as plain structs."""
    style = Style(column=True)
    rates = {"learningRate": 1.0, "weightDecay": 1.0}
    named = [
        (name + part, value)
        for name in WEIGHTED
        for part, value in zip("fb", _parameters(network, name, style), strict=True)
    ]
    values = ["input", *(f"x{number}" for number in range(1, len(SEQUENCE))), "prediction"]
    layers = [
        {
            "name": name,
            "type": f"dagnn.{BLOCK_TYPES[kind]}",
            "inputs": _cell([values[index]]),
            "outputs": _cell([values[index + 1]]),
            "params": _cell([f"{name}f", f"{name}b"]) if name in WEIGHTED else _empty(),
            "block": _block(network, kind, name),
        }
        for index, (kind, name) in enumerate(SEQUENCE)
    ]
    content = {
        "vars": _structs([{"name": value, "precious": False} for value in values]),
        "params": _structs([{"name": name, "value": value, **rates} for name, value in named]),
        "layers": _structs(layers),
        "meta": _meta(network, style),
        "conserveMemory": True,
    }
    _save(path, content, compress)


def _row(name: str, filename: str, write: Any, **options: Any) -> Layout:
    return Layout(
        f"matconvnet-{name}", filename, "RGB", True, partial(write, **options), needs=("scipy",)
    )


LAYOUTS = (
    _row("vlfeat", "vgg-face.mat", write_chain, form="meta", style=Style(tidy=True)),
    _row(
        "vlfeat-compressed",
        "vgg-face.mat",
        write_chain,
        form="meta",
        style=Style(tidy=True, column=True),
        compress=True,
    ),
    _row(
        "vlfeat-double",
        "vgg-face.mat",
        write_chain,
        form="meta",
        style=Style(tidy=True, kernels=np.float64, mean=np.float64),
        compress=True,
    ),
    _row("beta16", "vgg-face.mat", write_chain, form="top", style=Style(), compress=True),
    _row("filters", "vgg-face.mat", write_chain, form="top", style=Style(filters=True)),
    _row("oxford", "vgg_face.mat", write_chain, form="net", style=Style(column=True)),
    _row("dagnn", "vgg_face-dag.mat", write_dag),
)
