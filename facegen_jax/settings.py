"""What an edit can be told: its configuration, its checks, and the objective that follows from it."""

import dataclasses
import math
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from . import image
from .checkpoint import DEFAULT
from .objective import Attribute, AttributePixels, Chroma, DescriptorIdentity, Identity, Objective, TotalVariation
from .vgg_face import BLOCKS

TUNED_LAYERS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3")
"""Where a direction acts: with high layers alone the picture answers with speckle."""
GUIDED_LAYERS = ("conv2_2", "conv3_3", "conv4_3")
"""Where guides act: lower layers would paste the guide's own face, higher ones bring blotches."""
HELD_LAYERS = ("image", "conv1_2", "conv2_2")
"""Where the reference is held while guides act, and outside a mask."""
GUIDED_SMOOTHNESS = 10.0
"""Factor on the weight of the total variation with guides."""
DESCRIPTOR_SHARE = 0.25
"""Weight of the descriptor's distance in the identity part: enough to stay the same person, little enough to let the attribute come."""


class EditError(ValueError):
    """An edit that cannot be done as asked; one line that says why and what to do."""


@dataclass(frozen=True)
class Weights:
    """Loss weights."""

    identity: float = 1.0
    """Of what keeps the person: the descriptor's distance, and that of low maps where guides or a mask act."""
    attribute: float = 1.0
    """Of the distance to the maps that have the attribute."""
    pixels: float = 1.0
    """Of the distance to the picture moved by the direction itself, which gives the change its colours (not with guides)."""
    total_variation: float = 30.0
    """Of the total variation of the change: higher is smoother (with guides ten times as much)."""
    chroma: float = 30.0
    """Of the colour of the change: higher keeps the reference's colours."""


@dataclass(frozen=True)
class Edit:
    """Edit one face: keep the person, bring an attribute."""

    reference: Path
    """Picture of the face whose identity stays."""
    out: Path
    """Picture to write; the record goes beside it as .json."""
    guides: tuple[Path, ...] = ()
    """Pictures of faces that have the attribute."""
    attribute: str | None = None
    """Named attribute to tune (an unknown name lists the known ones); with a gallery, a column of its labels, or two opposites as in Youth/Senior."""
    gallery: Path | None = None
    """Folder of labelled faces (labels.csv and images/): the most similar of those with the attribute are the guides."""
    k: int = 5
    """Number of guides taken from the gallery."""
    match: tuple[str, ...] = ()
    """Attributes in which the gallery's guides must be as the reference is, such as Male."""
    similar_by: tuple[str, ...] = ()
    """Layers whose maps tell what is similar (default: the network's descriptor)."""
    strength: float = 1.0
    """Amount of the named attribute: 1 is natural, 0 changes nothing, negative removes."""
    strip: Path | None = None
    """Also write reference, guides and result side by side."""
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

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Every picture that is read."""
        return (self.reference, *self.guides, *([self.mask] if self.mask else []))


def objective(weights: Weights, *, guided: bool = False, masked: bool = False, described: bool = True) -> Objective:
    """The objective of the command line; `docs/settings.md` says how it was chosen.

    Args:
        weights: of its parts.
        guided: the attribute comes from guides, not from a direction.
        masked: the attribute acts inside the mask "inside", and the reference's maps are held inside the mask "outside".
        described: the network has a descriptor for pictures of this size; otherwise its deepest maps stand in.
    """
    inside, outside = ("inside", "outside") if masked else (None, None)
    identity = DESCRIPTOR_SHARE * DescriptorIdentity() if described else DESCRIPTOR_SHARE * Identity(("conv5_3",))
    smoothness = weights.total_variation
    if guided:  # guides differ from the reference everywhere, so their change must be much smoother
        identity, smoothness = identity + Identity(HELD_LAYERS), GUIDED_SMOOTHNESS * smoothness
        attribute = weights.attribute * Attribute(GUIDED_LAYERS, inside)
    else:
        identity = identity + Identity(HELD_LAYERS, outside) if masked else identity
        attribute = weights.attribute * Attribute(TUNED_LAYERS, inside) + weights.pixels * AttributePixels(mask=inside)
    return weights.identity * identity + attribute + smoothness * TotalVariation() + weights.chroma * Chroma()


def check(config: Edit) -> None:
    """Refuse what cannot work before anything is loaded or computed."""
    if bool(config.guides) == bool(config.attribute):
        raise EditError("give either --guides PICTURE [...] or --attribute NAME, which is tuned or, with --gallery FOLDER, looked up there")
    if config.gallery and not config.attribute:
        raise EditError("--gallery needs --attribute NAME; guides of your own need no gallery")
    for name, numbers, count in (("landmarks", config.landmarks, 10), ("box", config.box, 4)):
        if len(numbers) not in (0, count) or not all(map(math.isfinite, numbers)):
            raise EditError(f"--{name} takes {count} numbers, not {len(numbers)}")
    if config.box and not (config.box[0] < config.box[2] and config.box[1] < config.box[3]):
        raise EditError("--box takes left, top, right, bottom, with left before right and top above bottom")
    if config.face < 1:
        raise EditError(f"--face must be at least 1, not {config.face}")
    if config.k < 1:
        raise EditError(f"--k must be at least 1, not {config.k}")
    if not config.gallery and (config.match or config.similar_by):
        raise EditError("--match and --similar-by choose among the faces of --gallery FOLDER, which is missing")
    numbers = {"strength": config.strength, "noise": config.noise, **{f"weights.{k}": v for k, v in dataclasses.asdict(config.weights).items()}}
    if config.learning_rate is not None:
        numbers["learning-rate"] = config.learning_rate
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise EditError(f"--{name.replace('_', '-')} must be a finite number, not {value}")
        if value < 0 and name != "strength":
            raise EditError(f"--{name.replace('_', '-')} must not be negative, not {value}")
    if config.steps < 1:
        raise EditError(f"--steps must be at least 1, not {config.steps}")
    smallest = 2 ** (len(BLOCKS) - 1)
    if config.size is not None and not smallest <= config.size <= 4096:
        raise EditError(f"--size must be from {smallest} to 4096 pixels, not {config.size}")
    _check_outputs(config)


def _check_outputs(config: Edit) -> None:
    inputs = [path.resolve() for path in config.inputs]
    outputs = [config.out, *([config.strip] if config.strip else [])]
    for path in outputs:
        if path.suffix.lower() not in image.ENDINGS:
            raise EditError(f"{path}: pictures are written as {', '.join(image.ENDINGS)}")
        if path.resolve() in inputs:
            raise EditError(f"{path}: would overwrite an input picture; choose another name")
        if path.is_dir():
            raise EditError(f"{path}: is a folder; give a file name")
        if not path.absolute().parent.is_dir():
            raise EditError(f"{path.parent}: no such folder to write to")
        try:  # permissions alone do not tell (root, full or read-only disks)
            tempfile.TemporaryFile(dir=path.absolute().parent).close()
        except OSError as error:
            raise EditError(f"{path.parent}: cannot be written to ({error.strerror})") from None
    if config.strip and config.strip.resolve() == config.out.resolve():
        raise EditError("--strip and --out name the same file")
