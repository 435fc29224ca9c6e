"""Edit faces by gradient descent on pixels through VGG-Face features, in JAX.

Li, Zuo & Zhang, arXiv:1608.06434.
"""

from .descent.batch import run_batch
from .descent.canvas import Fourier, Pixels
from .descent.objective import Objective, Targets, Term
from .descent.optimizer import Optimizer
from .descent.problem import Problem, from_direction, from_guides, from_maps, stack
from .descent.solution import Solution
from .descent.solver import Solver
from .descent.terms import (
    Attribute,
    AttributePixels,
    AttributeTexture,
    Chroma,
    DescriptorIdentity,
    Identity,
    MapDistance,
    TotalVariation,
)
from .descent.transforms import Noise, Scale, Shift
from .edit.engine import edit
from .edit.settings import Edit
from .faces.image import load as load_image
from .faces.image import save as save_image
from .network.adapters import Function, Linen, from_nnx
from .network.checkpoint import load_network, load_params
from .network.direction import load_direction
from .network.features import classify, descriptor, extract
from .network.protocol import Backbone, Network

__version__ = "0.1.0"

__all__ = [
    "Attribute",
    "AttributePixels",
    "AttributeTexture",
    "Backbone",
    "Chroma",
    "DescriptorIdentity",
    "Edit",
    "Fourier",
    "Function",
    "Identity",
    "Linen",
    "MapDistance",
    "Network",
    "Noise",
    "Objective",
    "Optimizer",
    "Pixels",
    "Problem",
    "Scale",
    "Shift",
    "Solution",
    "Solver",
    "Targets",
    "Term",
    "TotalVariation",
    "classify",
    "descriptor",
    "edit",
    "extract",
    "from_direction",
    "from_guides",
    "from_maps",
    "from_nnx",
    "load_direction",
    "load_image",
    "load_network",
    "load_params",
    "run_batch",
    "save_image",
    "stack",
]
