"""The layer map that is chosen by itself: enough substeps that its error is below that of the control's degree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..problem import Problem
from ..solution import Solution
from ..solvers import Status
from ..system.discretisation import Discretisation, Resources
from ..system.optimality import OptimalitySystem
from ..system.particles import ParticleSystem
from .certify import Certified, Method, certified

#: the error of the layer map is at most this share of that of the control's degree, or this share of the cost
SHARE, NEGLIGIBLE = 0.25, 1e-13
#: the largest number of times that the substeps are doubled
ROUNDS = 4
#: tolerance of the law's rule, relative to the cost, and its largest number of points
AIM, POINTS = 1e-3, 2000


def solve_with_substeps(
    problem: Problem, discretisation: Discretisation, resources: Resources, method: Method
) -> Certified:
    """Solve, and while the layer map's error is too large, double its substeps and solve again from the control found.

    Parameters
    ----------
    problem : the control problem.
    discretisation : the discretisation, with the first layer map.
    resources : the resources of each round.
    method : the method of each round; its first control is used in the first round only.
    """
    found = certified(OptimalitySystem.of(problem, discretisation, resources), method)
    for _ in range(ROUNDS):
        solution = found.solution
        if solution.status is Status.INTERRUPTED or not needs_substeps(solution):
            break
        discretisation = replace(discretisation, layer_map=discretisation.layer_map.refined(2))
        system = OptimalitySystem.of(problem, discretisation, resources)
        found = certified(system, replace(method, initial=solution.control))
    return found


def needs_substeps(solution: Solution) -> bool:
    """Whether the error of the layer map is not much smaller than that of the control's degree, at the solution's control.

    Parameters
    ----------
    solution : a solution with its problem.
    """
    error = abs(error_of_layer_map(solution))
    negligible = NEGLIGIBLE * (abs(solution.terminal_cost) + solution.penalty_cost + abs(solution.running_cost))
    return bool(error > negligible and error > SHARE * error_of_degree(solution))


def error_of_layer_map(solution: Solution) -> float:
    """The cost with the layer map minus that with twice as many substeps, for particles at the solution's control.

    Parameters
    ----------
    solution : a solution with its problem.
    """
    system, control = solution.system, solution.control
    assert system is not None
    tolerance = AIM * abs(solution.cost)
    options = system.layer_options
    twin = ParticleSystem.refined(
        system.problem, system.grid, control, tolerance=tolerance, limit=POINTS, loss=solution.loss, **options
    )
    finer = twin.with_layer_map(twin.flow.layer_map.refined(2))
    return twin.cost(control).total - finer.cost(control).total


def error_of_degree(solution: Solution) -> float:
    """`1/2 int |r|^2 / lambda dt`, r the residual of the control equation in continuous time: the size of `J - J*`.

    It is exact if the Hessian is that of the penalty.

    Parameters
    ----------
    solution : a solution with its problem.
    """
    curves = solution.numerics.curves
    times, rule = curves.quadrature(curves.degree + 2)
    assert solution.system is not None
    penalties = solution.system.problem.regulariser.penalties
    return 0.5 * float(rule @ (solution.pointwise.residuals(times) ** 2 / penalties).sum(axis=1)) + float(
        np.finfo(float).tiny
    )
