"""Time the solver's own loop against the same descent written in PyTorch.

    python experiments/speed/pytorch.py

Both minimise the same objective (identity at three layers, attribute at four, total variation) from
the same image with Adam, a cosine schedule and pixels held in [0, 1], in float32 with random
parameters. PyTorch runs eagerly with channels last and as many threads as there are cores. The two
are checked to take the same steps, warmed up, and timed in turn in one process; the table gives
medians, and the ratio PyTorch / ours (above 1: ours is faster).
"""

import math
import os
import statistics
import time
from dataclasses import dataclass
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import torch
import tyro
from torch.nn import functional

import facegen_jax as fg
from facegen_jax.descent.batch import padded, replicate, rounded
from facegen_jax.network import vgg_face
from facegen_jax.network.vgg_face import BLOCKS, MEAN_RGB, VGGFace

WIDTHS = {"small": (16, 32, 64, 128, 128), "full": (64, 128, 256, 512, 512)}
CASES = (
    ("small", 1, 112),
    ("small", 8, 112),
    ("full", 1, 224),
    ("full", 4, 224),
    ("full", 8, 112),
)
"""Network, images, side of the images."""
IDENTITY = ("conv3_3", "conv4_3", "conv5_3")
ATTRIBUTE = ("conv1_2", "conv2_2", "conv3_3", "conv4_3")
WEIGHTS = (1.0, 1.0, 0.1)
OBJECTIVE = (
    WEIGHTS[0] * fg.Identity(IDENTITY)
    + WEIGHTS[1] * fg.Attribute(ATTRIBUTE)
    + WEIGHTS[2] * fg.TotalVariation()
)
RATE = 0.02
STEPS = 10


@dataclass(frozen=True)
class RGB(fg.Pixels):
    """The pixels themselves, as PyTorch optimises them."""

    def parameters(self, image):
        return jnp.asarray(image, jnp.float32)

    def image(self, parameters):
        return jnp.asarray(parameters)


@dataclass
class Config:
    """Time the solver against PyTorch."""

    cases: Annotated[tuple[int, ...], tyro.conf.arg(metavar="ROW ...")] = tuple(range(len(CASES)))
    """Rows of the table to time."""
    devices: int = os.cpu_count() or 1
    """CPU devices that share a batch; a single image uses one."""
    repeats: int = 7
    """Timed runs of ten steps; the table gives their median."""


def channels_first(images):
    """Return images or maps as PyTorch reads them, channels last in memory."""
    tensor = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2)
    return tensor.contiguous(memory_format=torch.channels_last)


class Descent:
    """The descent as a user of PyTorch writes it."""

    def __init__(self, params, references, smoothness):
        self.kernels = {
            name: (
                channels_first(np.asarray(params[name]["kernel"]).transpose(3, 0, 1, 2)),
                torch.from_numpy(np.array(params[name]["bias"])),
            )
            for block in BLOCKS
            for name in block
        }
        self.mean = torch.tensor(MEAN_RGB).reshape(1, 3, 1, 1)
        self.references, self.smoothness = channels_first(references), smoothness

    def aim(self, targets):
        """Set the targets: layer, maps, weight."""
        self.targets = targets
        self.sizes = [target.square().sum((1, 2, 3)) for _, target, _ in self.targets]

    def features(self, images, layers):
        maps, features, deepest = images * 255 - self.mean, {}, max(layers)
        for block in BLOCKS:
            for name in block:
                if name > deepest:
                    return features
                kernel, bias = self.kernels[name]
                maps = functional.relu(functional.conv2d(maps, kernel, bias, padding=1))
                features[name] = maps
            if block[-1] < deepest:
                maps = functional.max_pool2d(maps, 2)
        return features

    def loss(self, images):
        """Return the sum of the losses of all images: their gradients are independent."""
        features = self.features(images, [name for name, _, _ in self.targets])
        pairs = zip(self.targets, self.sizes, strict=True)
        total = sum(
            share * ((features[name] - target).square().sum((1, 2, 3)) / size).sum()
            for (name, target, share), size in pairs
        )
        change = images - self.references
        down, right = change.diff(dim=2)[..., :-1], change.diff(dim=3)[:, :, :-1]
        varying = (down.square() + right.square()).mean((1, 2, 3)).sum()
        return total + self.smoothness * varying

    def run(self, steps):
        """Return the sum of the losses at each step."""
        totals = list[float]()
        images = self.references.clone().requires_grad_()
        optimizer = torch.optim.Adam([images], lr=RATE)
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
            optimizer.zero_grad()
            total = self.loss(images)
            total.backward()
            optimizer.step()
            with torch.no_grad():
                images.clamp_(0, 1)
            totals.append(total.item())
        return np.array(totals)


