"""Train the small default network; a killed run continues where its last checkpoint was.

    python experiments/small_network/train.py --faces FOLDER --prepared FOLDER --out FOLDER

The network is VGG-16 with narrow layers and batch normalisation, which export.py folds away. Two heads share fc7: an embedding
that imitates the teacher's (cosine to dlib's, after the set mean is taken off) and the attributes (binary cross-entropy over the
known labels). Every batch is used twice: as it is, and moved by up to `--adversarial` in the direction that raises the loss
most (one L2 step; Goodfellow et al. 2015, Miyato et al. 2016), because gradients of networks trained so look like faces
rather than noise (Engstrom et al., arXiv:1906.00945), which is what pixel optimisation lives on.

Training is in PyTorch because its bfloat16 convolutions on a CPU are several times as fast as XLA's; nothing of it is needed to use the network.
"""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import data
import numpy as np
import torch
import tyro
from torch import Tensor, nn
from torch.nn import functional as F

MEAN = (
    129.186279296875,
    104.76238250732422,
    93.59396362304688,
)  # of VGG-Face, which the package subtracts for any network
SCALE = 64.0  # keeps the first layer's inputs near one; export.py folds it into conv1_1


@dataclass
class Config:
    """Train the small default network."""

    faces: Path
    prepared: Path
    out: Path
    widths: tuple[int, int, int, int, int] = (16, 32, 64, 128, 128)
    epochs: int = 14
    """Passes over the photos; each batch counts twice (as it is, and moved)."""
    batch_size: int = 96
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    adversarial: float = 1.0
    """Largest L2 length of the move, in pixel values of [0, 1] over the whole 112 x 112 picture; 0 trains plainly."""
    moved_every: int = 1
    """Every how many batches the moved pictures are used too."""
    start: Path | None = None
    """Checkpoint of another run whose network to begin with."""
    checkpoint_every: int = 100
    seed: int = 0
    threads: int = 2


class Network(nn.Module):
    """VGG-16 with any widths, batch normalisation, and two heads."""

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
        mean = torch.tensor(MEAN).view(1, 3, 1, 1)
        maps = self.features(
            ((images * 255 - mean) / SCALE).contiguous(memory_format=torch.channels_last)
        )
        # Height, width, channels: the order in which the package flattens.
        hidden = F.relu(
            self.fc6(F.dropout(maps.permute(0, 2, 3, 1).flatten(1), 0.2, self.training))
        )
        hidden = F.relu(self.fc7(F.dropout(hidden, 0.2, self.training)))
        return self.embedding(hidden).float(), self.fc8(hidden).float()


def augment(pictures: np.ndarray, rng: np.random.Generator) -> Tensor:
    """Random 112-pixel crops, flips, brightness, contrast and saturation, some grey; float32 in [0, 1]."""
    size, n = 112, len(pictures)
    top, left = rng.integers(0, pictures.shape[1] - size + 1, (2, n))
    crops = np.stack(
        [p[t : t + size, x : x + size] for p, t, x in zip(pictures, top, left, strict=True)]
    )
    flip = rng.random(n) < 0.5
    crops[flip] = crops[flip, :, ::-1]
    images = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
    contrast, saturation = (
        torch.from_numpy(rng.uniform(0.75, 1.25, (n, 1, 1, 1)).astype(np.float32)) for _ in range(2)
    )
    brightness = torch.from_numpy(rng.uniform(-0.1, 0.1, (n, 1, 1, 1)).astype(np.float32))
    saturation[torch.from_numpy(rng.random(n) < 0.05)] = 0
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * saturation
    mean = images.mean((1, 2, 3), keepdim=True)
    return (mean + (images - mean) * contrast + brightness).clamp(0, 1)


def loss_of(
    network: Network, images: Tensor, teacher: Tensor, labels: Tensor
) -> tuple[Tensor, dict[str, float]]:
    with torch.autocast("cpu", torch.bfloat16):
        embedding, logits = network(images)
    identity = (1 - F.cosine_similarity(embedding, teacher)).mean()
    # A label of 0 in LFW is "not confidently positive", so negatives are softened.
    entropy = F.binary_cross_entropy_with_logits(logits, labels.clamp(0.03, 0.97), reduction="none")
    known = (labels >= 0).float()
    attributes = (entropy * known).sum() / known.sum()
    return 2 * identity + 2 * attributes, {
        "identity": identity.item(),
        "attributes": attributes.item(),
    }


def moved(images: Tensor, gradient: Tensor, distance: float, rng: np.random.Generator) -> Tensor:
    """The pictures moved up the gradient by a random part of `distance`."""
    lengths = (
        torch.from_numpy(rng.uniform(0.3, 1.0, (len(images), 1, 1, 1)).astype(np.float32))
        * distance
    )
    return (
        images
        + lengths * gradient / gradient.flatten(1).norm(dim=1).clamp(min=1e-12).view(-1, 1, 1, 1)
    ).clamp(0, 1)


def train(config: Config) -> None:
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    attributes = data.vocabulary(config.faces)
    sets = [data.load(config.faces, config.prepared, name, attributes) for name in data.SETS]
    pictures, labels, teacher = (
        np.concatenate([getattr(s, field)[~s.held_out] for s in sets])
        for field in ("pictures", "labels", "embeddings")
    )
    teacher = torch.from_numpy(teacher - teacher.mean(0))
    labels = torch.from_numpy(labels).float()

    network = Network(config.widths, len(attributes))
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (missing from its stubs)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=config.weight_decay)
    per_epoch = len(pictures) // config.batch_size
    total, step = config.epochs * per_epoch, 0
    if config.start:
        network.load_state_dict(torch.load(config.start, weights_only=True)["network"])
    checkpoint = config.out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
        print(f"continuing at step {step} of {total}")
    config.out.mkdir(parents=True, exist_ok=True)

    def save() -> None:
        torch.save({"network": network.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "attributes": attributes,
                    "widths": list(config.widths)}, f"{checkpoint}.tmp")  # fmt: skip
        os.replace(f"{checkpoint}.tmp", checkpoint)

    network.train()
    while step < total:
        epoch, position = divmod(step, per_epoch)
        batch = np.random.default_rng((config.seed, epoch)).permutation(len(pictures))[
            position * config.batch_size :
        ][: config.batch_size]
        rng = np.random.default_rng(
            (config.seed, step, 1)
        )  # so that a resumed run sees the same crops
        torch.manual_seed(step)
        progress = step / total
        rate = float(
            config.learning_rate * min(1, step / 100) * 0.5 * (1 + np.cos(np.pi * progress))
        )  # plain, for weights_only
        for group in optimizer.param_groups:
            group["lr"] = rate
        began = time.perf_counter()
        adversarial = config.adversarial > 0 and step % config.moved_every == 0
        images = augment(pictures[batch], rng).requires_grad_(adversarial)
        record = {"step": step}
        for kind in ("plain", "moved") if adversarial else ("plain",):
            loss, parts = loss_of(network, images, teacher[batch], labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            record |= {f"{kind}_{name}": round(value, 4) for name, value in parts.items()}
            if kind == "plain" and images.grad is not None:
                images = moved(images.detach(), images.grad, config.adversarial, rng)
        step += 1
        if step % 20 == 1:
            record["seconds"] = round(time.perf_counter() - began, 3)
            with open(config.out / "log.jsonl", "a") as log:
                log.write(json.dumps(record) + "\n")
        if step % config.checkpoint_every == 0 or step == total:
            save()


if __name__ == "__main__":
    train(tyro.cli(Config))
