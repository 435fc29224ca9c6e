"""Edit faces by gradient descent on pixels through VGG-Face features, in JAX.

Li, Zuo & Zhang, arXiv:1608.06434.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .lazy import attach

if TYPE_CHECKING:
    from .descent.batch import run_batch
    from .descent.canvas import Fourier, Pixels
    from .descent.objective import Objective, Targets, Term
    from .descent.optimizer import Optimizer
    from .descent.problem import Problem, from_direction, from_guides, from_maps, stack
    from .descent.solution import Solution, Solutions
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
    from .edit.engine import Outcome, edit
    from .edit.settings import Edit
    from .faces.image import load as load_image
    from .faces.saving import save_image
    from .network.adapters import Function, Linen, from_nnx
    from .network.checkpoint import load_network, load_params
    from .network.direction import Direction, load_direction
    from .network.features import classify, descriptor, extract
    from .network.protocol import Backbone, Network
    from .report.frame import read_results
    from .report.result import Result
    from .sweep.engine import run_sweep
    from .sweep.job import SweepStopped
    from .sweep.settings import Sweep
else:
    # The folder would hide the function of its name whenever it is imported for the first time.
    import_module(".edit", __name__)
    del globals()["edit"]
    __getattr__, __dir__ = attach(
        __name__,
        {
            "Attribute": "descent.terms",
            "AttributePixels": "descent.terms",
            "AttributeTexture": "descent.terms",
            "Backbone": "network.protocol",
            "Chroma": "descent.terms",
            "DescriptorIdentity": "descent.terms",
            "Direction": "network.direction",
            "Edit": "edit.settings",
            "Fourier": "descent.canvas",
            "Function": "network.adapters",
            "Identity": "descent.terms",
            "Linen": "network.adapters",
            "MapDistance": "descent.terms",
            "Network": "network.protocol",
            "Noise": "descent.transforms",
            "Objective": "descent.objective",
            "Optimizer": "descent.optimizer",
            "Outcome": "edit.engine",
            "Pixels": "descent.canvas",
            "Problem": "descent.problem",
            "Result": "report.result",
            "Scale": "descent.transforms",
            "Shift": "descent.transforms",
            "Solution": "descent.solution",
            "Solutions": "descent.solution",
            "Solver": "descent.solver",
            "Sweep": "sweep.settings",
            "SweepStopped": "sweep.job",
            "Targets": "descent.objective",
            "Term": "descent.objective",
            "TotalVariation": "descent.terms",
            "classify": "network.features",
            "descriptor": "network.features",
            "edit": "edit.engine",
            "extract": "network.features",
            "from_direction": "descent.problem",
            "from_guides": "descent.problem",
            "from_maps": "descent.problem",
            "from_nnx": "network.adapters",
            "load_direction": "network.direction",
            "load_image": "faces.image:load",
            "load_network": "network.checkpoint",
            "load_params": "network.checkpoint",
            "read_results": "report.frame",
            "run_batch": "descent.batch",
            "run_sweep": "sweep.engine",
            "save_image": "faces.saving",
            "stack": "descent.problem",
        },
    )

__version__ = "0.1.0"

__all__ = [
    "Attribute",
    "AttributePixels",
    "AttributeTexture",
    "Backbone",
    "Chroma",
    "DescriptorIdentity",
    "Direction",
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
    "Outcome",
    "Pixels",
    "Problem",
    "Result",
    "Scale",
    "Shift",
    "Solution",
    "Solutions",
    "Solver",
    "Sweep",
    "SweepStopped",
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
    "read_results",
    "run_batch",
    "run_sweep",
    "save_image",
    "stack",
]
