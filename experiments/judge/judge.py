"""The judge: a network outside every descent that says what a picture shows and whom.

A small residual network in PyTorch. It shares neither layers nor resolution with the networks that
edits descend on, and is not trained on adversarial images; its training images carry smudges, blur
and noise, so that a dark spot is no smile. `train_judge.py` trains it, `evaluate_judge.py` measures
it on people it has never seen and writes `judge.safetensors`.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facegen_jax.network import tensor_file
from facegen_jax.types import Images

FILE = Path(__file__).parent / "judge.safetensors"
SIZE = 96
"""Side of the images that the judge sees."""
STEM, WIDTHS, HIDDEN, EMBEDDING = 24, (32, 64, 128, 192), 256, 192
BATCH = 128
ENOUGH = 0.80
"""Balanced accuracy below which the judge's word on an attribute does not count."""


class Block(nn.Module):
    """Two 3x3 convolutions with batch normalisation, beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(outputs) for _ in range(3)])
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the block's maps."""
        one, two, three = self.norms
        inner = two(self.second(F.relu(one(self.first(maps)))))
        return F.relu(inner + three(self.shortcut(maps)))


class Judge(nn.Module):
    """Attribute logits, an identity embedding and features of a face."""

    def __init__(self, attributes: int, people: int):
        super().__init__()
        self.stem = nn.Conv2d(3, STEM, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(STEM)
        blocks, inputs = [], STEM
        for width in WIDTHS:
            blocks += [Block(inputs, width, 2), Block(width, width, 1)]
            inputs = width
        self.blocks = nn.Sequential(*blocks)
        self.hidden = nn.Linear(WIDTHS[-1] * 9, HIDDEN)
        self.attributes = nn.Linear(HIDDEN, attributes)
        self.embedding = nn.Linear(HIDDEN, EMBEDDING)
        self.people = nn.Linear(EMBEDDING, people, bias=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits, unit embeddings and features of `batch 3 height width` in [0, 1]."""
        images = F.interpolate(images, (SIZE, SIZE), mode="bilinear", align_corners=False)
        maps = F.relu(self.norm(self.stem(images * 4 - 2)))
        maps = self.blocks(maps).flatten(1)
        hidden = F.relu(self.hidden(F.dropout(maps, 0.3, self.training)))
        dropped = F.dropout(hidden, 0.3, self.training)
        return self.attributes(dropped), F.normalize(self.embedding(dropped)), hidden

    def person_logits(self, embeddings: Tensor) -> Tensor:
        """Return scaled cosines to every person of the training set."""
        return 24 * embeddings @ F.normalize(self.people.weight).T


class Opinion(NamedTuple):
    """What the judge sees in images."""

    logits: np.ndarray
    """`images attributes`, in the order of the judge's names."""
    embeddings: np.ndarray
    """Unit length, `images 192`."""
    features: np.ndarray
    """`images 256`, for distances between sets of images."""


class Bench(NamedTuple):
    """A loaded judge, with what was measured on people it has not seen."""

    judge: Judge
    names: tuple[str, ...]
    thresholds: dict[str, float]
    """The logit from which an attribute counts as present."""
    accuracy: dict[str, float]
    """Balanced accuracy on test people."""
    tied: dict[str, tuple[str, ...]]
    """Attributes that go together with each one, so that they may change with it."""


def opinion(judge: Judge, images: Images) -> Opinion:
    """Judge images, RGB float32 in [0, 1], `batch height width 3`."""
    parts: list[list[np.ndarray]] = []
    with torch.no_grad():
        for first in range(0, len(images), BATCH):
            batch = np.array(images[first : first + BATCH], np.float32)
            outputs = judge(torch.from_numpy(batch).permute(0, 3, 1, 2))
            parts.append([each.numpy() for each in outputs])
    logits, embeddings, features = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Opinion(logits, embeddings, features)


def save_judge(path: Path, bench: Bench) -> None:
    """Write the judge as float16; the layer that names training people is left out."""
    tensors = {
        name: value.numpy()
        for name, value in bench.judge.state_dict().items()
        if value.dtype == torch.float32 and name != "people.weight"
    }
    facts = {name: json.dumps(getattr(bench, name)) for name in Bench._fields[1:]}
    tensor_file.write(path, tensors, {"format_version": "1", **facts}, "F16")


def load_judge(path: Path = FILE) -> Bench:
    """Load a judge as `save_judge` wrote it."""
    tensors, metadata = tensor_file.parse(tensor_file.map_file(path))
    facts = {name: json.loads(metadata[name]) for name in Bench._fields[1:]}
    judge = Judge(len(facts["names"]), 1)
    state = {name: torch.tensor(np.asarray(value, np.float32)) for name, value in tensors.items()}
    judge.load_state_dict(state, strict=False)
    return Bench(judge.eval(), **facts)
