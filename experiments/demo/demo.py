"""Edit a public-domain portrait with named attributes, and show the results side by side.

    python experiments/demo/demo.py --out out/demo

The portrait shows the astronaut Eileen Collins (NASA, public domain) and ships with scikit-image.
Its landmarks are written down here, so the demo needs no face detector.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from tqdm import tqdm

from facegen_jax.edit.engine import edit
from facegen_jax.edit.settings import Edit
from facegen_jax.faces import geometry, image
from facegen_jax.faces.strip import strip
from facegen_jax.types import Image

LANDMARKS = np.array(
    [[255.0, 104.0], [237.0, 105.0], [195.0, 101.0], [212.0, 103.0], [224.0, 135.0]]
)
"""Eye corners and nose base of `skimage.data.astronaut()`, in pixels."""
SIZE, HEIGHT = 112, 224
"""Side of the face that is edited, and height of the strip, in pixels."""


@dataclass
class Config:
    """Edit the astronaut's portrait."""

    out: Path = Path("out/demo")
    attributes: tuple[tuple[str, float], ...] = (
        ("Eyeglasses", 1.0),
        ("Senior", 0.75),
        ("Male", 1.5),
        ("Smiling", -0.6),
    )
    """Named attributes with their strengths."""


def portrait() -> Image:
    """Return the astronaut's face, aligned with the template."""
    try:
        import skimage.data
    except ImportError:
        sys.exit("the demo's portrait ships with scikit-image: pip install 'facegen_jax[demo]'")
    return geometry.to_template(skimage.data.astronaut().astype(np.float32) / 255, LANDMARKS, SIZE)


def run_edit(options: Edit, label: str) -> Image:
    """Run one edit with a progress bar and print its scores."""
    with tqdm(total=options.steps, desc=label, unit="step", disable=None) as bar:

        def progress(done: int, totals: np.ndarray) -> None:
            bar.update(done - bar.n)

        (outcome,) = edit(options, progress)
    print(f"{label}: {outcome.record['metrics']}", flush=True)
    return outcome.solution.image


def main(config: Config) -> None:
    config.out.mkdir(parents=True, exist_ok=True)
    reference = config.out / "reference.png"
    image.save(reference, portrait())
    images = [("reference", image.load(reference))]
    for attribute, strength in config.attributes:
        options = Edit(
            reference,
            config.out / f"{attribute.lower().replace(' ', '_')}.png",
            attribute=attribute,
            strength=(strength,),
            align="none",
        )
        images.append((f"{attribute} {strength:+g}", run_edit(options, f"{attribute:>12}")))
    path = config.out / "strip.png"
    image.save(path, strip(images, height=HEIGHT))
    print(f"wrote {path.resolve()}")


if __name__ == "__main__":
    main(tyro.cli(Config))
