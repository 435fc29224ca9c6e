"""What must be merged into a network's weights before they are VGG-Face's: batch normalisation,
adapters, masks of pruning.

Without it the weights are those of another network, and nothing else would show that.
"""

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ..network.vgg_face import CONVOLUTIONS
from .layout import NAMES
from .naming import FLAT, OPTIMIZER, TORCHVISION, UNDERSCORED, Path, place

COLLECTIONS = {"params", "batch_stats"}
"""Flax's names for the kinds of a module's arrays, which are above the module."""
SHOWN, MAX_NAME = 1, 60
DEEPEST = 5
"""How many parts of a name may be below a layer's own."""


class Form(NamedTuple):
    """A kind of tensors beside the weights."""

    pattern: str
    """Of a part of their names, in small letters."""
    message: str
    """With a place for the names of some."""


BATCH_NORM = Form(
    r"running_(mean|var)|moving_(mean|variance)(:0)?|batch_?norm(ali[sz]ation)?(_?[0-9_]+)?"
    r"|bn(_?[0-9_]+)?",
    "has batch normalisation ({}), which VGG-Face has not: fold it into the convolutions first",
)
FORMS = (
    BATCH_NORM,
    Form(
        r"lora_(a|b|up|down|embedding_.|magnitude_vector)",
        "has LoRA adapters ({}): merge it first, with merge_and_unload() of the package peft",
    ),
    Form(
        r"(weight|bias)_mask",
        "is pruned ({}): call torch.nn.utils.prune.remove(layer, 'weight') for each layer, and "
        "save its state_dict() again",
    ),
    Form(
        r"parametrizations|weight_(orig|g|v|u)",
        "has reparametrised weights ({}): call torch.nn.utils.parametrize.remove_parametrizations "
        "for each layer (remove_weight_norm or remove_spectral_norm for old ones), and save its "
        "state_dict() again",
    ),
)
HIDDEN = {"weight_orig", "weight_v", "original", "original0"}
"""What kernels are called while something else is applied to them."""
STATISTICS = re.compile(r"(running|moving)_mean(:0)?")
_ANY = re.compile("|".join(form.pattern for form in FORMS))


def is_sign(path: Path) -> bool:
    """Return whether a tensor's name is one of something to merge."""
    return any(_ANY.fullmatch(part.lower()) for part in path) and not OPTIMIZER & {*path}


def normalised(names: Iterable[str]) -> str:
    """Return the message about layers of batch normalisation; nothing if there are none."""
    return _message(BATCH_NORM, [(name,) for name in names])


def unmerged(members: Iterable[Path], others: Iterable[Path]) -> str:
    """Return what must be merged into a network first; nothing if that is nothing.

    Args:
        members: its tensors.
        others: the file's other tensors. Those in a module with weights of its own that are
            nowhere in the network are of another network.
    """
    own = [_place_of(path) for path in members]
    around = _common([path[:-2] for path in own])
    depth = len(around)
    below = (path for path in map(_place_of, others) if len(path) > depth)
    within = [path for path in below if path[:depth] == around]
    signs = [path for path in within if is_sign(path)]
    modules = {path[:-1] for path in signs}
    apart = {path[depth] for path in within if path[:-1] not in modules}
    apart -= {path[depth] for path in own}
    found = [path for path in signs if path[depth] not in apart]
    matches = ((form, [path for path in found if _matches(form, path)]) for form in FORMS)
    return next((_message(form, paths) for form, paths in matches if paths), "")


def hidden(paths: Sequence[Path]) -> str:
    """Return what must be merged where that hides all weights of VGG-Face's layers."""
    styles = (FLAT, UNDERSCORED, TORCHVISION)
    layers = {
        where.layer
        for path in paths
        for end in range(max(1, len(path) - DEEPEST), len(path))
        if (where := place((*path[:end], "weight"))) and where.style in styles
    }
    return unmerged((), paths) if len(layers) >= len(CONVOLUTIONS) else ""


def could_be(arrays: Iterable[np.ndarray], others: Iterable[Path] = ()) -> bool:
    """Return whether VGG-Face has as many kernels of four axes, those under other names too."""
    count = sum(array.ndim == 4 for array in arrays) + sum(path[-1] in HIDDEN for path in others)
    return len(CONVOLUTIONS) <= count <= len(NAMES)


def _place_of(path: Path) -> Path:
    return tuple(part for part in path if part not in COLLECTIONS)


def _common(paths: Sequence[Path]) -> Path:
    """Return the parts that paths begin with."""
    parts = zip(*paths, strict=False)
    return tuple(each[0] for each in itertools.takewhile(lambda each: len({*each}) == 1, parts))


def _matches(form: Form, path: Path) -> bool:
    return any(re.fullmatch(form.pattern, part.lower()) for part in path)


def _message(form: Form, paths: Sequence[Path]) -> str:
    if not paths:
        return ""
    telling = sorted(paths, key=lambda path: not STATISTICS.fullmatch(path[-1]))
    shown = [".".join(path)[-MAX_NAME:] for path in telling[:SHOWN]]
    return form.message.format(", ".join([*shown, *["..."] * (len(paths) > SHOWN)]))
