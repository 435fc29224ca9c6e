"""Edit faces by gradient descent on pixels through VGG-Face features (Li, Zuo & Zhang, arXiv:1608.06434), in JAX."""

from .batch import run_batch
from .checkpoint import load_network, load_params
from .direction import load_direction
from .image import load as load_image
from .image import save as save_image
from .objective import Attribute, AttributePixels, AttributeTexture, Chroma, DescriptorIdentity, Identity, Objective, Targets, Term, TotalVariation
from .problem import Problem, from_direction, from_guides, from_maps, stack
from .solver import Solution, Solver
from .vgg_face import classify, descriptor, extract

__version__ = "0.1.0"

__all__ = [
    "Attribute",
    "AttributePixels",
    "AttributeTexture",
    "Chroma",
    "DescriptorIdentity",
    "Identity",
    "Objective",
    "Problem",
    "Solution",
    "Solver",
    "Targets",
    "Term",
    "TotalVariation",
    "classify",
    "descriptor",
    "extract",
    "from_direction",
    "from_guides",
    "from_maps",
    "load_direction",
    "load_image",
    "load_network",
    "load_params",
    "run_batch",
    "save_image",
    "stack",
]
