"""Networks as files: native safetensors load and save, shape check, hashes, the default network."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..files import digest
from ..types import Params
from . import tensor_file
from .published import how_to_get
from .vgg_face import CONVOLUTIONS, DENSE, init_params, module_of

DEFAULT, VGG_FACE = "small", "vgg-face"
FOLDER_VARIABLE = "FACEGEN_WEIGHTS"
"""Environment variable with the folder of the converted VGG-Face."""
_PACKAGE = Path(__file__).parent.parent
_NEAR = _PACKAGE / "weights"
WEIGHTS_FOLDER = _NEAR if _NEAR.is_dir() else _PACKAGE.parent / "weights"
"""Where the shipped files lie: inside the installed package, or at the top of a source tree."""


class CheckpointError(ValueError):
    """A network file that cannot be used; the message says what was expected, what came, and what to do."""


class Network(NamedTuple):
    """Parameters with what belongs to them."""

    params: Params
    name: str
    sha256: str
    size: int
    """Picture side the network was trained at."""
    attributes: tuple[str, ...]
    """What the outputs of fc8 stand for, when they are attributes; else empty."""
    classes: tuple[str, ...] = ()
    """What they stand for, when they are people."""
    metadata: Mapping[str, str] = {}
    """As in the file: where it came from, its licence."""


def load_params(source: str | os.PathLike[str] = DEFAULT) -> Params:
    """Network parameters: of the small network that ships, or of a file; see `load_network`."""
    return load_network(source).params


def load_network(source: str | os.PathLike[str] = DEFAULT) -> Network:
    """Read a network by name (`small`, `vgg-face`) or from a `.safetensors` file, and check every shape.

    Numbers of lower precision become float32.

    Raises:
        CheckpointError: no such file, not a safetensors file, or tensors that do not make a VGG-Face network.
    """
    path = _find(str(source)) if str(source) in (DEFAULT, VGG_FACE) else Path(source)
    tensors, metadata, digest = read_tensors(path)
    params: Params = {}
    for name, tensor in tensors.items():
        layer, _, leaf = name.rpartition("/")
        params.setdefault(layer, {})[leaf] = jnp.array(tensor, jnp.float32)
    _check(params, path)
    try:
        attributes, classes = (
            tuple(map(str, json.loads(metadata.get(key, "[]"))))
            for key in ("attributes", "classes")
        )
        return Network(
            params,
            metadata.get("network", path.stem),
            digest,
            int(metadata.get("image_size", 224)),
            attributes,
            classes,
            metadata,
        )
    except (ValueError, TypeError):
        raise CheckpointError(
            f"{path}: its metadata are damaged; convert or download the file again"
        ) from None


def vgg_face_place() -> Path:
    """Where a converted VGG-Face is looked for and written: `$FACEGEN_WEIGHTS`, else `weights/` if it is there, else the user's cache."""
    name = f"{VGG_FACE}.safetensors"
    if folder := os.environ.get(FOLDER_VARIABLE):
        return Path(folder) / name
    if (WEIGHTS_FOLDER / name).exists():
        return WEIGHTS_FOLDER / name
    return cache_folder() / name


def cache_folder() -> Path:
    """The user's folder for what can be made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "facegen_jax"


def _find(name: str) -> Path:
    if name == DEFAULT:
        return WEIGHTS_FOLDER / f"{DEFAULT}.safetensors"
    path = vgg_face_place()
    if not path.exists():
        raise CheckpointError(how_to_get(str(path)))
    return path


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str], str]:
    """Tensors, metadata and SHA-256 of a safetensors file, or a CheckpointError that names the file and the reason."""
    try:
        return *tensor_file.parse(tensor_file.map_file(path)), digest(path)
    except FileNotFoundError:
        raise CheckpointError(
            f"{path}: no such network file; give {DEFAULT!r}, {VGG_FACE!r} or the path of a .safetensors file"
        ) from None
    except (OSError, tensor_file.TensorFileError) as error:
        raise CheckpointError(
            f"{path}: not a readable safetensors file ({error}); other files are converted with python -m facegen_jax.convert"
        ) from None


def save_network(path: str | os.PathLike[str], params: Params, metadata: dict[str, str]) -> None:
    """Write parameters as safetensors (whole or not at all); metadata values are strings."""
    tensors = {
        f"{layer}/{leaf}": np.asarray(array)
        for layer, leaves in params.items()
        for leaf, array in leaves.items()
    }
    tensor_file.write(Path(path), tensors, {"format_version": "1", **metadata})


def _check(params: Params, path: Path) -> None:
    """Compare names and shapes with those of the module, and refuse non-finite numbers."""
    missing = [name for name in CONVOLUTIONS if set(params.get(name, ())) != {"kernel", "bias"}]
    if missing:
        raise CheckpointError(
            f"{path}: needs kernel and bias of every convolution, lacks {', '.join(missing)}; convert published files first"
        )
    size = 224
    if "fc6" in params:
        cells = params["fc6"]["kernel"].shape[0] / params["conv5_3"]["bias"].shape[0]
        size = 32 * max(1, round(cells**0.5))
    expected = jax.eval_shape(
        lambda key: init_params(key, module_of(params), size), jax.random.key(0)
    )
    for layer, leaves in params.items():
        if layer not in (*CONVOLUTIONS, *DENSE, "embedding"):
            raise CheckpointError(
                f"{path}: unknown layer {layer!r}; expected {', '.join((*CONVOLUTIONS, *DENSE))} or embedding"
            )
        for leaf, array in leaves.items():
            shape = (
                expected[layer][leaf].shape
                if layer in expected
                else (params["fc7"]["bias"].shape[0], array.shape[-1])[-array.ndim :]
            )
            if array.shape != shape:
                raise CheckpointError(
                    f"{path}: {layer}/{leaf} has shape {array.shape}, expected {shape}"
                )
            if not bool(jnp.all(jnp.isfinite(array))):
                raise CheckpointError(f"{path}: {layer}/{leaf} holds numbers that are not finite")
