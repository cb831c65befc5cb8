"""The two steps of a fit: the best control on the samples alone, and then a solution on a mesh from there."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import BoundaryMassWarning, CostErrorWarning, NonFiniteError
from ..meshes import CartesianMesh
from ..run.description import describe
from ..run.solve import solve
from ..solution import Solution
from ..solvers import Iteration, Outcome, Solver, Status
from ..system.optimality import OptimalitySystem
from ..system.particles import ParticleSystem

#: costs below this count as zero: errors are then relative to this number
NOTHING = 1e-9
#: relative difference of the cost on the mesh from that on the samples, above which there is a warning
MESH_ERROR = 0.2

ADVICE = "use a larger `penalty`, which makes the flow smoother, or more `cells`, or fewer `layers`"


@dataclass(frozen=True)
class Fitted:
    """A solution with its error by the mesh.

    Attributes
    ----------
    solution : the solution.
    mesh_error : the cost on the mesh minus the cost on the samples, relative to the latter.
    doubts : the reasons not to trust the solution; empty if there are none.
    """

    solution: Solution
    mesh_error: float
    doubts: list[str]


def best_on_samples(samples: ParticleSystem, solver: Solver, starts: Iterable[np.ndarray]) -> tuple[np.ndarray, float]:
    """The cheapest control that the solver finds on the samples alone, from several starts; and its cost.

    Starts that the solver cannot evaluate are left out. If none can be evaluated, the control zero is returned.

    Raises
    ------
    NonFiniteError
        If not even the control zero can be evaluated.
    """
    ends = []
    for start in starts:
        try:
            ends.append(solver.solve(samples, start).control)
        except NonFiniteError:
            continue
    costs = [samples.cost(end).total for end in ends]
    if not ends:
        ends = [samples.control(0.0)]
        costs = [samples.cost(ends[0]).total]
    best = int(np.argmin(costs))
    return ends[best], costs[best]


def on_mesh(
    samples: ParticleSystem,
    start: np.ndarray,
    cost: float,
    mesh_of: Callable[[np.ndarray], CartesianMesh],
    solver: Solver,
    schemes: dict[str, Any],
) -> Fitted:
    """Solve on a mesh, from the best control on the samples.

    On a mesh that is too coarse, a run may fail to start, or end at a control that only exploits the mesh's errors. The result
    is then the best control on the samples with the samples' read-out, if that costs less on the samples.

    Parameters
    ----------
    samples : the problem on its samples.
    start, cost : `(layers, m)`, the best control on the samples, and its cost on them.
    mesh_of : makes the mesh from the samples' positions `(layers + 1, n, d)`.
    solver : the solver on the mesh.
    schemes : `transport` and `layer_map`, as `solve` takes them.
    """
    mesh = mesh_of(samples.states(start))
    history, doubts = [], []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            options = {**schemes, "solver": solver, "initial": start, "callback": _stop_below_zero}
            solution = solve(samples.problem, mesh, samples.layers, **options)
            exact = samples.cost(solution.control).total
        except NonFiniteError as error:
            doubts = [str(error)]
    if not doubts:
        found = Fitted(solution, _difference(solution.cost, exact), [])
        history, doubts = list(solution.history), _doubts(found)
        if not doubts or own_cost(samples, solution) <= cost:
            for warning in caught:
                # `mesh_error_` reports what these two warnings are about.
                if not issubclass(warning.category, BoundaryMassWarning | CostErrorWarning):
                    warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
            return replace(found, doubts=doubts)
    doubts.append("the control and the read-out are instead those that fit the samples best without the mesh")
    message = "not converged: " + "; ".join(doubts).removeprefix("not converged: ")
    problem = replace(samples.problem, loss=samples.terminal(samples.states(start)[-1])[0])
    system = OptimalitySystem(problem, mesh, samples.layers, **schemes)
    solution = Solution.from_outcome(system, Outcome(start, Status.UNKNOWN, message, history), describe(system, solver))
    exact = ParticleSystem(problem, samples.layers, layer_map=schemes["layer_map"]).cost(start).total
    return Fitted(solution, _difference(solution.cost, exact), [message, ADVICE])


def own_cost(samples: ParticleSystem, solution: Solution) -> float:
    """The cost on the samples of a solution's control with the solution's read-out, which was trained on the mesh."""
    assert solution.loss is not None
    readout, training = solution.readout, samples.problem.separable.training
    assert readout is not None
    assert training is not None
    final = samples.states(solution.control)[-1]
    squares = 0.5 * training.penalty * float((readout.matrix**2).sum() + (readout.bias**2).sum())
    terminal = float(samples.rule.w @ solution.loss.value(final, samples.rule.y))
    return terminal + squares + samples.penalty_cost(solution.control)


def _difference(cost: float, exact: float) -> float:
    """A cost on the mesh minus that on the samples, relative to the latter."""
    return (cost - exact) / max(exact, NOTHING)


def _doubts(found: Fitted) -> list[str]:
    """The reasons not to trust a solution on the mesh; empty if there are none."""
    doubts = [] if found.solution.solved else [found.solution.message]
    if abs(found.mesh_error) > MESH_ERROR:
        doubts += [f"the mesh changes the cost by {found.mesh_error:+.0%}", ADVICE]
    return doubts


def _stop_below_zero(row: Iteration) -> None:
    """End a run whose cost is below zero: losses are not negative, so that it would only exploit errors of the mesh."""
    if row.cost < -NOTHING:
        raise NonFiniteError(f"the cost on the mesh fell to {row.cost:.2g}, though its loss is never negative")
