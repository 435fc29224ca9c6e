"""Align the labelled photos to the template and compute the teacher's embeddings; writes one array file per set.

    python experiments/small_network/prepare.py --faces FOLDER --out FOLDER

Each photo's face is found with dlib (CC0 five-point landmarks); where none is found the set's median landmarks stand in, which
is sound because all three sets are roughly aligned already. The teacher is dlib's CC0 face ResNet, 128 numbers a face.
"""

import concurrent.futures
import csv
import functools
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from tqdm import tqdm

from facegen_jax.faces import align, detector, image

SIZE, MARGIN = 120, 4 / 112  # the 112-pixel template with 4 pixels around it, for random crops


@dataclass
class Config:
    """Align photos and compute teacher embeddings."""

    faces: Path
    """Folder with the sets lfw, celeba and utkface, each with labels.csv and images/."""
    out: Path
    """Where SET.npz is written."""
    processes: int = 2


def find(path: Path) -> np.ndarray | None:
    """Landmarks of the face nearest the picture's centre, or None."""
    picture = image.load(path)
    centre = np.array(picture.shape[1::-1]) / 2
    found = detector.detect(picture)
    return min(found, key=lambda points: np.linalg.norm(points.mean(0) - centre)) if found else None


def cut(job: tuple[Path, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The aligned picture (uint8) and the teacher's embedding of the face."""
    path, landmarks = job
    picture = image.load(path)
    aligned = align.to_template(picture, landmarks, SIZE, margin=MARGIN)
    pixels = np.round(picture * 255).astype(np.uint8)
    return np.round(aligned * 255).astype(np.uint8), embed(pixels, landmarks)


@functools.cache
def teacher() -> tuple[Any, Any]:
    """dlib and its face ResNet."""
    dlib = importlib.import_module("dlib")
    return dlib, dlib.face_recognition_model_v1(
        str(detector.model_file("dlib_face_recognition_resnet_model_v1.dat"))
    )


def embed(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """dlib's face embedding (128 numbers, Euclidean)."""
    dlib, network = teacher()
    points = dlib.full_object_detection(
        dlib.rectangle(0, 0, 1, 1), [dlib.point(*map(round, p)) for p in landmarks]
    )
    return np.array(
        network.compute_face_descriptor(dlib.get_face_chip(pixels, points, 150)), np.float32
    )


def main(config: Config) -> None:
    config.out.mkdir(parents=True, exist_ok=True)
    for name in ("lfw", "celeba", "utkface"):
        target = config.out / f"{name}.npz"
        if target.exists():
            continue
        with open(config.faces / name / "labels.csv", newline="") as file:
            filenames = [row["filename"] for row in csv.DictReader(file)]
        paths = [config.faces / name / "images" / filename for filename in filenames]
        with concurrent.futures.ProcessPoolExecutor(config.processes) as pool:
            landmarks = list(
                tqdm(pool.map(find, paths, chunksize=16), f"{name}: landmarks", len(paths))
            )
            found = np.array([points is not None for points in landmarks])
            median = np.median([points for points in landmarks if points is not None], axis=0)
            jobs = [
                (path, median if points is None else points)
                for path, points in zip(paths, landmarks, strict=True)
            ]
            pictures, embeddings = zip(
                *tqdm(pool.map(cut, jobs, chunksize=16), f"{name}: embeddings", len(jobs)),
                strict=True,
            )
        temporary = target.with_suffix(".tmp.npz")
        np.savez(
            temporary,
            filenames=filenames,
            pictures=pictures,
            embeddings=embeddings,
            found=found,
            landmarks=[j[1] for j in jobs],
        )
        temporary.replace(target)
        print(f"{name}: {len(paths)} photos, {int((~found).sum())} with the set's median landmarks")


if __name__ == "__main__":
    main(tyro.cli(Config))
