"""From a discrete problem to a certified solution: the solver's run, both sweeps at its control, and reasons to reject it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .._validate import affordable
from ..diagnostics import warnings_of
from ..errors import EulerianWarning
from ..results.solution_error import Report
from ..solution import Solution
from ..solvers import Outcome, Solver, Status, default_solver
from ..solvers.record import Callback
from ..storage.journal import Journal
from ..system.optimality import OptimalitySystem
from .constrained import solve_constrained
from .description import describe
from .interrupts import uninterrupted
from .starts import Start, starting_control

#: the residuals of solver and certificate may differ by this much, relative to the terms that cancel in them
SLACK = 1e-11


@dataclass(frozen=True)
class Method:
    """How a discrete problem is solved.

    Parameters
    ----------
    solver : the solver; None for the default, see `solvers.default_solver`.
    initial : the first control, as for `solve`.
    callback : called with each row of the history, or None.
    journal : keeps the results of evaluations in a checkpoint, or None.
    report : called with each round of a solve to a tolerance, or None.

    Examples
    --------
    >>> Method().solver is None
    True
    """

    solver: Solver | None = None
    initial: Start = None
    callback: Callback | None = None
    journal: Journal | None = None
    report: Report | None = None


class Certified(NamedTuple):
    """A solution and the warnings about it.

    Attributes
    ----------
    solution : the solution with its verdict.
    warnings : warnings that the caller has to issue.
    """

    solution: Solution
    warnings: list[EulerianWarning]


def certified(system: OptimalitySystem, method: Method) -> Certified:
    """Solve a discrete problem, and certify the solution.

    Parameters
    ----------
    system : the problem on its mesh.
    method : how it is solved.

    Raises
    ------
    ArgumentError
        If the densities do not fit into the machine's memory, or the initial control has a wrong shape.

    Examples
    --------
    >>> import numpy as np
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> mesh = emfc.CartesianMesh([(-4.0, 4.0)], cells=40)
    >>> found = certified(emfc.OptimalitySystem(problem, mesh, layers=3), Method())
    >>> found.solution.status.value, found.warnings
    ('converged', [])
    """
    densities = (system.steps + 1) * (system.initial_masses.size + 2 * system.mesh.size)
    affordable("layers", system.layers, densities, "the densities of all layers")
    solver = default_solver(system) if method.solver is None else method.solver
    start = starting_control(system, method.initial)
    if system.problem.terminal_constraints:
        system, outcome = solve_constrained(system, solver, start, method.initial, method.callback)
    elif method.journal is None:
        outcome = solver.solve(system, start, method.callback)
    else:
        with method.journal as journal:
            outcome = solver.solve(journal.watching(system), start, method.callback)
    with uninterrupted():
        solution = Solution.from_outcome(system, outcome, describe(system, solver))
    exact = solver.discrete and not system.resources.rounded
    solution = believed(solution, outcome, SLACK * outcome.threshold / solver.tol if exact else np.inf)
    found = [
        *warnings_of.of_the_mesh(system, solution),
        *warnings_of.of_the_densities(system, solution),
        *warnings_of.of_the_start(system, start, solution),
    ]
    return Certified(solution, found)


def believed(solution: Solution, outcome: Outcome, slack: float = np.inf) -> Solution:
    """The solution; its verdict is replaced by one that is not converged if there are reasons to reject it.

    Parameters
    ----------
    solution : the certified solution.
    outcome : the outcome of the solver.
    slack : the certificate computes the residual again; this value may exceed the threshold by at most `slack`.
    """
    others = _other_values(solution, slack)
    for status, doubt in (
        *((Status.NOT_REPRODUCED, d) for d in others),
        *((Status.COST_WRONG, d) for d in doubts(solution)),
    ):
        solution = solution.judged(status, f"not converged: {doubt}; the discrete system: {outcome.message}")
    return solution


def _other_values(solution: Solution, slack: float) -> list[str]:
    """A reason to reject the solver's residual: the certificate's exceeds the threshold by more than `slack`; else empty."""
    if not solution.converged or solution.kink is not None or solution.residual <= solution.threshold + slack:
        return []
    return [
        f"the same control evaluated again has the optimality residual {solution.residual:.2e}: the problem's "
        "functions do not give the same values at every call, or the checkpoint holds values of other "
        "functions"
    ]


def doubts(solution: Solution) -> list[str]:
    """Reasons to reject the discrete optimum: its cost is far from that of particles at the same control; empty if none.

    Parameters
    ----------
    solution : the solution of the discrete system.
    """
    found = solution.look
    # An interrupted run has not converged anyway, and keeps its message; the certificate still reports the look.
    interrupted = solution.status is Status.INTERRUPTED
    return [found.words] if found is not None and found.wrong and not interrupted else []
