"""Training residual networks as mean-field optimal control, solved on meshes.

Minimise `E[loss(X(T), Y)] + 1/2 int lambda |theta|^2 dt` over `dX/dt = F(t, theta(t), X)` for a law of inputs and
labels, by solving the continuity equation forwards, the transport equation backwards, and the control equation between.
"""

from . import constraints as constraints
from . import continuity as continuity
from . import errors as errors
from . import fields as fields
from . import flow as flow
from . import laws as laws
from . import losses as losses
from . import meshes as meshes
from . import schemes as schemes
from . import solvers as solvers
from . import transport as transport
from .control.horizon import FreeHorizon as FreeHorizon
from .control.over_time import Stepwise as Stepwise
from .flow import LayerMap as LayerMap
from .meshes import CartesianMesh as CartesianMesh
from .meshes import SimplexMesh as SimplexMesh
from .problem import Problem as Problem
from .results.certificate import Certificate as Certificate
from .run.critical_points import continuation as continuation
from .run.critical_points import multistart as multistart
from .run.solve import solve as solve
from .solution import Solution as Solution
from .storage.journal import Checkpoint as Checkpoint
from .system.optimality import OptimalitySystem as OptimalitySystem
from .system.particles import ParticleSystem as ParticleSystem
from .version import __version__ as __version__

__all__ = [
    "CartesianMesh",
    "Certificate",
    "Checkpoint",
    "FreeHorizon",
    "LayerMap",
    "OptimalitySystem",
    "ParticleSystem",
    "Problem",
    "SimplexMesh",
    "Solution",
    "Stepwise",
    "__version__",
    "constraints",
    "continuation",
    "continuity",
    "controllability",
    "errors",
    "export",
    "fields",
    "flow",
    "laws",
    "losses",
    "meshes",
    "multistart",
    "schemes",
    "solve",
    "solvers",
    "studies",
    "transport",
]


def __getattr__(name: str) -> object:
    """Modules that are loaded on first use: most runs need none of them, and `learn` loads scikit-learn."""
    if name in ("controllability", "export", "learn", "studies"):
        from importlib import import_module

        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
