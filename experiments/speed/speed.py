"""Time one descent step against the plain operations: `make bench`.

    python experiments/speed/speed.py

A step is what the solver does: a loss at five layers and its gradient with respect to the pixels,
inside a compiled loop, in float32, with random parameters. "plain" is the same network built from
`lax.conv_general_dilated` and `lax.reduce_window`, with the gradients that JAX derives. Both are
warmed up and timed alternately in one run. The script prints medians, and the ratio plain / ours
(above 1: ours is faster).
"""

import os
import statistics
import time
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import tyro
from jax import lax

from facegen_jax.network import vgg_face
from facegen_jax.network.features import extract
from facegen_jax.network.vgg_face import BLOCKS, MEAN_RGB, VGGFace

LAYERS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3")
CASES = (
    ("small", (16, 32, 64, 128, 128), 1, 112),
    ("small", (16, 32, 64, 128, 128), 8, 112),
    ("full", (64, 128, 256, 512, 512), 1, 224),
)
"""Name, widths, batch size, side of the images."""


@dataclass
class Config:
    """Time descent steps."""

    steps: int = 5
    """Steps in one compiled loop."""
    repeats: int = 5
    """Timed runs of each loop."""


def plain(params, images):
    """Return the maps of LAYERS from plain operations."""
    x = images * 255 - jnp.array(MEAN_RGB).reshape(1, 1, 1, 3)
    maps = {}
    for block in BLOCKS:
        for name in block:
            kernel, bias = params[name]["kernel"], params[name]["bias"]
            layout = ("NHWC", "HWIO", "NHWC")
            x = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=layout)
            maps[name] = x = jax.nn.relu(x + bias)
        x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    return {name: maps[name] for name in LAYERS}


def descent(network, steps):
    """Return a compiled loop of `steps` gradient steps on the squared distance to fixed maps."""

    @jax.jit
    def run(params, images, targets):
        def loss(x):
            maps = network(params, x)
            return sum(jnp.mean(jnp.square(maps[name] - targets[name])) for name in LAYERS)

        def step(_, x):
            return jnp.clip(x - 1e-6 * jax.grad(loss)(x), 0, 1)

        return lax.fori_loop(0, jnp.int32(steps), step, images)

    return run


def main(config: Config) -> None:
    device = jax.devices()[0]
    print(f"{device.platform}: {device.device_kind}, {os.cpu_count()} cores, jax {jax.__version__}")
    header = ("network", "images", "ours ms/step", "plain ms/step", "plain / ours")
    print("{:8} {:>12} {:>13} {:>14} {:>13}".format(*header))
    for name, widths, batch, size in CASES:
        params = vgg_face.init_params(jax.random.key(0), VGGFace(widths, (8, 8, 8)), size)
        images, other = jax.random.uniform(jax.random.key(1), (2, batch, size, size, 3))
        targets = plain(params, other)
        runs = {
            "ours": descent(lambda p, x: extract(p, x, LAYERS), config.steps),
            "plain": descent(plain, config.steps),
        }
        for run in runs.values():
            jax.block_until_ready(run(params, images, targets))
        seconds = {kind: [] for kind in runs}
        for _ in range(config.repeats):
            for kind, run in runs.items():
                began = time.perf_counter()
                jax.block_until_ready(run(params, images, targets))
                seconds[kind].append((time.perf_counter() - began) / config.steps)
        ours, theirs = (1000 * statistics.median(seconds[kind]) for kind in ("ours", "plain"))
        shape = f"{batch} x {size}x{size}"
        print(f"{name:8} {shape:>12} {ours:13.1f} {theirs:14.1f} {theirs / ours:13.2f}", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Config))
