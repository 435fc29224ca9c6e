"""Damaged tables of labels and of pairs are read, or refused in one line.

`FACEGEN_FUZZ` sets the number of tables per reader.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from random import Random

import dialects
import numpy as np
import pytest
from test_convert_fuzz import mutated

from facegen_jax.gallery import GalleryError, load_gallery
from facegen_jax.sweep.pairs import load_pairs
from facegen_jax.sweep.settings import SweepError

TABLES = int(os.environ.get("FACEGEN_FUZZ", "20"))
FACES = ("000001.jpg", "000002.jpg", "Ann/Ann_0001.jpg", "Zoë/Zoë_0012.jpg")
LABELS = (
    "filename identity A B age",
    "000001.jpg x 1 -0.5 3",
    "000002.jpg y 0 1.5 4",
    "Zoë/Zoë_0012.jpg z yes 2 5",
)
CELEBA = ("3", "A B C", "000001.jpg -1 1 1", "000002 1 -1 0", "gone.jpg 1 1 1")
LFW = ("# LFW", "# person imagenum A B", "Ann 1 -0.5 1e3", "Zoë 12 1,5 0")
PEOPLE = ("000001.jpg 2880", "000002.jpg 2937")
PAIRS = (
    "reference guides strength weights.attribute mask name paste_back objective",
    "a.png b.png;c.png 0.5 1e3 ~/m.png x true f.py:o",
    "~x/b.png c.png  none 0,5 none y false m:o",
)
SEEDS = {
    "labels.csv": LABELS,
    "list_attr_celeba.txt": CELEBA,
    "identity_CelebA.txt": PEOPLE,
    "lfw_attributes.txt": LFW,
    "pairs.csv": PAIRS,
}
TOKENS = (
    *('"', '""', ",", ";", "\t", "|", " ", "\n", "\r", "\r\n", "#", "# ", ".", ",,,,", "\n\n"),
    *("-1", "0", "nan", "1e999", "1" * 5000, "1_0", "٣", "²", "true", "..", "/", "\\", "~", "C:"),
    *("sep=;\n", "sep=", "202599\n", "filename", "image_id", "reference", "A", "Unnamed: 0", "./"),
    *("\0", "\ufeff", "\u2028", "\x1b[31m", "\x85", "é", "𝔸", "x" * 300, "a.jpg", "000001.jpg"),
)
DIALECTS = list(dialects.every_dialect())
BYTES = ("byte", "bit", "<I", "<H", "delete", "insert", "zero", "repeat", "copy", "cut")


def damaged(lines: Sequence[str], random: Random) -> bytes:
    """Write a table in any dialect, with tokens put in anywhere and, every other time, bytes
    changed."""
    dialect = random.choice(DIALECTS)
    text = "\n".join(dialects.line(each.split(" "), dialect) for each in lines) + "\n"
    for _ in range(random.randrange(4)):
        place = random.randrange(len(text) + 1)
        text = text[:place] + random.choice(TOKENS) + text[place:]
    content = dialects.encoded(text.removesuffix("\n").split("\n"), dialect)
    changes = [
        (random.choice(BYTES), random.randrange(1000), random.randrange(8))
        for _ in range(random.choice((0, 0, 1, 2, 5)))
    ]
    return mutated(content, changes)


def read(path: Path) -> str:
    """Read a table and check that what is understood is whole; return why it is refused."""
    try:
        if path.name == "pairs.csv":
            pairs = load_pairs(path)
            assert pairs
            assert all(pair.values["reference"] for pair in pairs)
            return ""
        gallery = load_gallery(path.parent)
    except (GalleryError, SweepError) as error:
        return str(error)
    faces, attributes = gallery.labels.shape
    assert len(gallery.attributes) == attributes > 0
    assert len(gallery.filenames) == len(set(gallery.filenames)) == len(gallery.identities) == faces
    assert set(np.unique(gallery.labels)) <= {-1, 0, 1}
    assert gallery.understood.isprintable()
    for row in range(faces):
        assert gallery.path(row).resolve().is_relative_to(path.parent)
        assert gallery.path(row).exists()
    return ""


@pytest.mark.parametrize("name", SEEDS)
def test_damaged_tables(name, tmp_path):
    for face in FACES:
        (tmp_path / "images" / face).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / face).touch()
    if name == "identity_CelebA.txt":
        (tmp_path / "list_attr_celeba.txt").write_text("\n".join(CELEBA))

    for number in range(TABLES):
        (tmp_path / name).write_bytes(damaged(SEEDS[name], Random(f"{name} {number}")))
        refused = read(tmp_path / name)
        assert refused == "" or refused.startswith(str(tmp_path)), number
        assert refused.isprintable(), number
