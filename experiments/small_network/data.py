"""The prepared photos with one attribute vocabulary, and the split by identity."""

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SETS = ("lfw", "celeba", "utkface")
HELD_OUT = {"lfw": 0.2, "celeba": 0.15, "utkface": 0.1}
"""Share of the identities (of the photos, where a set names none) that training never sees."""
NOT_ATTRIBUTES = {"filename", "identity", "id_score", "upscale", "expression_human", "tri_male", "tri_eyeglasses", "tri_smiling"}


@dataclass(frozen=True)
class Faces:
    """Aligned photos of one set; labels are 1, 0 or -1 (unknown), one column for each of `attributes`."""

    filenames: list[str]
    pictures: np.ndarray
    embeddings: np.ndarray
    labels: np.ndarray
    identities: np.ndarray
    held_out: np.ndarray


def read_labels(folder: Path, name: str) -> tuple[list[str], list[dict[str, int]], list[str]]:
    """File names, known labels per photo under the shared names, and identities (the file name where there is none)."""
    with open(folder / name / "labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    known = [_utkface_labels(row) if name == "utkface" else _labels(row) for row in rows]
    return [row["filename"] for row in rows], known, [row.get("identity") or row["filename"] for row in rows]


def _labels(row: dict[str, str]) -> dict[str, int]:
    names = [name for name in row if name not in NOT_ATTRIBUTES and not name.endswith(("_x", "_y", "_x1", "_y1", "_x2", "_y2"))]
    return {name.replace("_", " ").replace("5 o Clock", "5 o' Clock"): int(row[name]) for name in names if row[name] != ""}


def _utkface_labels(row: dict[str, str]) -> dict[str, int]:
    age, race = int(row["age"]), int(row["race_0white_1black_2asian_3indian_4other"])
    labels = {"Male": 1 - int(row["gender_0male_1female"]), "Female": int(row["gender_0male_1female"])}
    if not 45 <= age < 60:  # the years in between are neither
        labels["Senior"] = int(age >= 60)
    if not 10 <= age < 14:
        labels["Child"] = int(age < 10)
    labels["Baby"] = int(age < 3)
    return labels | {name: int(race == code) for code, name in enumerate(("White", "Black", "Asian", "Indian"))}


def vocabulary(faces: Path) -> list[str]:
    """Every attribute that any set labels, sorted."""
    return sorted({name for s in SETS for known in read_labels(faces, s)[1] for name in known})


def load(faces: Path, prepared: Path, name: str, attributes: list[str]) -> Faces:
    """One prepared set with its labels; the split is by a hash of the identity, so it never changes."""
    arrays = np.load(prepared / f"{name}.npz")
    filenames, known, identities = read_labels(faces, name)
    if list(arrays["filenames"]) != filenames:
        raise ValueError(f"{prepared / name}.npz was prepared from another labels.csv; delete it and run prepare.py again")
    labels = np.array([[row.get(attribute, -1) for attribute in attributes] for row in known], np.int8)
    held_out = np.array([_fraction(name + identity) < HELD_OUT[name] for identity in identities])
    return Faces(filenames, arrays["pictures"], arrays["embeddings"], labels, np.array(identities), held_out)


def _fraction(text: str) -> float:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32
