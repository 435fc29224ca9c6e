"""HDF5 files: weights saved by Keras (keras-vggface, deepface, Keras 3), and a flat file."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

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

Weights = dict[str, np.ndarray]
# Name of each layer's group, and its weights by their names below it.
Groups = list[tuple[str, Weights]]


def _pair(
    kernel: str, bias: str, network: Network, name: str, convolution: bool = False
) -> Weights:
    """Return a layer's kernel and bias under the given names."""
    return {
        kernel: as_convolution(network, name) if convolution else network[f"{name}/kernel"],
        bias: network[f"{name}/bias"],
    }


def _named_groups(network: Network, dense: bool) -> Groups:
    """Return keras-vggface's groups: VGG-Face names, and a slash in the last activations' names."""
    groups: Groups = [("input_1", {})]
    for kind, name in SEQUENCE:
        if kind == "dense" and not dense:
            break
        if kind in ("conv", "dense"):
            groups.append((name, _pair(f"{name}/kernel:0", f"{name}/bias:0", network, name)))
        elif kind == "pool":
            groups.append((name, {}))
        if name == "pool5" and dense:
            groups.append(("flatten", {}))
        if kind == "dense":
            groups.append((f"{name}/{'softmax' if name == 'fc8' else 'relu'}", {}))
    return groups


def _model(activation: bool = True) -> Iterator[tuple[str, str | None]]:
    """Yield the layers of deepface's Sequential: snake-case class, VGG-Face name if weighted."""
    for kind, name in SEQUENCE:
        if kind == "conv":
            yield "zero_padding2d", None
        if kind in ("conv", "dense"):
            yield "conv2d", name
        elif kind in ("pool", "dropout"):
            yield {"pool": "max_pooling2d", "dropout": "dropout"}[kind], None
    yield "flatten", None
    if activation:
        yield "activation", None


def _numbered_groups(network: Network, start: int, activation: bool = True) -> Groups:
    """Return deepface's groups, named by class and number.

    Keras numbers each class on from `start`, the count its session had reached; 0 is omitted.
    """
    groups: Groups = []
    count: Counter[str] = Counter()
    for kind, name in _model(activation):
        number = start + count[kind]
        count[kind] += 1
        group = f"{kind}_{number}" if number else kind
        groups.append(
            (
                group,
                _pair(f"{group}/kernel:0", f"{group}/bias:0", network, name, convolution=True)
                if name
                else {},
            )
        )
    return groups


def _write(
    path: Path,
    network: Network,
    colour: str,
    groups: Callable[[Network], Groups],
    variable: bool = False,
    file_options: Mapping[str, Any] | None = None,
    data_options: Mapping[str, Any] | None = None,
) -> None:
    """Write like `Model.save_weights` of Keras 2.

    Name attributes are fixed-length strings or, if `variable`, variable-length ones.
    """
    import h5py

    def names(items: Sequence[str]) -> np.ndarray:
        if variable:
            return np.array(items, h5py.string_dtype())
        return np.array([item.encode() for item in items])  # a float array if empty, as in Keras 2

    tracked = (file_options or {}).get("track_order")
    with h5py.File(path, "w", **(file_options or {})) as file:
        layers = groups(in_colour(network, colour))
        file.attrs["layer_names"] = names([group for group, _ in layers])
        file.attrs["backend"] = np.bytes_("tensorflow")
        file.attrs["keras_version"] = np.bytes_("2.2.4")
        for name, weights in layers:
            group = file.create_group(name, track_order=tracked)
            group.attrs["weight_names"] = names(list(weights))
            for key, value in weights.items():
                group.create_dataset(key, data=value, **(data_options or {}))


