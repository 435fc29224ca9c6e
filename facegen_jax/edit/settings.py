"""What an edit can be told: its configuration."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ..network.checkpoint import DEFAULT

Numbers = Annotated[
    tuple[float, ...],
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="FLOAT[,FLOAT...]",
        instance_from_str=lambda given: tuple(float(part) for part in given[0].split(",")),
        is_instance=lambda value: (
            isinstance(value, tuple) and all(isinstance(each, int | float) for each in value)
        ),
        str_from_instance=lambda value: [",".join(f"{each:g}" for each in value)],
    ),
]
"""One number, or several with commas between them."""


@dataclass(frozen=True)
class Weights:
    """Loss weights."""

    identity: float = 1.0
    """Of what keeps the person: the descriptor's distance, and that of low maps where the attribute does not act."""
    attribute: float = 1.0
    """Of the distance to the maps that have the attribute."""
    pixels: float = 1.0
    """Of the distance to the picture moved by the direction itself, which gives the change its colours (not with guides)."""
    total_variation: float = 30.0
    """Of the total variation of the change: higher is smoother (with guides three times as much)."""
    chroma: float = 30.0
    """Of the colour of the change: higher keeps the reference's colours (with guides ten times as much)."""


@dataclass(frozen=True)
class Files:
    """What one edit reads and writes."""

    reference: Path
    """Picture of the face whose identity stays."""
    out: Path
    """Picture to write; the record goes beside it as .json. Several strengths get their number in the name."""
    strip: Path | None = None
    """Also write reference, guides and results side by side."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What single edits and sweeps can both be told."""

    guides: tuple[Path, ...] = ()
    """Pictures of faces that have the attribute."""
    attribute: str | None = None
    """Named attribute to tune (an unknown name lists the known ones), several with their amounts as in Smiling+Eyeglasses:0.5; with a gallery, columns of
    its labels, or two opposites as in Youth/Senior."""
    gallery: Path | None = None
    """Folder of labelled faces (labels.csv and images/): the most similar of those with the attribute are the guides."""
    k: int | None = None
    """Number of faces taken from the gallery (default: 5 guides, 100 with and 100 without for a difference)."""
    match: tuple[str, ...] = ()
    """Attributes in which the gallery's faces must be as the reference is, such as Male."""
    identity: str | None = None
    """Who the reference is, as the gallery's table calls them: their other photos are no guides (known where the photo itself is in the gallery)."""
    similar_by: tuple[str, ...] = ()
    """Layers whose maps tell what is similar (default: the network's descriptor)."""
    candidates: int = 4
    """Of so many times k similar faces, the k whose landmarks fit the reference's best are taken; 1 looks at similarity alone."""
    target: Literal["patches", "mean", "weighted", "difference"] = "patches"
    """What becomes of guides: at each place the one that fits best, their mean, their mean by similarity; or, with a gallery, the direction from its
    most similar faces without the attribute to those with it."""
    scaling: Literal["natural", "beta"] = "natural"
    """Of a difference: a factor that looks natural with the network that ships, or Deep Feature Interpolation's 0.4 over its mean square."""
    channels: tuple[str, ...] = ()
    """Channels to tune instead of an attribute, such as conv4_3:17=2 (doubled) or conv4_3:5=0 (silenced)."""
    directions: Path | None = None
    """File of attribute directions from python -m facegen_jax.gallery (default: those that ship beside the network)."""
    strength: Numbers = (1.0,)
    """Amount of the attribute: 1 is natural, 0 changes nothing, negative removes. Several, as in 0.5,1,1.5, each start from the one before."""
    params: str = DEFAULT
    """Network: a name, or the path of a converted .safetensors file."""
    size: int | None = None
    """Side of the square working picture in pixels (default: the network's own)."""
    steps: int = 100
    """Steps of the descent."""
    optimizer: Literal["adam", "sgd", "lbfgs"] = "adam"
    """sgd is gradient descent with momentum, as in the paper."""
    learning_rate: float | None = None
    """Step size (default: adam 0.02, sgd 0.003, lbfgs 1)."""
    weights: Weights = field(default_factory=Weights)
    mask: Path | None = None
    """Grey picture of the reference's size: where the attribute may act (white) and where the reference is kept (black)."""
    region: str | None = None
    """Where the attribute may act, by name: mouth, eyes, brows, nose, cheeks, jaw, hair, face, or several as in mouth+jaw; none for everywhere
    (default: the part that the attribute belongs to)."""
    identity_mask: Path | None = None
    """Grey picture: where the reference's own maps are held (default: where the attribute may not act)."""
    identity_region: str | None = None
    """The same by name; none holds them nowhere."""
    colour: Literal["free", "luma", "statistics", "histogram"] = "free"
    """Colours of the result: as they come, brightness alone changes, or matched to the reference's by mean and standard deviation or by histogram."""
    colour_at: Literal["everywhere", "inside", "outside"] = "everywhere"
    """Where colours are matched: inside or outside of where the attribute may act."""
    align: Literal["auto", "none"] = "auto"
    """auto: find the face and bring it to the network's template; none: the pictures are aligned already."""
    face: int = 1
    """Which face of the reference, where there are several: 1 is the largest."""
    landmarks: tuple[float, ...] = ()
    """Ten numbers, x and y in the reference's pixels, by hand: outer and inner corner of the eye on the right of the picture, outer and inner corner
    of the one on its left, base of the nose."""
    box: tuple[float, ...] = ()
    """Four numbers, left, top, right and bottom of the reference's face, by hand: its landmarks are looked for in there."""
    paste_back: bool = False
    """Write the whole photo with the edited face in it, at its own resolution, instead of the face alone."""
    noise: float = 0.0
    """Standard deviation of the noise added to the start picture."""
    seed: int = 0
    """Seed of that noise."""


@dataclass(frozen=True)
class Edit(
    Options, Files
):  # fields come in the order of the bases from last to first: files lead in --help
    """Edit one face: keep the person, bring an attribute."""

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Every picture that is read, but those of a gallery."""
        return (
            self.reference,
            *self.guides,
            *(path for path in (self.mask, self.identity_mask) if path),
        )

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The picture of each strength."""
        if len(self.strength) == 1:
            return (self.out,)
        return tuple(
            self.out.with_stem(f"{self.out.stem}_{strength:g}") for strength in self.strength
        )
