"""The canonical network unchanged, as safetensors and npz."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from .network import Layout, Network


def _write_safetensors(path: Path, network: Network) -> None:
    from safetensors.numpy import save_file

    save_file(dict(network), path)


def _write_convolutions(path: Path, network: Network) -> None:
    _write_safetensors(
        path, {key: value for key, value in network.items() if key.startswith("conv")}
    )


def _write_npz(path: Path, network: Network) -> None:
    np.savez(path, allow_pickle=False, **network)


def _write_compressed_npz(path: Path, network: Network) -> None:
    np.savez_compressed(path, allow_pickle=False, **network)


def _row(
    name: str,
    filename: str,
    write: Callable[[Path, Network], None],
    *needs: str,
    dense: bool = True,
) -> Layout:
    return Layout(f"own-{name}", filename, "RGB", dense, write, needs=needs)


LAYOUTS = (
    _row("safetensors", "vgg_face.safetensors", _write_safetensors, "safetensors"),
    _row(
        "safetensors-conv",
        "vgg_face_conv.safetensors",
        _write_convolutions,
        "safetensors",
        dense=False,
    ),
    _row("npz", "vgg_face.npz", _write_npz),
    _row("npz-compressed", "vgg_face.npz", _write_compressed_npz),
)
