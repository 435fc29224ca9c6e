"""The prepared photos with one attribute vocabulary, and the split by identity."""

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SETS = ("lfw", "celeba", "utkface")
HELD_OUT = {"lfw": 0.2, "celeba": 0.15, "utkface": 0.1}
"""Share of the identities that training never sees; of the photos, if a set has no identities."""
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
"""Columns of the label tables that are not attributes, beside coordinates."""
COORDINATES = ("_x", "_y", "_x1", "_y1", "_x2", "_y2")
"""Endings of the columns that hold coordinates."""
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
"""Opposite attributes. LFW's labels come from classifiers: 1 is confident, 0 is not. A 0 in one
column counts as a negative only if the opposite column is confident."""
LFW_CLEAN = {
    "tri_male": ("Male", "Female"),
    "tri_eyeglasses": ("Eyeglasses", "No Eyewear"),
    "tri_smiling": ("Smiling", "Frowning"),
}
"""Columns with clean values (1, 0 or blank) of the first attribute of the pair."""


@dataclass(frozen=True)
class Faces:
    """Aligned photos of one set, with a row for each face in every array."""

    filenames: list[str]
    images: np.ndarray
    """uint8, `faces height width 3`."""
    embeddings: np.ndarray
    """The teacher's, `faces 128`."""
    labels: np.ndarray
    """1, 0 or -1 (unknown), `faces attributes`."""
    identities: np.ndarray
    held_out: np.ndarray
    """Faces that training never sees."""


def read_labels(
    folder: Path, name: str, *, raw: bool = False
) -> tuple[list[str], list[dict[str, int]], list[str]]:
    """Return file names, known labels and identities of a set's photos.

    Attributes have the names that all sets share. `raw` takes every 0 of LFW as a negative.
    """
    with open(folder / name / "labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    readers = {
        "lfw": _plain_labels if raw else _lfw_labels,
        "celeba": _plain_labels,
        "utkface": _utkface_labels,
    }
    labels = [readers[name](row) for row in rows]
    identities = [row.get("identity") or row["filename"] for row in rows]
    return [row["filename"] for row in rows], labels, identities


def _plain_labels(row: dict[str, str]) -> dict[str, int]:
    return {
        name.replace("_", " ").replace("5 o Clock", "5 o' Clock"): int(value)
        for name, value in row.items()
        if name not in NOT_ATTRIBUTES and not name.endswith(COORDINATES) and value != ""
    }


def _lfw_labels(row: dict[str, str]) -> dict[str, int]:
    labels = _plain_labels(row)
    for pair in LFW_OPPOSITES:
        if labels.get(pair[0]) == labels.get(pair[1]):  # neither is confident, or both are
            for name in pair:
                labels.pop(name, None)
    for column, (name, opposite) in LFW_CLEAN.items():
        if row[column]:
            labels[name] = int(row[column])
            if name != "Smiling":  # a face that does not smile need not frown
                labels[opposite] = 1 - int(row[column])
    return labels


def _utkface_labels(row: dict[str, str]) -> dict[str, int]:
    age, race = int(row["age"]), int(row["race_0white_1black_2asian_3indian_4other"])
    labels = {
        "Male": 1 - int(row["gender_0male_1female"]),
        "Female": int(row["gender_0male_1female"]),
    }
    if not 45 <= age < 60:  # ages in between are unknown
        labels["Senior"] = int(age >= 60)
    if not 10 <= age < 14:
        labels["Child"] = int(age < 10)
    labels["Baby"] = int(age < 3)
    races = enumerate(("White", "Black", "Asian", "Indian"))
    return labels | {name: int(race == code) for code, name in races}


def vocabulary(faces: Path) -> list[str]:
    """Return every attribute that any set labels, sorted."""
    return sorted({name for each in SETS for row in read_labels(faces, each)[1] for name in row})


def load(
    faces: Path, prepared: Path, name: str, attributes: list[str], *, raw: bool = False
) -> Faces:
    """Load a prepared set with its labels.

    A hash of the identity decides who is held out, so that the split never changes.

    Args:
        faces: folder of the sets.
        prepared: folder that `prepare.py` wrote.
        name: the set.
        attributes: columns of the labels, in this order.
        raw: see `read_labels`.

    Raises:
        ValueError: the set was prepared from another labels.csv.
    """
    arrays = np.load(prepared / f"{name}.npz")
    filenames, known, identities = read_labels(faces, name, raw=raw)
    if list(arrays["filenames"]) != filenames:
        raise ValueError(
            f"{prepared / name}.npz was prepared from another labels.csv; "
            "delete it and run prepare.py again"
        )
    labels = [[row.get(attribute, -1) for attribute in attributes] for row in known]
    held_out = [fraction(name + identity) < HELD_OUT[name] for identity in identities]
    return Faces(
        filenames,
        arrays["pictures"],
        arrays["embeddings"],
        np.array(labels, np.int8),
        np.array(identities),
        np.array(held_out),
    )


def crops(images: np.ndarray, size: int) -> np.ndarray:
    """Cut the margin off prepared images: return the template alone, `size` pixels square."""
    edge = (images.shape[1] - size) // 2
    return images[:, edge : edge + size, edge : edge + size]


def fraction(text: str) -> float:
    """Hash text to a number in [0, 1)."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32
