"""PyTorch state dicts: the key styles of VGG-Face's ports, and the layers they name."""

import re
from collections.abc import Iterable

import numpy as np

from .cursor import SourceError
from .layout import NAMES, Parsed, by_position

NAMED = re.compile(r"(?:.*\.)?(?:(conv)(_?)([0-9]_[0-9])|(fc[0-9]))\.(weight|bias)")
"""`conv1_1.weight` (flat), or `features.conv_1_1.weight` and `fc.fc6.weight` (PyVGGFace)."""
NUMBERED = re.compile(r"(?:.*\.)?(features|classifier)\.([0-9]{1,3})\.(weight|bias)")
"""torchvision's vgg16: features.0, features.2, ..., classifier.6."""
AMBIGUOUS = (
    "files of both colour orders use these names; read as RGB, like vgg_face_dag.pth "
    "(--colour BGR for weights from Caffe, --verify to check)"
)


def relevant(keys: Iterable[str]) -> set[str]:
    """Return the keys in a style of VGG-Face; if there are none, all, for the error message."""
    keys = set(keys)
    return {key for key in keys if NAMED.fullmatch(key) or NUMBERED.fullmatch(key)} or keys


def to_layers(tensors: dict[str, np.ndarray], container: str) -> Parsed:
    """Group tensors into layers by the style of their keys."""
    pairs: dict[str, dict[str, np.ndarray]] = {}
    underscore = False
    for key, tensor in tensors.items():
        if match := NAMED.fullmatch(key):
            convolution, separator, number, dense, leaf = match.groups()
            underscore |= bool(separator)
            pairs.setdefault(f"conv{number}" if convolution else dense, {})[leaf] = tensor
    if not pairs:
        return _numbered_layers(tensors, container)
    layers = {
        name: (pair["weight"], pair["bias"])
        for name, pair in pairs.items()
        if name in NAMES and len(pair) == 2
    }
    style, colour = ("PyVGGFace names", "BGR") if underscore else ("flat names", "RGB")
    notes = () if underscore else (AMBIGUOUS,)
    described = f"PyTorch state dict ({container}, {style})"
    return Parsed(described, layers, "OIHW", colour, notes=notes)


def _numbered_layers(tensors: dict[str, np.ndarray], container: str) -> Parsed:
    """Group tensors by torchvision's numbers; BGR, because the known file was made from Caffe's."""
    pairs: dict[tuple[bool, int], dict[str, np.ndarray]] = {}
    for key, tensor in tensors.items():
        if match := NUMBERED.fullmatch(key):
            pairs.setdefault((match[1] == "classifier", int(match[2])), {})[match[3]] = tensor
    if not pairs:
        raise SourceError(
            "a state dict of another network; its first keys are "
            f"{', '.join(list(tensors)[:4]) or 'missing (it is empty)'}"
        )
    complete = [pairs[number] for number in sorted(pairs) if len(pairs[number]) == 2]
    layers = by_position([(pair["weight"], pair["bias"]) for pair in complete])
    return Parsed(f"PyTorch state dict ({container}, torchvision numbers)", layers, "OIHW", "BGR")
