"""Edit the demo's portrait in every precision, and compare the pictures.

    python experiments/speed/precision.py

Each row gives the mean and the largest difference of a value from the picture in float32, in
256ths, and the scores of the edit. Scores are always computed in float32. On CPUs tensorfloat32 is
float32, and its pictures are the same to the last bit.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import tyro

from facegen_jax import compilation
from facegen_jax.edit.engine import edit
from facegen_jax.edit.settings import Edit
from facegen_jax.faces import image
from facegen_jax.network.precision import Precision

sys.path.insert(0, str(Path(__file__).parents[1] / "demo"))
from demo import portrait


@dataclass
class Config:
    """Compare precisions on one portrait."""

    attributes: tuple[tuple[str, float], ...] = (
        ("Eyeglasses", 1.0),
        ("Senior", 0.75),
        ("Smiling", -0.6),
    )
    """Named attributes with their strengths."""
    precisions: tuple[Precision, ...] = get_args(Precision)
    """The first is what the others are compared with."""


def main(config: Config) -> None:
    compilation.keep_programs(print)
    print("| edit | precision | mean difference | largest | identity | gain | strength factor |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        reference = Path(folder) / "reference.png"
        image.save(reference, portrait())
        for attribute, strength in config.attributes:
            first = None
            for precision in config.precisions:
                options = Edit(
                    reference,
                    Path(folder) / "out.png",
                    attribute=attribute,
                    strength=(strength,),
                    align="none",
                    precision=precision,
                )
                (outcome,) = edit(options)
                picture = np.asarray(outcome.solution.image)
                first = picture if first is None else first
                apart = 256 * np.abs(picture - first)
                print(f"| {attribute} {strength:+g} | {precision} ", end="")
                print(f"| {apart.mean():.3f} | {apart.max():.2f} | {_scores(outcome.record)} |")


def _scores(record: dict) -> str:
    scores = record["metrics"]
    names = "identity_similarity", "attribute_gain", "strength_factor"
    return " | ".join(f"{scores[name]:.4f}" for name in names)


if __name__ == "__main__":
    main(tyro.cli(Config))
