"""Fold batch normalisation into the convolutions, and write a checkpoint for the package.

python experiments/small_network/export.py --checkpoint FOLDER/checkpoint.pt \
    --out weights/small.safetensors
"""

import json
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import torch
import tyro
from model import MEAN, SCALE, Network

from facegen_jax.network.checkpoint import save_network
from facegen_jax.network.vgg_face import CONVOLUTIONS

TERMS = (
    "trained on CelebA, UTKFace (non-commercial research) and LFW (no explicit licence): "
    "for non-commercial research only"
)


@dataclass
class Config:
    """Export a trained network."""

    checkpoint: Path
    """checkpoint.pt of a training run."""
    out: Path = Path("weights/small.safetensors")


def folded(network: Network) -> dict[str, dict[str, np.ndarray]]:
    """Return the package's parameters: HWIO kernels, batch norm and input scale folded in."""
    modules = list(network.features)
    convolutions = [module for module in modules if isinstance(module, torch.nn.Conv2d)]
    norms = [module for module in modules if isinstance(module, torch.nn.BatchNorm2d)]
    params = {}
    for name, convolution, norm in zip(CONVOLUTIONS, convolutions, norms, strict=True):
        gain = norm.weight / torch.sqrt(_statistic(norm.running_var) + norm.eps)
        kernel = convolution.weight * gain.view(-1, 1, 1, 1) / (SCALE if name == "conv1_1" else 1)
        params[name] = {
            "kernel": kernel.permute(2, 3, 1, 0),
            "bias": norm.bias - _statistic(norm.running_mean) * gain,
        }
    for name in ("fc6", "fc7", "fc8", "embedding"):
        layer = getattr(network, name)
        params[name] = {"kernel": layer.weight.T, "bias": layer.bias}
    return {
        layer: {leaf: value.detach().contiguous().numpy() for leaf, value in leaves.items()}
        for layer, leaves in params.items()
    }


def _statistic(buffer: torch.Tensor | None) -> torch.Tensor:
    assert buffer is not None, "the batch normalisation tracked no statistics"
    return buffer


def main(config: Config) -> None:
    state = torch.load(config.checkpoint, weights_only=True)
    network = Network(state["widths"], len(state["attributes"]))
    network.load_state_dict(state["network"])
    params = {
        layer: {leaf: jnp.asarray(value) for leaf, value in leaves.items()}
        for layer, leaves in folded(network.eval()).items()
    }
    metadata = {
        "network": "small",
        "image_size": "112",
        "attributes": json.dumps(state["attributes"]),
        "mean_rgb": json.dumps(MEAN),
        "source_format": "experiments/small_network",
        "licence": TERMS,
    }
    save_network(config.out, params, metadata)
    print(f"{config.out}: {config.out.stat().st_size / 1e6:.1f} MB after {state['step']} steps")


if __name__ == "__main__":
    main(tyro.cli(Config))
