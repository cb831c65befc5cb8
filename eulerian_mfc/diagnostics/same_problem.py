"""The check whether a problem is the one that a stored solution belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .._validate import mismatch
from ..constraints import Held
from ..problem import Problem
from ..results.solution_data import SolutionData
from ..system.controlled import Cost
from ..system.optimality import OptimalitySystem

#: largest allowed relative difference of the cost's parts
SHARE = 1e-8
#: largest allowed relative difference of bounds: those that depend on time are found by a search
NEAR = 1e-12


def check_problem(system: OptimalitySystem, solution: SolutionData) -> None:
    """Check that a problem has the stored cost at the stored control.

    Parameters
    ----------
    system : the system of the problem, with the solution's mesh, layers and schemes.
    solution : the loaded solution.

    Raises
    ------
    ArgumentError
        If the problem differs: its horizon, parameters, fields on the mesh, bounds or cost.
    """
    problem = system.problem
    stored: dict[str, object] = {
        "horizon": solution.numerics.horizon,
        "parameter_names": solution.parameter_names,
        "names": solution.names,
    }
    given: dict[str, object] = {
        "horizon": problem.horizon,
        "parameter_names": problem.field.parameter_names,
        "names": problem.separable.names,
    }
    for key, value in stored.items():
        if given[key] != value:
            raise mismatch(
                "problem",
                f"a problem whose {key} is {given[key]!r}",
                f"the file's {value!r}: pass the problem that was solved",
            )
    allowed = system.controls.regulariser
    if not _equal(solution.bounds, np.stack([allowed.lower, allowed.upper])):
        raise mismatch("problem", "a problem with other bounds", "those of the file: pass the problem that was solved")
    cost, known = (
        system.cost(solution.control),
        Cost(solution.terminal_cost, solution.penalty_cost, solution.running_cost),
    )
    parts = [(cost.terminal, known.terminal), (cost.penalty, known.penalty), (cost.running, known.running)]
    if max(abs(a - b) for a, b in parts) > SHARE * sum(abs(b) for _, b in parts):
        raise mismatch(
            "problem",
            f"a problem whose cost at the file's control is {cost.objective:.10g}",
            f"the file's cost {known.total:.10g}: pass the problem that was solved",
        )


def settled(problem: Problem, records: Sequence[Held]) -> Problem:
    """A problem with the multipliers of a solution's constraints; the problem itself if there are none.

    Parameters
    ----------
    problem : the problem that was solved.
    records : the constraints of the solution.

    Raises
    ------
    ArgumentError
        If the problem has other constraints.
    """
    own = problem.terminal_constraints
    if not own.fits(records):
        names = ", ".join(row.title for row in own.rows) or "no constraints"
        wanted = ", ".join(held.name for held in records) or "none"
        raise mismatch("problem", f"a problem with {names}", f"the file's constraints, {wanted}")
    return replace(problem, constraints=own.settled_as(records)) if own else problem


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether bounds are the same, up to round-off of those that depend on time."""
    if one.shape != other.shape or (np.isinf(one) != np.isinf(other)).any():
        return False
    finite = np.isfinite(one)
    return bool(np.allclose(one[finite], other[finite], rtol=NEAR, atol=0.0) and (one[~finite] == other[~finite]).all())
