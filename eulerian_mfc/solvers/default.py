"""The default solver, for every entry point of the package."""

from __future__ import annotations

from dataclasses import replace

from ..meshes import SimplexMesh
from ..system.controlled import ControlledSystem
from ..system.optimality import OptimalitySystem
from .base import Solver
from .lbfgs import LBFGS
from .proximal_gradient import ProximalGradient
from .shooting import Shooting

#: tolerance on simplices: there the cost has kinks, because feet of characteristics cross facets
ELEMENT_TOLERANCE = 1e-4
#: tolerance if the gradient is not exactly that of the cost, or is rounded to single precision
SHOOTING_TOLERANCE = 1e-8


def default_solver(system: ControlledSystem, tol: float | None = None) -> Solver:
    """The solver by pair: LBFGS on an adjoint pair (ProximalGradient with sparsity), otherwise Shooting(relaxation="auto").

    Densities that are rounded to single precision give gradients that differ slightly from that of the cost. Line searches
    fail on them, so Shooting is the default there too, except with sparsity.

    Parameters
    ----------
    system : a system on a mesh or on particles.
    tol : the tolerance; by default 1e-9, 1e-8 for Shooting, and 1e-4 on an adjoint pair on simplices, where J has kinks.

    Examples
    --------
    >>> import numpy as np
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian(mean=[0.0], std=1.0), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> type(default_solver(emfc.ParticleSystem(problem, layers=2))).__name__
    'LBFGS'
    """
    on_mesh = system if isinstance(system, OptimalitySystem) else None
    sparse = system.controls.regulariser.sparse
    rounded = on_mesh is not None and on_mesh.resources.rounded
    solver: Solver = Shooting(relaxation="auto", tol=SHOOTING_TOLERANCE)
    if system.adjoint and (sparse or not rounded):
        solver = ProximalGradient() if sparse else LBFGS()
        if on_mesh is not None and isinstance(on_mesh.mesh.base, SimplexMesh):
            solver = replace(solver, tol=ELEMENT_TOLERANCE)
    return solver if tol is None else replace(solver, tol=tol)
