"""From samples to a solution on a mesh: the samples alone first, then the mesh, and the better of both where it fails."""

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

#: cost below which its errors are not relative to it
NOTHING = 1e-9
#: share of the cost on the samples that the mesh may add or take off without a warning
MESH_ERROR = 0.2

ADVICE = "raise `penalty`, which smooths the flow, or `cells`, or take fewer `layers`"


@dataclass(frozen=True)
class Fitted:
    """A solution, what the mesh changes of its cost (relative to the cost on the samples), and why it is no answer, if so."""

    solution: Solution
    mesh_error: float
    doubts: list[str]


def best_on_samples(samples: ParticleSystem, solver: Solver, starts: Iterable[np.ndarray]) -> tuple[np.ndarray, float]:
    """The cheapest control that the solver finds from several ones by following the samples alone, and its cost.

    Where the solver cannot evaluate one of the starts it goes on with the others, and without any it takes the control zero.

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
    """Solve on a mesh from the samples' best control.

    A run on a mesh that is too coarse may not start, or may end at a control that only exploits the mesh's errors. The answer
    is then the samples' best control with the samples' read-out, where that one costs less on the samples.

    Parameters
    ----------
    samples : the problem on its samples.
    start : `(layers, m)`, the samples' best control, with its `cost` on them.
    mesh_of : makes the mesh from the samples' positions `(layers + 1, n, d)`.
    solver : on the mesh.
    schemes : `transport` and `layer_map`, as `solve` takes them.
    """
    mesh = mesh_of(samples.states(start))
    history, doubts = [], []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            given = {**schemes, "solver": solver, "initial": start, "callback": _stop_below_zero}
            solution = solve(samples.problem, mesh, samples.layers, **given)
            exact = samples.cost(solution.control).total
        except NonFiniteError as error:
            doubts = [str(error)]
    if not doubts:
        found = Fitted(solution, _difference(solution.cost, exact), [])
        history, doubts = solution.history, _doubts(found)
        if not doubts or own_cost(samples, solution) <= cost:
            for warning in caught:
                if not issubclass(warning.category, BoundaryMassWarning | CostErrorWarning):  # see `mesh_error_`
                    warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
            return replace(found, doubts=doubts)
    doubts.append("the control and the read-out are the best that the samples alone give, without the mesh")
    message = "not converged: " + "; ".join(doubts).removeprefix("not converged: ")
    problem = replace(samples.problem, loss=samples.terminal(samples.states(start)[-1])[0])
    system = OptimalitySystem(problem, mesh, samples.layers, **schemes)
    solution = Solution.from_outcome(system, Outcome(start, Status.UNKNOWN, message, history), describe(system, solver))
    exact = ParticleSystem(problem, samples.layers, layer_map=schemes["layer_map"]).cost(start).total
    return Fitted(solution, _difference(solution.cost, exact), [message, ADVICE])


def own_cost(samples: ParticleSystem, solution: Solution) -> float:
    """The cost on the samples of a solution's control with its own read-out, which was trained on the mesh."""
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
    """Why a solution on the mesh is no answer; nothing where it is one."""
    doubts = [] if found.solution.solved else [found.solution.message]
    if abs(found.mesh_error) > MESH_ERROR:
        doubts += [f"the mesh changes the cost by {found.mesh_error:+.0%}", ADVICE]
    return doubts


def _stop_below_zero(row: Iteration) -> None:
    """End a run whose cost is below zero, which no loss is: from there on it finds errors of the mesh, and for a long time."""
    if row.cost < -NOTHING:
        raise NonFiniteError(f"the cost on the mesh fell to {row.cost:.2g}, though its loss is never negative")
