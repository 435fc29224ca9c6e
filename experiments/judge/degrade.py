"""Blemishes for the judge's training images."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def degrade(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Add smudges, blur and noise that have nothing to do with the labels."""
    for _ in range(2):
        images = images + _smudge(len(images), images.shape[-1], rng)
    blurred = F.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    images = images + _uniform(rng, -0.3, 1, len(images)).clamp(min=0) * (blurred - images)
    deviation = _uniform(rng, -0.04, 0.04, len(images)).clamp(min=0)
    return (images + deviation * torch.randn(images.shape)).clamp(0, 1)


def _smudge(n: int, size: int, rng: np.random.Generator) -> Tensor:
    """Return a soft dark or bright spot on four images of ten, `n 1 size size`."""
    column, row = _uniform(rng, 0, size, n), _uniform(rng, 0, size, n)
    radius, shade = _uniform(rng, 3, 12, n), _uniform(rng, -0.5, 0.5, n)
    present = (_uniform(rng, 0, 1, n) < 0.4).float()
    grid = torch.arange(size, dtype=torch.float32)
    distance = (grid.view(1, 1, 1, -1) - column) ** 2 + (grid.view(1, 1, -1, 1) - row) ** 2
    return present * shade * torch.exp(-distance / radius**2 / 2)


def _uniform(rng: np.random.Generator, low: float, high: float, n: int) -> Tensor:
    """Draw a number for each image."""
    return torch.from_numpy(rng.uniform(low, high, (n, 1, 1, 1)).astype(np.float32))
