"""The network in PyTorch, with its loss and the adversarial images that it is trained on."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIZE = 112
MEAN = (129.186279296875, 104.76238250732422, 93.59396362304688)
"""Mean of VGG-Face, which the package subtracts for every VGG network."""
SCALE = 64.0
"""Keeps the first layer's inputs near one; export.py folds it into conv1_1."""


class Network(nn.Module):
    """VGG-16 of any widths, with batch normalisation and two heads."""

    def __init__(self, widths, attributes: int):
        super().__init__()
        layers, channels = [], 3
        for convolutions, width in zip((2, 2, 3, 3, 3), widths, strict=True):
            for _ in range(convolutions):
                layers += [
                    nn.Conv2d(channels, width, 3, padding=1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.ReLU(inplace=True),
                ]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.fc6, self.fc7 = nn.Linear(9 * channels, 512), nn.Linear(512, 256)
        self.fc8, self.embedding = nn.Linear(256, attributes), nn.Linear(256, 128)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return embeddings and attribute logits of RGB images in [0, 1], `batch 3 112 112`."""
        mean = torch.tensor(MEAN).view(1, 3, 1, 1)
        inputs = (images * 255 - mean) / SCALE
        maps = self.features(inputs.contiguous(memory_format=torch.channels_last))
        # The package flattens in the order height, width, channels.
        flat = maps.permute(0, 2, 3, 1).flatten(1)
        hidden = F.relu(self.fc6(F.dropout(flat, 0.2, self.training)))
        hidden = F.relu(self.fc7(F.dropout(hidden, 0.2, self.training)))
        return self.embedding(hidden).float(), self.fc8(hidden).float()


def augment(images: np.ndarray, rng: np.random.Generator) -> Tensor:
    """Crop, flip and recolour prepared images at random, some to grey.

    Args:
        images: uint8, `batch height width 3`, with their margin.
        rng: source of brightness, contrast, saturation, crops and flips.

    Returns:
        Images in [0, 1], float32, `batch 3 112 112`.
    """
    n = len(images)
    top, left = rng.integers(0, images.shape[1] - SIZE + 1, (2, n))
    crops = np.stack(
        [
            each[row : row + SIZE, column : column + SIZE]
            for each, row, column in zip(images, top, left, strict=True)
        ]
    )
    flip = rng.random(n) < 0.5
    crops[flip] = crops[flip, :, ::-1]
    pixels = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
    contrast, saturation = _uniform(rng, 0.75, 1.25, n), _uniform(rng, 0.75, 1.25, n)
    brightness = _uniform(rng, -0.1, 0.1, n)
    saturation[torch.from_numpy(rng.random(n) < 0.05)] = 0
    grey = pixels.mean(1, keepdim=True)
    pixels = grey + (pixels - grey) * saturation
    mean = pixels.mean((1, 2, 3), keepdim=True)
    return (mean + (pixels - mean) * contrast + brightness).clamp(0, 1)


def _uniform(rng: np.random.Generator, low: float, high: float, n: int) -> Tensor:
    """Draw a number per image."""
    return torch.from_numpy(rng.uniform(low, high, (n, 1, 1, 1)).astype(np.float32))


def entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of known labels; those of -1 are unknown and do not count."""
    # A label of 0 in LFW means "not confidently positive", so labels are smoothed.
    smooth = labels.clamp(0.03, 0.97)
    each = F.binary_cross_entropy_with_logits(logits, smooth, reduction="none")
    known = (labels >= 0).float()
    return (each * known).sum() / known.sum()


def training_loss(
    network: Network, images: Tensor, teacher: Tensor, labels: Tensor
) -> tuple[Tensor, dict[str, float]]:
    """Return the loss, and its two parts as numbers; labels of -1 are unknown and do not count."""
    with torch.autocast("cpu", torch.bfloat16):
        embedding, logits = network(images)
    identity = (1 - F.cosine_similarity(embedding, teacher)).mean()
    attributes = entropy(logits, labels)
    parts = {"identity": identity.item(), "attributes": attributes.item()}
    return 2 * identity + 2 * attributes, parts


def adversarial_images(
    images: Tensor, gradient: Tensor, distance: float, rng: np.random.Generator
) -> Tensor:
    """Move images up the gradient by 0.3 to 1.0 times an L2 length of `distance`."""
    lengths = _uniform(rng, 0.3, 1.0, len(images)) * distance
    norms = gradient.flatten(1).norm(dim=1).clamp(min=1e-12).view(-1, 1, 1, 1)
    return (images + lengths * gradient / norms).clamp(0, 1)
