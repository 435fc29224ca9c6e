"""Measure what Winograd's algorithm costs in accuracy: features and pixel gradients by layer.

    python experiments/speed/accuracy.py

The network has full width and random parameters, the image is 224x224. "Prepared" is what loops on
CPUs read, with Winograd's algorithm where it is faster; "plain" convolves directly. Both compute in
float32; an error is the largest difference from float64, relative to the largest value there. The
gradient is that of the mean square of a layer's maps.
"""

from dataclasses import dataclass
from typing import Any

import floors
import jax
import jax.numpy as jnp
import numpy as np
import tyro

from facegen_jax.network import vgg_face
from facegen_jax.network.vgg_face import CONVOLUTIONS, VGGFace


@dataclass
class Config:
    """Compare convolutions in float32 with float64."""

    layers: tuple[str, ...] = CONVOLUTIONS
    size: int = 224


def main(config: Config) -> None:
    params: Any = vgg_face.init_params(
        jax.random.key(0), VGGFace(floors.WIDTHS["full"], ()), config.size
    )
    backbone = vgg_face.backbone_of(params, config.size)
    coarse = jax.random.uniform(jax.random.key(1), (1, config.size // 4, config.size // 4, 3))
    shape = (1, config.size, config.size, 3)
    image = jnp.clip(jax.image.resize(coarse, shape, "cubic"), 0, 1)
    ready = backbone.prepared(params, config.size, config.size)
    print("| layer | maps, prepared | plain | pixel gradient, prepared | plain |")
    print("|---|---|---|---|---|")
    for layer in config.layers:

        def energy(params, image, layer=layer):
            maps = backbone.features(params, image, (layer,))[layer]
            return jnp.mean(jnp.square(maps)), maps

        compute = jax.grad(energy, 1, has_aux=True)
        with jax.enable_x64(True):
            double = jax.tree.map(lambda leaf: jnp.asarray(np.float64(leaf)), (params, image))
            exact = [np.asarray(each) for each in compute(*double)]
        errors = [
            [_error(ours, true) for ours, true in zip(compute(each, image), exact, strict=True)]
            for each in (ready, params)
        ]
        (ours, own_gradient), (direct, gradient) = (reversed(pair) for pair in errors)
        numbers = (ours, direct, own_gradient, gradient)
        print(f"| {layer} |", " | ".join(f"{each:.1e}" for each in numbers), "|", flush=True)


def _error(found: jax.Array, exact: np.ndarray) -> float:
    return float(np.abs(np.float64(found) - exact).max() / np.abs(exact).max())


if __name__ == "__main__":
    main(tyro.cli(Config))
