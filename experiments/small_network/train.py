"""Train the small default network; a killed run continues from its last checkpoint.

    python experiments/small_network/train.py --faces FOLDER --prepared FOLDER --out FOLDER

The network is a narrow VGG-16 with batch normalisation, which export.py folds away. Two heads
share fc7: an embedding that imitates the teacher's (cosine to dlib's, centred over the training
photos) and the attributes (binary cross-entropy over the known labels).

Every batch is used twice: unchanged, and moved by up to `--adversarial` in the direction that
raises the loss most (one L2 step; Goodfellow et al. 2015, Miyato et al. 2016). Gradients of
networks trained this way look like faces rather than noise (Engstrom et al., arXiv:1906.00945),
and optimising pixels depends on that.

Training uses PyTorch because its bfloat16 convolutions on a CPU are several times as fast as
XLA's. Using the network does not need PyTorch.
"""

from dataclasses import dataclass
from typing import NamedTuple

import data
import loop
import numpy as np
import torch
import tyro
from model import Network, adversarial_images, augment, training_loss
from torch import Tensor


@dataclass(kw_only=True)
class Config(loop.Training):
    """Train the small default network."""

    widths: tuple[int, int, int, int, int] = (16, 32, 64, 128, 128)
    epochs: int = 14
    """Passes over the photos; a batch and its moved images count as one."""
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    adversarial: float = 1.0
    """Largest L2 length of the move, in pixel values of [0, 1] over the whole 112 x 112 image; 0
    turns adversarial training off."""
    moved_every: int = 1
    """Use moved images in every N-th batch."""
    seed: int = 0


class Photos(NamedTuple):
    """The photos of all sets that are not held out."""

    images: np.ndarray
    labels: Tensor
    teacher: Tensor


def load_photos(config: Config, attributes: list[str]) -> Photos:
    """Load the prepared sets; the teacher's embeddings are centred."""
    sets = [data.load(config.faces, config.prepared, name, attributes) for name in data.SETS]
    images, labels, teacher = (
        np.concatenate([getattr(each, field)[~each.held_out] for each in sets])
        for field in ("images", "labels", "embeddings")
    )
    centred = torch.from_numpy(teacher - teacher.mean(0))
    return Photos(images, torch.from_numpy(labels).float(), centred)


def main(config: Config) -> None:
    loop.begin(config)
    attributes = data.vocabulary(config.faces)
    photos, network = load_photos(config, attributes), Network(config.widths, len(attributes))

    def take_step(
        run: loop.Run, rows: np.ndarray, rng: np.random.Generator, step: int
    ) -> dict[str, float]:
        """Train on one batch, and on its adversarial images."""
        adversarial = config.adversarial > 0 and step % config.moved_every == 0
        images = augment(photos.images[rows], rng).requires_grad_(adversarial)
        record = {}
        for kind in ("plain", "moved") if adversarial else ("plain",):
            teacher, labels = photos.teacher[rows], photos.labels[rows]
            loss, parts = training_loss(network, images, teacher, labels)
            run.optimizer.zero_grad()
            loss.backward()
            run.optimizer.step()
            record |= {f"{kind}_{name}": round(value, 4) for name, value in parts.items()}
            if kind == "plain" and images.grad is not None:
                images = adversarial_images(images.detach(), images.grad, config.adversarial, rng)
        return record

    facts = {"attributes": attributes, "widths": list(config.widths)}
    loop.train(config, network, len(photos.images), take_step, facts)


if __name__ == "__main__":
    main(tyro.cli(Config))
