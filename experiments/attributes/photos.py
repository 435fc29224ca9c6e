"""Edit six full photos from file to pasted-back file: several sizes, turned, small, off centre, two faces.

    python experiments/attributes/photos.py --faces FOLDER --out FOLDER

Made from held-out LFW photos, enlarged and turned, and one sheet for each way of asking to look at (it shows the photos: keep it out of the repository). The
measure is whether the photo is untouched outside the face's square, and how much of its change is there.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from attributes import references

from facegen_jax.edit.engine import edit
from facegen_jax.edit.settings import Edit
from facegen_jax.faces import align, image
from facegen_jax.faces.strip import strip
from facegen_jax.types import Image


@dataclass
class Config:
    """Edit full photos and paste the faces back."""

    faces: Path
    out: Path
    """Folder for photos, results and sheets."""


def turned(
    photo: Image, scale: float, angle: float, shape: tuple[int, int], middle: tuple[float, float]
) -> Image:
    """The photo enlarged and turned (degrees), its middle at a place of a canvas of this shape, mirrored beyond its border."""
    turn = np.radians(angle)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    centre = np.array(photo.shape[1::-1]) / 2 - 0.5
    return image.warp(photo, np.column_stack([matrix, np.array(middle) - matrix @ centre]), shape)


PEOPLE = {
    "as_it_is": (0,),
    "large": (1,),
    "turned": (2,),
    "two_faces": (4, 3),
    "small": (5,),
    "off_centre": (6,),
}
"""Whose faces are in each, the largest first; the gallery holds them too, and nobody may guide themselves."""


def photos(paths: list[Path]) -> dict[str, Image]:
    """Six photos by name."""
    one = [image.load(path) for path in paths]
    pair = np.concatenate(
        [
            turned(one[3], 2.0, 0, (700, 500), (250, 350)),
            turned(one[4], 3.0, 5, (700, 700), (350, 360)),
        ],
        1,
    )
    return {
        "as_it_is": one[0],
        "large": turned(one[1], 5.0, 0, (1100, 1500), (700, 560)),
        "turned": turned(one[2], 3.0, 20, (800, 800), (400, 400)),
        "two_faces": pair,
        "small": turned(one[5], 0.7, 0, (180, 260), (90, 90)),
        "off_centre": turned(one[6], 2.0, -12, (600, 900), (650, 280)),
    }


ASKED = {
    "gallery_Eyeglasses": {"attribute": "Eyeglasses", "match": ("Male",)},
    "gallery_Smiling": {"attribute": "Smiling", "match": ("Male",)},
    "tuned_Mustache": {"attribute": "Mustache", "gallery": None},
    "tuned_Senior": {"attribute": "Senior", "gallery": None},
}


def main(config: Config) -> None:
    config.out.mkdir(parents=True, exist_ok=True)
    paths = references(config.faces / "lfw", 7)
    made = photos(paths)
    for name, photo in made.items():
        image.save(config.out / f"{name}.png", photo)
    for title, asked in ASKED.items():
        rows = []
        for name in made:
            source, out = config.out / f"{name}.png", config.out / f"{name}_{title}.png"
            number = 2 if name == "two_faces" and "Smiling" in title else 1
            chosen = {"gallery": config.faces / "lfw", **asked, "face": number}
            if chosen["gallery"]:
                chosen["identity"] = paths[PEOPLE[name][number - 1]].parent.name
            (outcome,) = edit(Edit(source, out, paste_back=True, **chosen))
            photo, result = image.load(source), image.load(out)
            inside = face_square(source, photo, number)
            outside = float(np.abs(result - photo)[~inside].max(initial=0))
            print(
                f"{name:12} {title:20} {outcome.scores}  largest change outside the face's square {outside:.4f}",
                flush=True,
            )
            rows.append(strip([(name, photo), (title, result)], height=300))
        width = max(each.shape[1] for each in rows)
        image.save(
            config.out / f"sheet_{title}.png",
            np.concatenate(
                [np.pad(each, ((0, 0), (0, width - each.shape[1]), (0, 0))) for each in rows]
            ),
        )


def face_square(path: Path, photo: Image, number: int) -> np.ndarray:
    """Which pixels of a photo lie in the square that is edited."""
    face = align.load_face(path, 112, "auto", align.Pick(number))
    y, x = np.indices(photo.shape[:2])
    there = align.moved(np.stack([x.ravel(), y.ravel()], 1), face.placement)
    return np.asarray(((there > -1) & (there < 112)).all(1)).reshape(photo.shape[:2])


if __name__ == "__main__":
    main(tyro.cli(Config))
