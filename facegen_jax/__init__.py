"""Edit faces by gradient descent on pixels through VGG-Face features (Li, Zuo & Zhang, arXiv:1608.06434), in JAX."""

from .descent.batch import run_batch
from .descent.objective import (
    Attribute,
    AttributePixels,
    AttributeTexture,
    Chroma,
    DescriptorIdentity,
    Identity,
    Objective,
    Targets,
    Term,
    TotalVariation,
)
from .descent.problem import Problem, from_direction, from_guides, from_maps, stack
from .descent.solver import Solution, Solver
from .faces.image import load as load_image
from .faces.image import save as save_image
from .network.checkpoint import load_network, load_params
from .network.direction import load_direction
from .network.vgg_face import classify, descriptor, extract

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
