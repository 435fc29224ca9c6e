"""Build the attribute directions that ship beside the small network.

    python experiments/small_network/directions.py --faces FOLDER --prepared FOLDER --out weights/small_directions.safetensors

Every number of every feature map is regressed (least squares) on the attributes together, over the training faces of LFW and
CelebA and their mirror images. An attribute's coefficients are its direction: what changes with it while the others stay, so
that a mustache does not bring a man's face along as the plain mean(with) - mean(without) does (Upchurch et al.,
arXiv:1611.05507, avoid that by choosing nearest neighbours of the same sex). Labels a set lacks are filled in by the
network's own head.
"""

from dataclasses import dataclass, field
from pathlib import Path

import data
import jax
import jax.numpy as jnp
import numpy as np
import tyro
from tqdm import tqdm

from facegen_jax.checkpoint import Network, load_network
from facegen_jax.direction import save_directions
from facegen_jax.metrics import attribute_scores
from facegen_jax.types import Features
from facegen_jax.vgg_face import extract

LAYERS = ("image", "conv1_2", "conv2_2", "conv3_3", "conv4_3")
"""The picture itself is among them: its direction gives the change its true colours."""
SHIPPED = ("Eyeglasses", "Smiling", "Mustache", "Mouth Slightly Open", "Senior", "Bangs", "Male")
SCALES = {"Eyeglasses": 4.0, "Smiling": 4.0, "Mustache": 4.0, "Mouth Slightly Open": 4.0, "Senior": 2.5, "Bangs": 2.0, "Male": 3.0}
"""Chosen by eye: as much as still looks natural on most faces."""
OPPOSITES = {"Youth": "Senior", "Female": "Male"}
CONTROLS = ("Sunglasses", "No Beard", "Wearing Hat", "Black", "Asian", "Blond Hair", "Black Hair", "Gray Hair", "Heavy Makeup", "Pale Skin", "Blurry")
"""Held constant beside the shipped ones."""


@dataclass
class Config:
    """Build attribute directions."""

    faces: Path
    prepared: Path
    out: Path = Path("weights/small_directions.safetensors")
    params: str = "small"
    scales: dict[str, float] = field(default_factory=SCALES.copy)
    """What a strength of 1 multiplies the regression's coefficients by."""
    batch_size: int = 64


def training_faces(config: Config, network: Network) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (uint8, the template) and the design matrix: 1, the set, then the attributes in [0, 1]."""
    names = list(network.attributes)
    pictures, columns = [], []
    for number, name in enumerate(("lfw", "celeba")):
        faces = data.load(config.faces, config.prepared, name, names)
        keep = ~faces.held_out
        cut = data.crops(faces.pictures[keep], network.size)
        scores = jax.jit(lambda images: attribute_scores(network, images))
        guessed = np.concatenate(
            [np.asarray(jax.nn.sigmoid(scores(_floats(cut[i : i + 256])))) for i in tqdm(range(0, len(cut), 256), f"{name}: scores")]
        )
        known = faces.labels[keep]
        labels = np.where(known >= 0, known, guessed)[:, [names.index(each) for each in (*SHIPPED, *CONTROLS)]]
        pictures.append(cut)
        columns.append(np.concatenate([np.ones((len(cut), 1)), np.full((len(cut), 1), number), labels], 1))
    return np.concatenate(pictures), np.concatenate(columns)


def regress(network: Network, pictures: np.ndarray, design: np.ndarray, batch_size: int) -> dict[str, Features]:
    """Coefficients of each shipped attribute, by layer; only the small normal equations are kept in memory."""

    @jax.jit
    def products(images, rows):
        maps = extract(network.params, images, LAYERS)
        return {layer: jnp.einsum("nj,nhwc->jhwc", rows, values) for layer, values in maps.items()}

    right = None
    for images, rows in tqdm(_batches(pictures, design, batch_size), "regression", 2 * -(-len(pictures) // batch_size)):
        right = products(images, rows) if right is None else jax.tree.map(jnp.add, right, products(images, rows))
    inverse = np.linalg.inv(2 * design.T @ design + 1e-3 * np.eye(design.shape[1]))
    solved = {layer: np.einsum("ij,jhwc->ihwc", inverse, np.asarray(values, np.float64)) for layer, values in (right or {}).items()}
    return {name: {layer: values[2 + number].astype(np.float32) for layer, values in solved.items()} for number, name in enumerate(SHIPPED)}


def _batches(pictures: np.ndarray, design: np.ndarray, size: int):
    for mirror in (False, True):
        for first in range(0, len(pictures), size):
            images, rows = pictures[first : first + size], design[first : first + size]
            short = size - len(images)  # zero rows add nothing, and every batch has one shape
            images, rows = np.pad(images, ((0, short), (0, 0), (0, 0), (0, 0))), np.pad(rows, ((0, short), (0, 0)))
            yield _floats(images[:, :, ::-1] if mirror else images), jnp.asarray(rows, jnp.float32)


def _floats(pictures: np.ndarray) -> jax.Array:
    return jnp.asarray(pictures, jnp.float32) / 255


def main(config: Config) -> None:
    network = load_network(config.params)
    pictures, design = training_faces(config, network)
    directions = regress(network, pictures, design, config.batch_size)
    notes = {"faces": str(len(pictures)), "gallery": "lfw, celeba (training identities)", "controls": ", ".join(CONTROLS)}
    save_directions(config.out, network, directions, config.scales, OPPOSITES, notes)
    print(f"{config.out}: {len(directions)} directions from {len(pictures)} faces, {config.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(tyro.cli(Config))
