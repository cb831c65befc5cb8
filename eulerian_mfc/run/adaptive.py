"""Goal-oriented mesh refinement: the estimate of the cost's error per cell, and the loop that reduces this error."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from .._validate import fail, mismatch
from ..continuity import PushForward
from ..diagnostics.off_mesh import look
from ..errors import NonFiniteError
from ..laws import LabelledRule
from ..meshes import Refine, SimplexMesh
from ..problem import Problem
from ..results.refinement import Round
from ..solution import Solution
from ..solvers import Status
from ..system.discretisation import Discretisation, Resources
from ..system.optimality import OptimalitySystem
from ..transport import Elements
from ..transport.elements import ElementsOperator
from .certify import Certified, Method, certified

#: largest number of points of the law's rule in an estimate
POINTS = 200_000
#: the lightest points, which together carry at most this share of the mass, are left out
NEGLIGIBLE = 1e-9


class Estimate(NamedTuple):
    """The error of the cost at a control.

    Attributes
    ----------
    error : `J_h - J`, in the cost's units.
    indicators : `(cells,)`, the contribution of every cell, non-negative.
    known_to : the estimated quadrature error of J itself, from the rule of the law.

    Examples
    --------
    >>> Estimate(-2e-3, np.zeros(4), known_to=1e-4).total
    0.0021
    """

    error: float
    indicators: np.ndarray
    known_to: float = 0.0

    @property
    def total(self) -> float:
        """The modulus of the error plus the quadrature error of J: a bound of the error as far as it is estimated."""
        return abs(self.error) + self.known_to


def estimate(system: OptimalitySystem, control: np.ndarray, tolerance: float | None = None) -> Estimate:
    """The error of the discrete cost at a control and its contribution per cell: residuals of psi weighted by the mass.

    J is the cost of particles at the control. The rule of the law is refined until J is known within the tolerance (by default
    1e-9 of the cost), or has 200,000 points; on domains with walls, particles slide along the walls. Let `mu^n` be the law after
    n layer maps, I the interpolation, and `psi_h^n = I psi^n = I (psi_h^{n+1} o Phi_n)`. Then

        J_h - J = int (psi_h^M - a) dmu^M + sum_n int (psi_h^n - psi_h^{n+1} o Phi_n) dmu^n,

    because the sum telescopes. This leaves out one error: at time 0 the mesh integrates the law by a rule of its own. (With a
    running loss L, the integrand of each layer is reduced by `dt/2 (L + L o Phi_n)`, which the backward sweep adds.)
    Each integrand is an interpolation residual. `mu^n` are the moved points of the rule. The indicator of a cell is the sum,
    over layers, of the moduli of its part of the integrals. The estimate holds for this control; the error of the optimal
    control changes the cost only to second order.
    """
    base = system.mesh.base
    assert isinstance(base, SimplexMesh)
    problem, operator = system.problem, system.pair.transport
    assert isinstance(operator, ElementsOperator)
    cost = system.cost(control)
    final_masses = system.final_masses(control)
    end = system.terminal(final_masses)
    aim = 1e-9 * abs(cost.total) if tolerance is None else tolerance
    found = look(system, control, cost, final_masses, aim, POINTS)
    assert found is not None  # there is no noise
    if found.rule is None:
        raise NonFiniteError(
            "adapt: the states of particles at this control do not stay finite, so that the error of the cost "
            "cannot be estimated"
        )
    rule = carried(found.rule)
    locator, interpolation = base.locator, operator.interpolation
    moments = problem.separable.moments(rule.y) * rule.w
    potentials = system.potentials(control)
    separable = end.separable
    place = locator.locate(np.asfortranarray(rule.x))
    indicators = np.zeros(base.size)

    def values(n: int) -> np.ndarray:
        found, _ = interpolation.evaluate(place, interpolation.coefficients(potentials[n]))
        return np.einsum("rq,rq->q", moments, found)

    running = problem.separable_running

    def part(points: np.ndarray, weight: float) -> np.ndarray:
        """The part of the running loss that the backward sweep adds to psi at one end of a step, at the points."""
        if running is None:
            return np.zeros(len(points))
        return weight * np.einsum("rq,rq->q", moments, running.terminal(points))

    before = values(0)
    path = system.controls.path(control)
    for n in range(system.steps + 1):
        cells = place.cells
        if n < system.steps:
            feet = np.asfortranarray(place.feet)
            place = locator.trace(cells, feet, system.flow(path[n], feet))
            after = values(n + 1)
            spent = part(feet, system.running.before[n]) + part(place.feet, system.running.after[n])
        else:
            after = np.einsum("rq,rq->q", moments, separable.terminal(place.feet))
            spent = np.zeros(len(after))
        indicators += np.abs(np.bincount(cells, weights=before - after - spent, minlength=base.size))
        before = after
    return Estimate(found.difference, indicators, found.error)


def carried(rule: LabelledRule) -> LabelledRule:
    """The rule without its lightest points; if more than `POINTS` are left, a systematic sample of them."""
    order = np.argsort(-rule.w)
    total = np.cumsum(rule.w[order])
    kept = order[: int(np.searchsorted(total, total[-1] * (1 - NEGLIGIBLE))) + 1]
    if len(kept) <= POINTS:
        return LabelledRule(rule.x[kept], rule.w[kept] / rule.w[kept].sum(), rule.y[kept])
    kept = np.sort(kept)
    total = np.cumsum(rule.w[kept])
    chosen = kept[np.searchsorted(total, total[-1] * (np.arange(POINTS) + 0.5) / POINTS)]
    return LabelledRule(rule.x[chosen], np.full(POINTS, 1.0 / POINTS), rule.y[chosen])


def solve_adaptively(
    problem: Problem, discretisation: Discretisation, resources: Resources, method: Method, refine: Refine
) -> Certified:
    """Repeat: solve, estimate the error of the cost per cell, refine the cells with the largest contributions.

    Each round starts from the control of the round before. The result is the solution of the last round; its `rounds` has one
    row per round. It does not count as converged if the target was not met.

    Parameters
    ----------
    problem : the control problem.
    discretisation : the discretisation on the first mesh.
    resources : the resources of each round.
    method : the method of each round; its first control is used in the first round only.
    refine : target and limits.

    Raises
    ------
    ArgumentError
        If the mesh or the schemes do not support local refinement.
    """
    _check_refinable(discretisation)
    rounds: list[Round] = []
    while True:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = certified(OptimalitySystem.of(problem, discretisation, resources), method)
        solution, mesh = found.solution, discretisation.mesh
        assert solution.system is not None
        assert isinstance(mesh, SimplexMesh)
        error = estimate(solution.system, solution.control, refine.target / 10)
        rounds.append(Round(mesh.size, solution.unknowns.size, solution.cost, error.error))
        if refine.report is not None:
            refine.report(
                f"round {len(rounds):2d}: {mesh.size:7d} cells, {solution.unknowns.size:7d} nodes, "
                f"cost {solution.cost:.8f}, estimated error {error.error:+.2e}"
            )
        # An estimate that has just changed its sign may be small by accident, so another round follows.
        flipped = len(rounds) > 1 and error.error * rounds[-2].error < 0
        if (error.total <= refine.target and not flipped) or solution.status is Status.INTERRUPTED:
            break
        finer = None if len(rounds) == refine.max_rounds else mesh.refined(refine.marked(error.indicators))
        if finer is None or finer.size > refine.max_cells:
            solution = _judged(solution, error, refine, finer)
            break
        discretisation, method = discretisation.on(finer), replace(method, initial=solution.control)
    for warning in caught:
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return found._replace(solution=replace(solution, rounds=tuple(rounds)))


def _check_refinable(discretisation: Discretisation) -> None:
    if not isinstance(discretisation.mesh, SimplexMesh):
        raise fail(
            "mesh", discretisation.mesh, "a SimplexMesh, since `adapt` is given and boxes are not refined locally"
        )
    named = (("transport", discretisation.transport, Elements), ("continuity", discretisation.continuity, PushForward))
    for name, scheme, kind in named:
        if not isinstance(scheme, kind):
            raise mismatch(
                name, f"{scheme!r} with `adapt`", f"{name}.{kind.__name__}(), since `adapt` needs an adjoint pair"
            )


def _judged(solution: Solution, error: Estimate, refine: Refine, finer: SimplexMesh | None) -> Solution:
    """The last round's solution; if its error is above the target, its status becomes `TARGET_MISSED`."""
    if error.total <= refine.target:  # the loop went on only because the sign of the estimate had changed
        return solution
    reason = f"the next mesh has {finer.size} cells, more than {refine.max_cells}" if finer is not None else None
    reason = reason or f"the limit of {refine.max_rounds} rounds is reached"
    if error.known_to > abs(error.error):
        reason += (
            f" (the law's integrals are accurate only to {error.known_to:.1e}: declare the jumps of labels in `breaks`)"
        )
    return solution.judged(
        Status.TARGET_MISSED,
        f"not converged: the cost's estimated error {error.total:.1e} exceeds the target {refine.target:g} and "
        f"{reason}; the discrete system: {solution.message}",
    )
