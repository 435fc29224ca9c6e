"""Edit options."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ..command import program
from ..network.named import DEFAULT
from ..network.precision import FULL, Precision
from ..plugin import ObjectPath
from .coercion import coerce

PROG = program("edit")
"""Name of the command, in its messages."""
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
"""One number, or several separated by commas."""


@dataclass(frozen=True)
class Weights:
    """Loss weights of the default objective."""

    identity: float = 1.0
    """Weight of the identity terms: the descriptor, and low maps where the attribute does not
    act."""
    attribute: float = 1.0
    """Weight of the distance to the maps that have the attribute."""
    pixels: float = 1.0
    """Weight of the distance to the image moved by the direction itself, which gives the change its
    colours (not with guides)."""
    total_variation: float = 30.0
    """Weight of the total variation of the change: higher is smoother (three times as much with
    guides)."""
    chroma: float = 30.0
    """Weight of the colour of the change: higher keeps the reference's colours (ten times as much
    with guides)."""


@dataclass(frozen=True)
class Jitter:
    """Random transformations in front of the network, drawn anew at every step."""

    shift: float = 0.0
    """Largest shift, in pixels."""
    scale: float = 0.0
    """Largest change of scale, such as 0.05 for 0.95 to 1.05."""
    samples: int = 1
    """Draws that each step averages."""


@dataclass(frozen=True)
class Files:
    """Files that one edit reads and writes."""

    reference: Path
    """Image of the face whose identity stays."""
    out: Path
    """Image to write; the record is written beside it as .json. With several strengths, each output
    has its strength in the name."""
    strip: Path | None = None
    """Also write reference, guides and results side by side."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options that single edits and sweeps share."""

    guides: tuple[Path, ...] = ()
    """Images of faces that have the attribute."""
    attribute: str | None = None
    """Named attribute to tune (an unknown name lists the known ones), or several with amounts, as
    in Smiling+Eyeglasses:0.5. With a gallery: a column of its labels, or two opposites as in
    Youth/Senior."""
    gallery: Path | None = None
    """Folder of labelled faces (labels.csv and images/, or CelebA or LFW as published), or the path
    of its table: the attribute is taken from those most similar to the reference."""
    k: int | None = None
    """Number of faces taken from the gallery (default: 100 with and 100 without for a difference; 5
    guides)."""
    match: tuple[str, ...] = ()
    """Attributes that the gallery's faces must share with the reference, such as Male."""
    identity: str | None = None
    """The reference's identity in the gallery's table; that person's photos are never guides (known
    if the photo itself is in the gallery)."""
    similar_by: tuple[str, ...] = ()
    """Layers whose maps measure similarity (default: the network's descriptor)."""
    candidates: int = 4
    """Consider candidates x k neighbours; keep the k best aligned. 1 ranks by similarity alone."""
    target: Literal["patches", "mean", "weighted", "difference"] | None = None
    """How other faces become a target. Guides: the best matching patch at each position, their
    mean, or their mean weighted by similarity. With a gallery also the difference: the direction
    from its most similar faces without the attribute to those with it (default: patches for your
    own guides, difference for a gallery)."""
    shrinkage: bool = True
    """Shrink a difference where chance explains it: where two random sets of as many faces would
    differ as much."""
    scaling: Literal["calibrated", "natural", "beta"] = "calibrated"
    """What a strength of 1 means for directions and differences: what the face needs, measured by a
    short trial (where the network scores the attribute); the same factor for every face; or, for a
    difference, Deep Feature Interpolation's 0.4 over its mean square."""
    channels: tuple[str, ...] = ()
    """Channels to tune instead of an attribute, such as conv4_3:17=2 (doubled) or conv4_3:5=0
    (silenced)."""
    source: ObjectPath | None = None
    """Attribute source of your own, package.module:name or file.py:name of a function (network,
    face, layers, options) that returns maps by layer."""
    directions: Path | None = None
    """File of attribute directions from python -m facegen_jax.gallery (default: those that ship
    with the network)."""
    strength: Numbers = (1.0,)
    """Amount of the attribute: 1 is natural, 0 changes nothing, negative removes. Several, as in
    0.5,1,1.5, each start from the result before."""
    params: str = DEFAULT
    """Network: a name, a converted .safetensors file, or package.module:name or file.py:name of a
    Network of your own."""
    size: int | None = None
    """Side of the square working image in pixels (default: the network's own)."""
    steps: int = 100
    """Steps of the descent."""
    optimizer: str = "adam"
    """adam, sgd (with momentum, as in the paper), lbfgs, or package.module:name or file.py:name of
    an optax transformation, such as optax:lion."""
    learning_rate: float | None = None
    """Step size (default: adam 0.02, sgd 0.003, lbfgs 1, optax:NAME 0.02)."""
    precision: Precision = FULL
    """Precision of the network in the descent. float32 is exact everywhere; tensorfloat32 and
    bfloat16 are faster on GPUs and TPUs, and slower or the same on CPUs."""
    objective: ObjectPath | None = None
    """Objective of your own in place of the default, package.module:name or file.py:name."""
    term_weights: tuple[str, ...] = ()
    """Weights of that objective's terms, such as identity=0.5 darker=2."""
    weights: Weights = field(default_factory=Weights)
    jitter: Jitter = field(default_factory=Jitter)
    mask: Path | None = None
    """Image of the reference's size: where the attribute may act (white) and where the reference is
    kept (black); other encodings are in docs/photos.md."""
    region: str | None = None
    """Region where the attribute may act: mouth, eyes, brows, nose, cheeks, jaw, hair, face, or
    several as in mouth+jaw; none for everywhere (default: the region that the attribute belongs
    to)."""
    identity_mask: Path | None = None
    """Mask of where the reference's own maps are held (default: where the attribute may not
    act)."""
    identity_region: str | None = None
    """Region where the reference's own maps are held; none holds them nowhere."""
    colour: Literal["free", "luma", "statistics", "histogram"] = "free"
    """Colours of the result: unchanged, only brightness may change, or matched to the reference by
    mean and standard deviation or by histogram."""
    colour_at: Literal["everywhere", "inside", "outside"] = "everywhere"
    """Where colours are matched: inside or outside of the region where the attribute may act."""
    align: Literal["auto", "none"] = "auto"
    """auto: find the face and align it with the network's template; none: images are aligned
    already."""
    face: int = 1
    """Which face of the reference to edit, if there are several: 1 is the largest."""
    landmarks: tuple[float, ...] = ()
    """Landmarks by hand, ten numbers, x and y in the reference's pixels: outer and inner corner of
    the eye on the image's right, outer and inner corner of the eye on its left, base of the
    nose."""
    box: tuple[float, ...] = ()
    """Face box by hand, four numbers: left, top, right and bottom in the reference's pixels;
    landmarks are located inside it."""
    paste_back: bool = False
    """Write the whole photo with the edited face in it, at its own resolution, not the face
    alone."""
    noise: float = 0.0
    """Standard deviation of the noise added to the start image."""
    seed: int = 0
    """Seed of the noise and the jitter."""

    def __post_init__(self):
        coerce(self)


@dataclass(frozen=True)
class Edit(Options, Files):  # --help lists the fields of the last base first: files lead
    """Edit one face: keep the person, add an attribute."""

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Every image that is read, except those of a gallery."""
        masks = (path for path in (self.mask, self.identity_mask) if path)
        return (self.reference, *self.guides, *masks)

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The image written for each strength."""
        if len(self.strength) == 1:
            return (self.out,)
        return tuple(self.out.with_stem(f"{self.out.stem}_{each:g}") for each in self.strength)
