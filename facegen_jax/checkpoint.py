"""Networks as files: native safetensors load and save, shape check, hashes, the default network."""

import hashlib
import json
import os
import struct
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy

from .image import write_atomically
from .types import Params
from .vgg_face import CONVOLUTIONS, DENSE, init_params, module_of

DEFAULT = "small"
_NEAR = Path(__file__).parent / "weights"
WEIGHTS_FOLDER = _NEAR if _NEAR.is_dir() else Path(__file__).parent.parent / "weights"
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


def load_params(source: str | os.PathLike[str] = DEFAULT) -> Params:
    """Network parameters: of the small network that ships, or of a file; see `load_network`."""
    return load_network(source).params


def load_network(source: str | os.PathLike[str] = DEFAULT) -> Network:
    """Read a network by name (`small`) or from a `.safetensors` file, and check every shape.

    Raises:
        CheckpointError: no such file, not a safetensors file, or tensors that do not make a VGG-Face network.
    """
    path = WEIGHTS_FOLDER / "small.safetensors" if str(source) == DEFAULT else Path(source)
    tensors, metadata, digest = read_safetensors(path)
    params: Params = {}
    for name, tensor in tensors.items():
        layer, _, leaf = name.rpartition("/")
        params.setdefault(layer, {})[leaf] = jnp.asarray(tensor, jnp.float32)
    _check(params, path)
    attributes = tuple(json.loads(metadata.get("attributes", "[]")))
    return Network(params, metadata.get("network", path.stem), digest, int(metadata.get("image_size", 224)), attributes)


def read_safetensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str], str]:
    """Tensors, metadata and SHA-256 of a safetensors file, or a CheckpointError that names the file and the reason."""
    try:
        content = path.read_bytes()
        return safetensors.numpy.load(content), _metadata(content), hashlib.sha256(content).hexdigest()
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such network file; give {DEFAULT!r} or the path of a .safetensors file") from None
    except (OSError, safetensors.SafetensorError, ValueError, KeyError, struct.error) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file ({error})") from None


def _metadata(content: bytes) -> dict[str, str]:
    (length,) = struct.unpack_from("<Q", content)
    return json.loads(content[8 : 8 + length]).get("__metadata__", {})


def save_network(path: str | os.PathLike[str], params: Params, metadata: dict[str, str]) -> None:
    """Write parameters as safetensors (whole or not at all); metadata values are strings."""
    tensors = {f"{layer}/{leaf}": np.asarray(array) for layer, leaves in params.items() for leaf, array in leaves.items()}
    write_atomically(Path(path), safetensors.numpy.save(tensors, {"format_version": "1", **metadata}))


def _check(params: Params, path: Path) -> None:
    """Compare names and shapes with those of the module, and refuse non-finite numbers."""
    missing = [name for name in CONVOLUTIONS if set(params.get(name, ())) != {"kernel", "bias"}]
    if missing:
        raise CheckpointError(f"{path}: needs kernel and bias of every convolution, lacks {', '.join(missing)}; convert published files first")
    size = 224
    if "fc6" in params:
        cells = params["fc6"]["kernel"].shape[0] / params["conv5_3"]["bias"].shape[0]
        size = 32 * max(1, round(cells**0.5))
    expected = jax.eval_shape(lambda key: init_params(key, module_of(params), size), jax.random.key(0))
    for layer, leaves in params.items():
        if layer not in (*CONVOLUTIONS, *DENSE, "embedding"):
            raise CheckpointError(f"{path}: unknown layer {layer!r}; expected {', '.join((*CONVOLUTIONS, *DENSE))} or embedding")
        for leaf, array in leaves.items():
            shape = expected[layer][leaf].shape if layer in expected else (params["fc7"]["bias"].shape[0], array.shape[-1])[-array.ndim :]
            if array.shape != shape:
                raise CheckpointError(f"{path}: {layer}/{leaf} has shape {array.shape}, expected {shape}")
            if not bool(jnp.all(jnp.isfinite(array))):
                raise CheckpointError(f"{path}: {layer}/{leaf} holds numbers that are not finite")