def ours(params, references, guides, steps):
    """Return what begins the solver's own loop of `steps` steps, and what runs it."""
    network = fg.Network(vgg_face.backbone_of(params, references.shape[1]), params)
    solver = fg.Solver(OBJECTIVE, steps, "adam", RATE, canvas=RGB())
    pairs = zip(references, guides, strict=True)
    problems = [fg.from_guides(network, OBJECTIVE, one, [other]) for one, other in pairs]
    stacked, count = solver.with_defaults(fg.stack(problems)), len(problems)
    if count > 1:
        network, (stacked, count) = replicate(network), padded(stacked, rounded(count))

    def begin():
        return jax.block_until_ready(solver.start(network, stacked, count))

    def run(descent):
        while descent.done < steps:
            descent = solver.advance(network, stacked, descent)
        return descent.trace[:count, :, 0].sum(0)

    return begin, run


def seconds(begin, run) -> float:
    """Return how long the steps take; what is computed once for a descent is not timed."""
    prepared = begin()
    began = time.perf_counter()
    run(prepared)
    return time.perf_counter() - began


def main(config: Config) -> None:
    torch.set_num_threads(os.cpu_count() or 1)
    jax.config.update("jax_num_cpu_devices", config.devices)
    print(f"jax {jax.__version__}, torch {torch.__version__}, {os.cpu_count()} cores")
    print("| network | images | PyTorch ms/step | ours ms/step | PyTorch / ours | difference |")
    print("|---|---|---|---|---|---|")
    for name, count, size in (CASES[row] for row in config.cases):
        params = vgg_face.init_params(jax.random.key(0), VGGFace(WIDTHS[name], ()), size)
        coarse = jax.random.uniform(jax.random.key(1), (2, count, size // 4, size // 4, 3))
        faces = np.asarray(jax.image.resize(coarse, (2, count, size, size, 3), "cubic")).clip(0, 1)
        theirs = Descent(params, faces[0], WEIGHTS[2])
        with torch.no_grad():
            maps = [
                theirs.features(channels_first(images), (*IDENTITY, *ATTRIBUTE)) for images in faces
            ]
        targets = [(layer, maps[0][layer], 1 / len(IDENTITY)) for layer in IDENTITY]
        targets += [(layer, maps[1][layer], 1 / len(ATTRIBUTE)) for layer in ATTRIBUTE]
        theirs.aim(targets)
        runs = {
            "theirs": (lambda: STEPS, theirs.run),
            "ours": ours(params, *faces, steps=STEPS),
        }
        totals = [run(begin()) for begin, run in runs.values()]  # warms both up, too
        apart = np.max(np.abs(totals[0] / totals[1] - 1))
        times = {kind: list[float]() for kind in runs}
        for _ in range(config.repeats):
            for kind, run in runs.items():
                times[kind].append(1000 * seconds(*run) / STEPS)
        each, own = (statistics.median(times[kind]) for kind in runs)
        row = (name, f"{count} x {size}x{size}", f"{each:.1f}", f"{own:.1f}", f"{each / own:.2f}")
        print("|", " | ".join(row), f"| {apart:.1e} |", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Config))
