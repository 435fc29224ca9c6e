"""Edit a public-domain portrait with two named attributes and lay the pictures side by side.

    python experiments/demo/demo.py --out out/demo

The portrait is that of the astronaut Eileen Collins (NASA, public domain), which scikit-image ships. Its landmarks are given here by hand, so that no face
detector is needed.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from tqdm import tqdm

from facegen_jax.edit.engine import edit
from facegen_jax.edit.settings import Edit, Weights
from facegen_jax.faces import align, image
from facegen_jax.faces.strip import strip
from facegen_jax.types import Image

LANDMARKS = np.array(
    [[255.0, 104.0], [237.0, 105.0], [195.0, 101.0], [212.0, 103.0], [224.0, 135.0]]
)
"""Eye corners and nose base of `skimage.data.astronaut()`, in pixels."""
SIZE = 112


@dataclass
class Config:
    """Edit the astronaut's portrait."""

    out: Path = Path("out/demo")
    attributes: tuple[tuple[str, float, str], ...] = (
        ("Eyeglasses", 1.3, "eyes+brows"),
        ("Senior", 1.0, "face+hair"),
    )
    """Named attributes, their strengths and regions: a small strip wants much of them, and less weight on the identity."""


def portrait() -> Image:
    """The astronaut's face on the template, RGB in [0, 1]."""
    try:
        import skimage.data
    except ImportError:
        sys.exit("the demo's portrait comes with scikit-image: pip install 'facegen_jax[demo]'")
    return align.to_template(skimage.data.astronaut().astype(np.float32) / 255, LANDMARKS, SIZE)


def main(config: Config) -> None:
    config.out.mkdir(parents=True, exist_ok=True)
    reference = config.out / "reference.png"
    image.save(reference, portrait())
    pictures = [("reference", image.load(reference))]
    for attribute, strength, region in config.attributes:
        out = config.out / f"{attribute.lower().replace(' ', '_')}.png"
        settings = Edit(
            reference,
            out,
            attribute=attribute,
            strength=(strength,),
            region=region,
            weights=Weights(identity=0.3),
            align="none",
        )
        with tqdm(total=settings.steps, desc=f"{attribute:>12}", unit="step", disable=None) as bar:
            (outcome,) = edit(
                settings, lambda done, totals, bar=bar: bar.update(done - bar.n) and None
            )
        pictures.append((f"{attribute} {strength:+g}", outcome.solution.image))
        print(f"{attribute:>12}: {outcome.record['metrics']}", flush=True)
    place = config.out / "strip.png"
    image.save(place, strip(pictures))
    print(f"the strip is at {place.resolve()}")


if __name__ == "__main__":
    main(tyro.cli(Config))
