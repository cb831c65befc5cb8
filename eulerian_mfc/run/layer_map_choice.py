"""The error of the layer map beside that of the control's degree: substeps that are chosen by it, and a warning about it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..diagnostics import warnings_of
from ..problem import Problem
from ..solution import Solution
from ..solvers import Status
from ..system.discretisation import Discretisation, Resources
from ..system.optimality import OptimalitySystem
from ..system.particles import ParticleSystem
from .certify import Certified, Method, certified

#: the error of the layer map is at most this share of that of the control's degree, or this share of the cost; with noise, where
#: the error is that of the splitting, of order 4 only, the last number is that share
SHARE, NEGLIGIBLE, WITH_NOISE = 0.25, 1e-13, 1e-7
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
        assert solution.system is not None
        # Without gradients between the nodes, the error of the degree is not known, and the schemes do not use the layer map.
        if (
            solution.status is Status.INTERRUPTED
            or not solution.system.pair.interpolates
            or not needs_substeps(solution)
        ):
            break
        discretisation = replace(discretisation, layer_map=discretisation.layer_map.refined(2))
        system = OptimalitySystem.of(solution.system.problem, discretisation, resources)
        found = certified(system, replace(method, initial=solution.control))
    return found


def with_layer_map_checked(found: Certified) -> Certified:
    """The same solution, in which the error of the layer map that was given is known, with a warning if it is large.

    Nothing is compared if the solver did not succeed, if the cost could not be evaluated without a mesh, or if the transport
    scheme has no gradients between the nodes, from which the error of the degree is estimated.

    Parameters
    ----------
    found : a solution with its problem, for a degree of the control above 0, and the warnings about it.
    """
    solution = found.solution
    assert solution.system is not None
    looked_at = solution.system.problem.needs_mesh or (solution.look is not None and solution.look.finite)
    comparable = solution.system.pair.interpolates and solution.system.flow.layer_map.refinable
    if not (solution.solved and looked_at and comparable):
        return found
    solution = replace(solution, checks=replace(solution.checks, layer_map_share=layer_map_share(solution)))
    return Certified(solution, [*found.warnings, *warnings_of.of_the_layer_map(solution)])


def needs_substeps(solution: Solution) -> bool:
    """Whether the error of the layer map is not much smaller than that of the control's degree, at the solution's control.

    Parameters
    ----------
    solution : a solution with its problem.
    """
    return layer_map_share(solution) > SHARE


def layer_map_share(solution: Solution) -> float:
    """The error of the layer map relative to that of the control's degree; 0 if it is negligible beside the cost.

    Parameters
    ----------
    solution : a solution with its problem.
    """
    error = abs(error_of_layer_map(solution))
    share = NEGLIGIBLE if solution.system is None or not solution.system.problem.diffusion else WITH_NOISE
    negligible = share * (abs(solution.terminal_cost) + solution.penalty_cost + abs(solution.running_cost))
    return error / error_of_degree(solution) if error > negligible else 0.0


def error_of_layer_map(solution: Solution) -> float:
    """The cost with the layer map minus that with twice as many substeps, at the solution's control.

    It is that of particles; with noise, it is the cost on the mesh, since the substeps are those of the splitting too.

    For costs of the density, which particles do not have, both costs are those on the mesh.

    Parameters
    ----------
    solution : a solution with its problem.
    """
    system, control = solution.system, solution.control
    assert system is not None
    if system.problem.needs_mesh:
        substeps = system.discretisation.layer_map.refined(2)
        finer_steps = replace(system.discretisation, layer_map=substeps)
        return (
            solution.cost - OptimalitySystem.of(system.problem, finer_steps, system.resources).cost(control).objective
        )
    tolerance = AIM * abs(solution.cost)
    options, problem = system.layer_options, system.problem
    if problem.terminal_constraints:
        problem = replace(problem, constraints=())
    twin = ParticleSystem.refined(
        problem, system.grid, control, tolerance=tolerance, limit=POINTS, loss=solution.loss, **options
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
