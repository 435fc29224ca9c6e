"""Edit six full photos, from the input file to the pasted-back output file.

    python experiments/photos/photos.py --faces FOLDER --out FOLDER

The photos are made from held-out LFW photos: one is unchanged, the others are enlarged, shrunk,
rotated, off centre, or show two faces. For each edit in
`EDITS` the script draws a sheet (it shows the photos: keep it out of the repository), and prints
the scores and the largest change outside the square that was edited, which should be 0.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from facegen_jax.edit.engine import edit
from facegen_jax.edit.settings import Edit
from facegen_jax.faces import align, geometry, image
from facegen_jax.faces.strip import strip
from facegen_jax.gallery.labels import load_gallery
from facegen_jax.gallery.sample import held_out
from facegen_jax.types import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "curve"))
sys.path.insert(0, str(Path(__file__).parents[1] / "judge"))
from edits import one_photo_each

SIZE = 112
"""Side in pixels of the square that is edited: the small network's size."""
PEOPLE = {
    "original": (0,),
    "large": (1,),
    "rotated": (2,),
    "two_faces": (4, 3),
    "small": (5,),
    "off_centre": (6,),
}
"""People in each photo, the largest face first; nobody may become their own guide."""
EDITS: dict[str, dict[str, Any]] = {
    "gallery_Eyeglasses": {"attribute": "Eyeglasses", "match": ("Male",)},
    "gallery_Smiling": {"attribute": "Smiling", "match": ("Male",)},
    "direction_Mustache": {"attribute": "Mustache", "gallery": None},
    "direction_Senior": {"attribute": "Senior", "gallery": None},
}
"""Options of each edit; a gallery is used unless they say otherwise."""


@dataclass
class Config:
    """Edit full photos and paste the faces back."""

    faces: Path
    out: Path
    """Folder for photos, results and sheets."""


def transformed(
    photo: Image, scale: float, angle: float, shape: tuple[int, int], centre: tuple[float, float]
) -> Image:
    """Scale and rotate a photo (degrees) about its centre, and put that at `centre` of a canvas.

    Outside the photo, the canvas shows its mirror image.
    """
    radians = np.radians(angle)
    cosine, sine = np.cos(radians), np.sin(radians)
    matrix = scale * np.array([[cosine, -sine], [sine, cosine]])
    middle = np.array(photo.shape[1::-1]) / 2 - 0.5
    return image.warp(photo, np.column_stack([matrix, np.array(centre) - matrix @ middle]), shape)


def make_photos(paths: list[Path]) -> dict[str, Image]:
    """Return the six photos by name, made from seven photos of LFW."""
    sources = [image.load(path) for path in paths]
    left = transformed(sources[3], 2.0, 0, (700, 500), (250, 350))
    right = transformed(sources[4], 3.0, 5, (700, 700), (350, 360))
    return {
        "original": sources[0],
        "large": transformed(sources[1], 5.0, 0, (1100, 1500), (700, 560)),
        "rotated": transformed(sources[2], 3.0, 20, (800, 800), (400, 400)),
        "two_faces": np.concatenate([left, right], 1),
        "small": transformed(sources[5], 0.7, 0, (180, 260), (90, 90)),
        "off_centre": transformed(sources[6], 2.0, -12, (600, 900), (650, 280)),
    }


def edited_square(path: Path, number: int) -> np.ndarray:
    """Return a mask of the photo's pixels inside the square that is edited."""
    face = align.load_face(path, SIZE, "auto", align.Pick(number))
    rows, columns = np.indices(face.photo.shape[:2])
    points = geometry.transform_points(np.stack([columns.ravel(), rows.ravel()], 1), face.placement)
    return np.asarray(((points > -1) & (points < SIZE)).all(1)).reshape(rows.shape)


def edit_photo(
    config: Config, name: str, title: str, number: int, identity: str
) -> tuple[Image, Image]:
    """Edit one face of a photo, print the scores, and return the photo before and after."""
    source, out = config.out / f"{name}.png", config.out / f"{name}_{title}.png"
    options = {"gallery": config.faces / "lfw", **EDITS[title], "face": number}
    if options["gallery"]:
        options["identity"] = identity
    (outcome,) = edit(Edit(source, out, paste_back=True, **options))
    photo, result = image.load(source), image.load(out)
    outside = float(np.abs(result - photo)[~edited_square(source, number)].max(initial=0))
    print(
        f"{name:12} {title:20} {outcome.scores}  "
        f"largest change outside the edited square {outside:.4f}",
        flush=True,
    )
    return photo, result


def save_sheet(path: Path, strips: list[Image]) -> None:
    """Stack strips of different widths."""
    width = max(each.shape[1] for each in strips)
    padded = [np.pad(each, ((0, 0), (0, width - each.shape[1]), (0, 0))) for each in strips]
    image.save(path, np.concatenate(padded))


def main(config: Config) -> None:
    config.out.mkdir(parents=True, exist_ok=True)
    gallery = load_gallery(config.faces / "lfw")
    paths = [gallery.path(row) for row in one_photo_each(gallery, held_out(gallery), 7)]
    for name, photo in make_photos(paths).items():
        image.save(config.out / f"{name}.png", photo)
    for title in EDITS:
        strips = []
        for name, people in PEOPLE.items():
            number = 2 if name == "two_faces" and "Smiling" in title else 1
            identity = paths[people[number - 1]].parent.name
            photo, result = edit_photo(config, name, title, number, identity)
            strips.append(strip([(name, photo), (title, result)], height=300))
        save_sheet(config.out / f"sheet_{title}.png", strips)


if __name__ == "__main__":
    main(tyro.cli(Config))
