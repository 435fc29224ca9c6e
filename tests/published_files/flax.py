"""Parameters of Flax modules: msgpack of a tree, flattened arrays, Orbax folders."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .network import CONVOLUTIONS, DENSE, WEIGHTED, Layout, Network

Tree = dict[str, Any]


def tree_of(network: Network, rename: Callable[[str], str] = str) -> Tree:
    """Return the parameters as Flax nests them: a dict for each layer."""
    return {
        rename(name): {leaf: network[f"{name}/{leaf}"] for leaf in ("kernel", "bias")}
        for name in WEIGHTED
    }


def numbered(name: str) -> str:
    """Return the name that Flax gives a layer without one: Conv_0, ..., Dense_2."""
    if name in DENSE:
        return f"Dense_{DENSE.index(name)}"
    return f"Conv_{CONVOLUTIONS.index(name)}"


def _params(network: Network) -> Tree:
    return {"params": tree_of(network)}


def _train_state(network: Network) -> Any:
    """Return a state in training, whose optimizer has two more trees with the same names."""
    import optax
    from flax.training.train_state import TrainState

    return TrainState.create(apply_fn=None, params=tree_of(network), tx=optax.adam(1e-3))


def _cast(network: Network, dtype: str) -> Tree:
    import ml_dtypes

    kind = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    return _params({name: array.astype(kind) for name, array in network.items()})


def _write_msgpack(path: Path, network: Network, make: Callable[[Network], Any]) -> None:
    from flax.serialization import to_bytes

    path.write_bytes(to_bytes(make(network)))


def _write_npz(path: Path, network: Network, separator: str) -> None:
    from flax.traverse_util import flatten_dict

    arrays: Any = flatten_dict(_params(network), sep=separator)
    np.savez(path, allow_pickle=False, **arrays)


def _write_keys(path: Path, network: Network) -> None:
    """Write arrays named as JAX prints the keys of a tree."""
    import jax

    leaves = jax.tree_util.tree_leaves_with_path(_params(network))
    arrays = {jax.tree_util.keystr(key): array for key, array in leaves}
    np.savez(path, allow_pickle=False, **arrays)


def _write_safetensors(path: Path, network: Network) -> None:
    from flax.traverse_util import flatten_dict
    from safetensors.numpy import save_file

    arrays: Any = flatten_dict(_params(network), sep="/")
    save_file(arrays, path)


def _msgpack(name: str, make: Callable[[Network], Any], exact: bool = True) -> Layout:
    write = partial(_write_msgpack, make=make)
    return Layout(f"flax-{name}", "flax_model.msgpack", "RGB", True, write, exact)


LAYOUTS = (
    _msgpack("msgpack", tree_of),
    _msgpack("msgpack-params", _params),
    _msgpack("msgpack-numbered", partial(tree_of, rename=numbered)),
    _msgpack("msgpack-training", _train_state),
    _msgpack("msgpack-half", partial(_cast, dtype="float16"), exact=False),
    _msgpack("msgpack-bfloat16", partial(_cast, dtype="bfloat16"), exact=False),
    Layout("flax-npz", "params.npz", "RGB", True, partial(_write_npz, separator="/")),
    Layout("flax-npz-dots", "params.npz", "RGB", True, partial(_write_npz, separator=".")),
    Layout("flax-npz-keys", "params.npz", "RGB", True, _write_keys),
    Layout(
        "flax-safetensors", "p.safetensors", "RGB", True, _write_safetensors, True, ("safetensors",)
    ),
)