def write_keras3(path: Path, network: Network, colour: str, dense: bool) -> None:
    """Write like `Model.save_weights` of Keras 3.

    Groups are named by class and order; layers without weights have an empty group `vars`.
    """
    import h5py

    network = in_colour(network, colour)
    model = [("input_layer", None), *_model()]
    if dense:
        model = [
            ("dense" if name in DENSE else kind, name)
            for kind, name in model
            if kind != "zero_padding2d"
        ]
    count: Counter[str] = Counter()
    with h5py.File(path, "w") as file:
        file.create_group("vars")
        file.create_group("optimizer/vars")
        for kind, name in model:
            group = f"layers/{kind}_{count[kind]}" if count[kind] else f"layers/{kind}"
            count[kind] += 1
            variables = file.create_group(f"{group}/vars")
            if name:
                for key, value in _pair("0", "1", network, name, convolution=not dense).items():
                    variables[key] = value
            if kind == "dropout":  # it also stores its random state
                file[f"{group}/seed_generator/vars/0"] = np.array([1337, 0], np.uint32)


def write_nested(path: Path, network: Network) -> None:
    """Write Keras 3's `.h5` (no `:0` suffixes) of a model whose only layer is the network."""
    import h5py

    network = in_colour(network, "BGR")
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([b"input_1", b"vggface_vgg16"])
        file.create_group("input_1")
        for name in WEIGHTED:
            for key, value in _pair(
                f"{name}/kernel", f"{name}/bias", network, name, convolution=False
            ).items():
                file[f"vggface_vgg16/{key}"] = value


def write_flat(path: Path, network: Network, blobs: bool = False) -> None:
    """Write one dataset per array, with PyTorch's names and axes.

    `blobs` keeps the four axes of Caffe's old format.
    """
    import h5py

    network = in_colour(network, "BGR")
    with h5py.File(path, "w") as file:
        for name in WEIGHTED:
            pair = {"weight": channels_first(network, name), "bias": network[f"{name}/bias"]}
            for key, value in pair.items():
                shape = (1,) * (4 - value.ndim) + value.shape if blobs else value.shape
                file[f"{name}.{key}"] = value.reshape(shape)


FULL, TOPLESS = "rcmalli_vggface_tf_vgg16.h5", "rcmalli_vggface_tf_notop_vgg16.h5"
DEEPFACE = "vgg_face_weights.h5"
LATEST = {"libver": "latest", "track_order": True}
COMPRESSED = {"chunks": True, "compression": "gzip", "shuffle": True}


def _row(
    name: str,
    filename: str,
    colour: str,
    groups: Callable[[Network], Groups],
    dense: bool = True,
    **options: Any,
) -> Layout:
    return Layout(
        f"keras-{name}",
        filename,
        colour,
        dense,
        partial(_write, colour=colour, groups=groups, **options),
        needs=("h5py",),
    )


LAYOUTS = (
    _row("rcmalli", FULL, "BGR", partial(_named_groups, dense=True)),
    _row("rcmalli-latest", FULL, "BGR", partial(_named_groups, dense=True), file_options=LATEST),
    _row("rcmalli-notop", TOPLESS, "BGR", partial(_named_groups, dense=False), dense=False),
    _row(
        "rcmalli-notop-gzip",
        TOPLESS,
        "BGR",
        partial(_named_groups, dense=False),
        dense=False,
        data_options=COMPRESSED,
    ),
    # From 94 or 1 on, the alphabetical order of the names is not the order of the layers.
    _row("deepface", DEEPFACE, "RGB", partial(_numbered_groups, start=94)),
    _row(
        "deepface-no-activation",
        DEEPFACE,
        "RGB",
        partial(_numbered_groups, start=1, activation=False),
    ),
    _row(
        "deepface-variable-names",
        DEEPFACE,
        "RGB",
        partial(_numbered_groups, start=0),
        variable=True,
    ),
    Layout(
        "keras3-conv",
        "model.weights.h5",
        "RGB",
        True,
        partial(write_keras3, colour="RGB", dense=False),
        needs=("h5py",),
    ),
    Layout(
        "keras3-dense",
        "model.weights.h5",
        "BGR",
        True,
        partial(write_keras3, colour="BGR", dense=True),
        needs=("h5py",),
    ),
    Layout("keras-nested", "model.h5", "BGR", True, write_nested, needs=("h5py",)),
    Layout("hdf5-flat", "vggface.h5", "BGR", True, write_flat, needs=("h5py",)),
    Layout(
        "hdf5-flat-blobs",
        "vggface.h5",
        "BGR",
        True,
        partial(write_flat, blobs=True),
        needs=("h5py",),
    ),
)
