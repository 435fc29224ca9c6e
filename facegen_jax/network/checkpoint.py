"""Networks as files: safetensors loading and saving, shape checks, the default network."""

import os
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from .. import plugin
from ..files import digest
from ..stored import parse_json
from ..text import printable
from ..types import Params
from . import tensor_file
from .named import DEFAULT, VGG_FACE, WEIGHTS_FOLDER, vgg_face_path
from .protocol import Network
from .published import how_to_get
from .vgg_face import CONVOLUTIONS, DENSE, EMBEDDING, backbone_of, param_shapes

MAX_SIZE = 8192
"""Side of the largest images that a file may ask for."""


class CheckpointError(ValueError):
    """A network file that cannot be used; says what was expected, what came, and what to do."""

    def __init__(self, message: str):
        super().__init__(printable(message))


def load_params(source: str | os.PathLike[str] = DEFAULT) -> Params:
    """Return the parameters of the small network that ships, or of a file; see `load_network`."""
    return load_network(source).params


def load_network(source: str | os.PathLike[str] = DEFAULT) -> Network:
    """Load a network and check every shape; lower precisions become float32.

    Args:
        source: a name (`small`, `vgg-face`), a `.safetensors` file, or `package.module:name` or
            `file.py:name` of a `Network` of your own or of a function that returns one.

    Raises:
        CheckpointError: no such file, not a safetensors file, or tensors that do not make a
            VGG-Face network.
        PluginError: user code that cannot be loaded, or is no network.
    """
    source = str(source)
    if source in (DEFAULT, VGG_FACE):
        return read_network(_find(source))
    if ":" in source and not Path(source).exists():
        return plugin.load_as(Network, source, "params")
    return read_network(Path(source))


def read_network(path: Path) -> Network:
    """Read a network from a safetensors file; see `load_network`."""
    tensors, metadata, sha256 = read_tensors(path)
    _check_kind(tensors, metadata, path)
    params: Params = {}
    for name, tensor in tensors.items():
        layer, _, leaf = name.rpartition("/")
        params.setdefault(layer, {})[leaf] = jnp.array(tensor, jnp.float32)
    _check(params, path)
    try:
        attributes, classes = (
            tuple(map(str, parse_json(metadata.get(key, "[]"))))
            for key in ("attributes", "classes")
        )
        backbone = backbone_of(params, image_size := int(metadata.get("image_size", 224)))
        if not 1 <= image_size <= MAX_SIZE:
            raise ValueError("no side of an image")
    except (ValueError, TypeError):
        raise CheckpointError(
            f"{path}: its metadata are damaged; convert or download the file again"
        ) from None
    name = metadata.get("network", path.stem)
    return Network(backbone, params, name, attributes, classes, metadata, sha256)


def _find(name: str) -> Path:
    if name == DEFAULT:
        return WEIGHTS_FOLDER / f"{DEFAULT}.safetensors"
    path = vgg_face_path()
    if not path.exists():
        raise CheckpointError(how_to_get(str(path)))
    return path


def read_tensors(path: Path, remedy: str = "") -> tuple[dict[str, np.ndarray], dict[str, str], str]:
    """Return the tensors, metadata and SHA-256 of a safetensors file.

    Args:
        path: the file.
        remedy: what to do with any other file; to convert it by default.

    Raises:
        CheckpointError: names the file and the reason.
    """
    try:
        return *tensor_file.parse(tensor_file.map_file(path)), digest(path)
    except FileNotFoundError:
        raise CheckpointError(
            f"{path}: no such network file; give {DEFAULT!r}, {VGG_FACE!r}, the path of a "
            ".safetensors file, or file.py:name of a network of your own"
        ) from None
    except (OSError, tensor_file.TensorFileError) as error:
        reason = "it is a folder" if path.is_dir() else error
        raise CheckpointError(
            f"{path}: not a readable safetensors file ({reason}); {remedy or _convert(path)}"
        ) from None


def _convert(path: Path) -> str:
    return f"convert it first: python -m facegen_jax.convert {shlex.quote(str(path))}"


def is_network(tensors: Iterable[str]) -> bool:
    """Return whether names are those of this package's networks: they have the first layer's."""
    return f"{CONVOLUTIONS[0]}/kernel" in {*tensors}


def save_network(path: str | os.PathLike[str], params: Params, metadata: dict[str, str]) -> None:
    """Write parameters as safetensors, atomically; metadata values are strings."""
    tensors = {
        f"{layer}/{leaf}": np.asarray(array)
        for layer, leaves in params.items()
        for leaf, array in leaves.items()
    }
    tensor_file.write(Path(path), tensors, {"format_version": "1", **metadata})


def _check_kind(tensors: Iterable[str], metadata: Mapping[str, str], path: Path) -> None:
    """Refuse files of directions, and tensors whose names are another program's."""
    if _is_directions(metadata):
        raise CheckpointError(
            f"{path}: a file of attribute directions, not a network; give it as --directions, and "
            "the network that it was made for as --params"
        )
    layers = (*CONVOLUTIONS, *DENSE, EMBEDDING)
    if not any(name.rpartition("/")[0] in layers for name in tensors):
        raise CheckpointError(
            f"{path}: not a network of this package, or not yet; {_convert(path)}"
        )


def _is_directions(metadata: Mapping[str, str]) -> bool:
    """Return whether a file's metadata are those of attribute directions."""
    return {"scales", "opposites", "network_sha256"} <= metadata.keys()


def _check(params: Params, path: Path) -> None:
    """Compare names and shapes with those of the module, and refuse non-finite numbers."""
    _check_layers(params, path)
    expected = _expected_shapes(params)
    for layer, leaves in params.items():
        if layer not in expected:
            raise CheckpointError(f"{path}: has {layer} but not every dense layer before it")
        for leaf, array in leaves.items():
            shape = expected[layer][leaf]
            if array.shape != shape:
                raise CheckpointError(
                    f"{path}: {layer}/{leaf} has shape {array.shape}, expected {shape}"
                )
            if not bool(jnp.all(jnp.isfinite(array))):
                raise CheckpointError(f"{path}: {layer}/{leaf} holds non-finite numbers")


def _check_layers(params: Params, path: Path) -> None:
    """Check that layers are known, and that each has a kernel and a bias with their axes."""
    if unknown := [layer for layer in params if layer not in (*CONVOLUTIONS, *DENSE, EMBEDDING)]:
        known = ", ".join((*CONVOLUTIONS, *DENSE))
        raise CheckpointError(
            f"{path}: unknown layer {unknown[0]!r}; expected {known} or {EMBEDDING}"
        )
    missing = [
        layer
        for layer in dict.fromkeys((*CONVOLUTIONS, *params))
        if {leaf: array.ndim for leaf, array in params.get(layer, {}).items() if array.size}
        != {"kernel": 4 if layer in CONVOLUTIONS else 2, "bias": 1}
    ]
    if missing:
        raise CheckpointError(
            f"{path}: needs kernel and bias of every layer, lacks {', '.join(missing)}; "
            f"{_convert(path)}"
        )


def _expected_shapes(params: Params) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return the shapes that the widths of the biases, and the size of fc6, ask for."""
    backbone = backbone_of(params)
    made = param_shapes(backbone.module, backbone.size)
    shapes = {layer: {leaf: each.shape for leaf, each in made[layer].items()} for layer in made}
    if backbone.embedding is not None and "fc7" in shapes:
        width = backbone.embedding
        shapes[EMBEDDING] = {"kernel": (shapes["fc7"]["bias"][0], width), "bias": (width,)}
    return shapes
