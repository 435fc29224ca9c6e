"""The prepared photos with one attribute vocabulary, and the split by identity."""

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SETS = ("lfw", "celeba", "utkface")
HELD_OUT = {"lfw": 0.2, "celeba": 0.15, "utkface": 0.1}
"""Share of the identities (of the photos, where a set names none) that training never sees."""
NOT_ATTRIBUTES = {
    "filename",
    "identity",
    "id_score",
    "upscale",
    "expression_human",
    "tri_male",
    "tri_eyeglasses",
    "tri_smiling",
}

LFW_OPPOSITES = (
    ("Male", "Female"),
    ("Smiling", "Frowning"),
    ("Mouth Slightly Open", "Mouth Closed"),
    ("Senior", "Youth"),
    ("Eyeglasses", "No Eyewear"),
    ("Mustache", "No Beard"),
    ("Fully Visible Forehead", "Obstructed Forehead"),
    ("Soft Lighting", "Harsh Lighting"),
    ("Straight Hair", "Curly Hair"),
)
"""LFW's labels come from classifiers: 1 is confident, 0 is not. Of a pair, 0 counts only where the other one is confident."""
LFW_SURE = {
    "tri_male": ("Male", "Female"),
    "tri_eyeglasses": ("Eyeglasses", "No Eyewear"),
    "tri_smiling": ("Smiling", "Frowning"),
}
"""Columns with clean values (1, 0 or blank) for the first of the pair."""


@dataclass(frozen=True)
class Faces:
    """Aligned photos of one set; labels are 1, 0 or -1 (unknown), one column for each of `attributes`."""

    filenames: list[str]
    pictures: np.ndarray
    embeddings: np.ndarray
    labels: np.ndarray
    identities: np.ndarray
    held_out: np.ndarray


def read_labels(
    folder: Path, name: str, *, raw: bool = False
) -> tuple[list[str], list[dict[str, int]], list[str]]:
    """File names, known labels per photo under the shared names, and identities; `raw` takes every 0 of LFW at its word."""
    with open(folder / name / "labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    read = {"lfw": _labels if raw else _lfw_labels, "celeba": _labels, "utkface": _utkface_labels}[
        name
    ]
    known = [read(row) for row in rows]
    return (
        [row["filename"] for row in rows],
        known,
        [row.get("identity") or row["filename"] for row in rows],
    )


def _labels(row: dict[str, str]) -> dict[str, int]:
    names = [
        name
        for name in row
        if name not in NOT_ATTRIBUTES
        and not name.endswith(("_x", "_y", "_x1", "_y1", "_x2", "_y2"))
    ]
    return {
        name.replace("_", " ").replace("5 o Clock", "5 o' Clock"): int(row[name])
        for name in names
        if row[name] != ""
    }


def _lfw_labels(row: dict[str, str]) -> dict[str, int]:
    labels = _labels(row)
    for pair in LFW_OPPOSITES:
        if labels.get(pair[0]) == labels.get(pair[1]):  # neither is confident (or both are)
            for name in pair:
                labels.pop(name, None)
    for column, (name, opposite) in LFW_SURE.items():
        if row[column]:
            labels |= {name: int(row[column])} | (
                {} if name == "Smiling" else {opposite: 1 - int(row[column])}
            )
    return labels


def _utkface_labels(row: dict[str, str]) -> dict[str, int]:
    age, race = int(row["age"]), int(row["race_0white_1black_2asian_3indian_4other"])
    labels = {
        "Male": 1 - int(row["gender_0male_1female"]),
        "Female": int(row["gender_0male_1female"]),
    }
    if not 45 <= age < 60:  # the years in between are neither
        labels["Senior"] = int(age >= 60)
    if not 10 <= age < 14:
        labels["Child"] = int(age < 10)
    labels["Baby"] = int(age < 3)
    return labels | {
        name: int(race == code) for code, name in enumerate(("White", "Black", "Asian", "Indian"))
    }


def vocabulary(faces: Path) -> list[str]:
    """Every attribute that any set labels, sorted."""
    return sorted({name for s in SETS for known in read_labels(faces, s)[1] for name in known})


def load(
    faces: Path, prepared: Path, name: str, attributes: list[str], *, raw: bool = False
) -> Faces:
    """One prepared set with its labels; the split is by a hash of the identity, so it never changes."""
    arrays = np.load(prepared / f"{name}.npz")
    filenames, known, identities = read_labels(faces, name, raw=raw)
    if list(arrays["filenames"]) != filenames:
        raise ValueError(
            f"{prepared / name}.npz was prepared from another labels.csv; delete it and run prepare.py again"
        )
    labels = np.array(
        [[row.get(attribute, -1) for attribute in attributes] for row in known], np.int8
    )
    held_out = np.array([_fraction(name + identity) < HELD_OUT[name] for identity in identities])
    return Faces(
        filenames, arrays["pictures"], arrays["embeddings"], labels, np.array(identities), held_out
    )


def crops(pictures: np.ndarray, size: int) -> np.ndarray:
    """The template without the margin."""
    edge = (pictures.shape[1] - size) // 2
    return pictures[:, edge : edge + size, edge : edge + size]


def _fraction(text: str) -> float:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32
