"""Edit faces by gradient descent on pixels through VGG-Face features (Li, Zuo & Zhang, arXiv:1608.06434), in JAX."""

from .batch import run_batch as run_batch
from .checkpoint import load_network as load_network
from .checkpoint import load_params as load_params
from .direction import load_direction as load_direction
from .image import load as load_image
from .image import save as save_image
from .objective import Attribute as Attribute
from .objective import AttributeTexture as AttributeTexture
from .objective import Chroma as Chroma
from .objective import DescriptorIdentity as DescriptorIdentity
from .objective import Identity as Identity
from .objective import Objective as Objective
from .objective import Targets as Targets
from .objective import Term as Term
from .objective import TotalVariation as TotalVariation
from .problem import Problem as Problem
from .problem import from_direction as from_direction
from .problem import from_guides as from_guides
from .problem import from_maps as from_maps
from .problem import stack as stack
from .solver import Solution as Solution
from .solver import Solver as Solver
from .vgg_face import descriptor as descriptor
from .vgg_face import extract as extract

__version__ = "0.1.0"
