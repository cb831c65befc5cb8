"""Descriptions, in words, of a discrete problem and its solver."""

from __future__ import annotations

import platform

import numpy as np

from .._names import apart
from ..laws import Labelled
from ..solvers import Solver
from ..storage.environment import versions
from ..system.optimality import OptimalitySystem


def _layers(system: OptimalitySystem) -> str:
    """The number of layers, their times if they have different lengths, and the degree of the control if it is not 0."""
    curves = system.controls
    ends = ", ".join(f"{t:g}" for t in curves.ends)
    grid = str(curves.layers) if curves.equal else f"{curves.layers}, which start and end at {ends}"
    basis = curves.basis.kind.capitalize()
    return f"{grid}; controls of degree {curves.degree} in time ({basis} basis)" if curves.degree else grid


def describe(system: OptimalitySystem, solver: Solver) -> dict[str, str]:
    """The problem, the discretisation and the solver in words, for reports and files.

    Parameters
    ----------
    system : the discrete problem.
    solver : the method.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> mesh = emfc.CartesianMesh([(-4.0, 4.0)], cells=40)
    >>> told = describe(emfc.OptimalitySystem(problem, mesh, layers=3), emfc.solvers.NewtonCG())
    >>> told["layers"], told["fields on the mesh"], told["loss"]
    ('3', 'mass, moment y', 'SquaredLoss')
    """
    problem = system.problem
    regulariser = problem.regulariser
    penalty = np.unique(regulariser.penalties)
    bounds = np.unique(np.stack([regulariser.lower, regulariser.upper], axis=1), axis=0).tolist()
    extra = {"running loss": type(problem.running).__name__} if problem.running is not None else {}
    if regulariser.sparse:
        extra["sparsity"] = ", ".join(apart(np.unique(regulariser.sparsities)))
    if system.resources.rounded:
        extra["precision"] = f"densities in {system.resources.precision} precision"
    extra |= {"bounds": ", ".join(map(str, bounds))} if regulariser.bounded else {}
    return {
        "field": repr(problem.field),
        "law": type(problem.law.law if isinstance(problem.law, Labelled) else problem.law).__name__,
        "loss": type(problem.loss).__name__,
        "fields on the mesh": ", ".join(problem.separable.names),
        "penalty": ", ".join(apart(penalty)),
        **extra,
        "horizon": f"{problem.horizon:g}",
        "mesh": system.mesh.title,
        "layers": _layers(system),
        "layer map": repr(system.flow.layer_map),
        "transport": repr(system.transport_scheme),
        "continuity": repr(system.continuity_scheme),
        "solver": repr(solver),
        "versions": ", ".join(f"{name} {number}" for name, number in versions().items()),
        "platform": f"{platform.system()} {platform.machine()}",
        "seeds": "the solution itself uses no random numbers; the seed is 0 for the trajectories shown and for the "
        "second-order analysis",
    }
