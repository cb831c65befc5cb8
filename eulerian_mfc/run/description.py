"""Descriptions, in words, of a discrete problem and its solver."""

from __future__ import annotations

import platform

import numpy as np

from .._names import apart
from ..laws import Labelled
from ..losses import Loss
from ..solvers import Solver
from ..storage.environment import versions
from ..system.optimality import OptimalitySystem

#: numbers that depend on time are looked at, at so many equal distances
SHOWN = 65


def _numbers(values: np.ndarray) -> str:
    """The different numbers of `(m,)`, or the range over time of `(n, m)`."""
    if values.ndim == 2 and (values != values[0]).any():
        return f"{values.min():g} to {values.max():g} over time"
    return ", ".join(apart(np.unique(values)))


def _range(values: np.ndarray) -> str:
    low, high = f"{values.min():g}", f"{values.max():g}"
    return low if low == high else f"{low} to {high}"


def _bounds(lower: np.ndarray, upper: np.ndarray) -> str:
    """The different pairs of bounds `(m,)`, or the ranges over time of bounds `(n, m)`."""
    if lower.ndim == 2:
        if (lower != lower[0]).any() or (upper != upper[0]).any():
            return f"lower {_range(lower)}, upper {_range(upper)}, over time"
        lower, upper = lower[0], upper[0]
    return ", ".join(map(str, np.unique(np.stack([lower, upper], axis=1), axis=0).tolist()))


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
    over_time = regulariser.at(np.linspace(0.0, problem.horizon, SHOWN))
    extra = {"running loss": _terms(problem.running)} if problem.running is not None else {}
    if regulariser.sparse:
        extra["sparsity"] = _numbers(over_time.sparsities)
    if problem.diffusion:
        extra["noise"] = repr(problem.diffusion)
    if problem.terminal_constraints:
        extra["constraints"] = ", ".join(row.title for row in problem.terminal_constraints.rows)
    if system.resources.rounded:
        extra["precision"] = f"densities in {system.resources.precision} precision"
    extra |= {"bounds": _bounds(over_time.lower, over_time.upper)} if regulariser.bounded else {}
    return {
        "field": repr(problem.field),
        "law": type(problem.law.law if isinstance(problem.law, Labelled) else problem.law).__name__,
        "loss": _terms(problem.loss),
        "fields on the mesh": ", ".join(problem.separable.names),
        "penalty": _numbers(over_time.penalties),
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


def _terms(loss: Loss) -> str:
    """The classes of a loss's terms with their weights, such as "SquaredLoss + 0.5 Congestion"."""
    return " + ".join(f"{'' if w == 1 else f'{w:g} '}{type(term).__name__}" for w, term in loss.terms)
