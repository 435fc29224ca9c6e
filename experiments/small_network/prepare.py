"""Align the labelled photos with the template, and compute the teacher's embeddings.

    python experiments/small_network/prepare.py --faces FOLDER --out FOLDER

Writes one array file per set. dlib finds the face of each photo (CC0 five-point landmarks). If it
finds none, the set's median landmarks are used, which is sound because all three sets are roughly
aligned already. The teacher is dlib's CC0 face ResNet, with 128 numbers per face.
"""

import concurrent.futures
import csv
import functools
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from data import SETS
from tqdm import tqdm

from facegen_jax.faces import detector, geometry, image
from facegen_jax.types import Image

SAME_PERSON = 0.6
"""dlib's own threshold on the distance between its embeddings."""
SIZE, MARGIN = 120, 4 / 112
"""The 112-pixel template with a margin of 4 pixels, for random crops."""


@dataclass
class Config:
    """Align photos and compute teacher embeddings."""

    faces: Path
    """Folder of the sets lfw, celeba and utkface, each with labels.csv and images/."""
    out: Path
    """Folder for SET.npz."""
    processes: int = 2


def find(path: Path) -> np.ndarray | None:
    """Return the landmarks of the face nearest to the photo's centre, or None."""
    photo = image.load(path)
    centre = np.array(photo.shape[1::-1]) / 2
    faces = detector.detect(photo)
    return min(faces, key=lambda points: np.linalg.norm(points.mean(0) - centre)) if faces else None


def cut(job: tuple[Path, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the aligned image (uint8) and the teacher's embedding of the face."""
    path, landmarks = job
    photo = image.load(path)
    aligned = geometry.to_template(photo, landmarks, SIZE, margin=MARGIN)
    return image.pixels(aligned), embed(image.pixels(photo), landmarks)


@functools.cache
def teacher() -> tuple[Any, Any]:
    """Return dlib and its face ResNet."""
    dlib = importlib.import_module("dlib")
    path = detector.model_file("dlib_face_recognition_resnet_model_v1.dat")
    return dlib, dlib.face_recognition_model_v1(str(path))


def embed(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return dlib's face embedding: 128 numbers, compared by Euclidean distance."""
    dlib, network = teacher()
    points = [dlib.point(*map(round, point)) for point in landmarks]
    face = dlib.full_object_detection(dlib.rectangle(0, 0, 1, 1), points)
    chip = dlib.get_face_chip(pixels, face, 150)
    return np.array(network.compute_face_descriptor(chip), np.float32)


def embed_aligned(images: Sequence[Image]) -> np.ndarray:
    """Return dlib's embeddings of faces aligned with the template, `faces 128`."""
    landmarks = geometry.TEMPLATE * len(images[0]) - 0.5
    return np.array([embed(image.pixels(each), landmarks) for each in images])


def save_set(config: Config, name: str, path: Path) -> None:
    """Align one set and write it, atomically, with its file names, embeddings and landmarks."""
    with open(config.faces / name / "labels.csv", newline="") as file:
        filenames = [row["filename"] for row in csv.DictReader(file)]
    paths = [config.faces / name / "images" / filename for filename in filenames]
    with concurrent.futures.ProcessPoolExecutor(config.processes) as pool:
        detected = list(tqdm(pool.map(find, paths, chunksize=16), f"{name}: landmarks", len(paths)))
        found = np.array([points is not None for points in detected])
        median = np.median([points for points in detected if points is not None], axis=0)
        landmarks = [median if points is None else points for points in detected]
        jobs = pool.map(cut, zip(paths, landmarks, strict=True), chunksize=16)
        images, embeddings = zip(*tqdm(jobs, f"{name}: embeddings", len(paths)), strict=True)
    temporary = path.with_suffix(".tmp.npz")
    np.savez(
        temporary,
        filenames=filenames,
        pictures=images,
        embeddings=embeddings,
        found=found,
        landmarks=landmarks,
    )
    temporary.replace(path)
    print(f"{name}: {len(paths)} photos, {int((~found).sum())} with the set's median landmarks")


def main(config: Config) -> None:
    config.out.mkdir(parents=True, exist_ok=True)
    for name in SETS:
        path = config.out / f"{name}.npz"
        if not path.exists():
            save_set(config, name, path)


if __name__ == "__main__":
    main(tyro.cli(Config))
