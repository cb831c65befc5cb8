"""Goal-oriented mesh refinement: where the error of the cost comes from, and the loop that removes it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from .._validate import fail, mismatch
from ..continuity import PushForward
from ..diagnostics.off_mesh import look
from ..errors import NonFiniteError
from ..laws import LabelledRule
from ..meshes import Refine, SimplexMesh
from ..results.refinement import Round
from ..system.optimality import OptimalitySystem
from ..transport import Elements
from ..transport.elements import ElementsOperator

if TYPE_CHECKING:
    from ..problem import Problem
    from ..solution import Solution

#: points of the law's rule that carry the mass through the estimate
POINTS = 200_000
#: share of the mass whose points are left out of it, each too light to matter
NEGLIGIBLE = 1e-9


class Estimate(NamedTuple):
    """The error of the cost at a control.

    Attributes
    ----------
    error : `J_h - J`, in the cost's units.
    indicators : `(cells,)`, every cell's part in it, non-negative.
    known_to : the estimated error of J itself, by the rule of the law that it is integrated with.
    """

    error: float
    indicators: np.ndarray
    known_to: float = 0.0


def estimate(system: OptimalitySystem, control: np.ndarray, tolerance: float | None = None) -> Estimate:
    """The error of the discrete cost at a control, and where it comes from: interpolation residuals of psi weighted by the mass.

    J is the cost of particles at the control, on a rule of the law that is refined until it is known to the tolerance (by
    default 1e-9 of the cost), or has 200,000 points; on domains with walls they slide along these. With `mu^n` the law
    carried by the layer maps and `psi_h^n = I psi^n`, which is `I (psi_h^{n+1} o Phi_n)`,

        J_h - J = int (psi_h^M - a) dmu^M + sum_n int (psi_h^n - psi_h^{n+1} o Phi_n) dmu^n,

    but for the masses at time 0, which the mesh integrates by a rule of its own: the sum telescopes. (A running loss L is taken
    off each layer, `dt/2 (L + L o Phi_n)`, as the sweep adds it.)
    Each integrand is an interpolation residual. `mu^n` are the points of the rule, moved; a cell's
    indicator is the sum over layers of the moduli of its part of the integrals. The estimate is of the error at this
    control; the optimal control's own error changes the cost to second order only.
    """
    base = system.mesh.base
    assert isinstance(base, SimplexMesh)
    problem, operator = system.problem, cast(ElementsOperator, system.transport)
    cost = system.cost(control)
    final_masses = system.final_masses(control)
    end = system.terminal(final_masses)
    aim = 1e-9 * abs(cost.total) if tolerance is None else tolerance
    found = look(system, control, cost, final_masses, aim, POINTS)
    if found.rule is None:
        raise NonFiniteError("adapt: particles at this control do not stay finite")
    rule = carried(found.rule)
    locator, interpolation = base.locator, operator.interpolation
    moments = problem.separable.moments(rule.y) * rule.w
    potentials = system.potentials(control, final_masses)
    separable = end.separable
    place = locator.locate(np.asfortranarray(rule.x))
    indicators = np.zeros(base.size)

    def values(n: int) -> np.ndarray:
        found, _ = interpolation.evaluate(place, interpolation.coefficients(potentials[n]))
        return np.einsum("rq,rq->q", moments, found)

    running = problem.separable_running

    def half(points: np.ndarray) -> np.ndarray:
        """What one end of a layer adds to psi, at the points."""
        if running is None:
            return np.zeros(len(points))
        return 0.5 * system.dt * np.einsum("rq,rq->q", moments, running.terminal(points))

    before = values(0)
    for n in range(system.layers + 1):
        cells = place.cells
        if n < system.layers:
            feet = np.asfortranarray(place.feet)
            place = locator.trace(cells, feet, system.flow(system.layer(n, control[n]), feet))
            after = values(n + 1)
            spent = half(feet) + half(place.feet)
        else:
            after = np.einsum("rq,rq->q", moments, separable.terminal(place.feet))
            spent = np.zeros(len(after))
        indicators += np.abs(np.bincount(cells, weights=before - after - spent, minlength=base.size))
        before = after
    return Estimate(found.difference, indicators, found.error)


def carried(rule: LabelledRule) -> LabelledRule:
    """The rule without its lightest points; where many are left, a systematic sample of them."""
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
    solve: Callable[..., Solution], problem: Problem, mesh: Any, layers: int, refine: Any, options: dict[str, Any]
) -> Solution:
    """Solve, estimate, refine the cells that the cost's error comes from, and again from the control that was found.

    The last round's solution, whose `rounds` tell of all of them. It is not called converged where the target was not met.
    """
    if not isinstance(refine, Refine):
        raise fail("adapt", refine, "meshes.Refine(target=..., max_cells=...)")
    if not isinstance(mesh, SimplexMesh):
        raise fail("mesh", mesh, "a SimplexMesh where `adapt` is given: boxes are not refined locally")
    for name, kind in (("transport", Elements), ("continuity", PushForward)):
        if options[name] is not None and not isinstance(options[name], kind):
            raise mismatch(name, f"{options[name]!r} with `adapt`", f"{name}.{kind.__name__}(): an adjoint pair")
    rounds: list[Round] = []
    while True:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            solution = solve(problem, mesh, layers, **options)
        assert solution.system is not None
        found = estimate(solution.system, solution.control, refine.target / 10)
        rounds.append(Round(mesh.size, solution.unknowns.size, solution.cost, found.error))
        if refine.report is not None:
            refine.report(
                f"round {len(rounds):2d}: {mesh.size:7d} cells, {solution.unknowns.size:7d} nodes, "
                f"cost {solution.cost:.8f}, estimated error {found.error:+.2e}"
            )
        reason = None
        # An estimate that has just changed its sign may be small by accident: one more round.
        flipped = len(rounds) > 1 and found.error * rounds[-2].error < 0
        error = abs(found.error) + found.known_to
        met = error <= refine.target and not flipped
        if not met:
            if len(rounds) == refine.max_rounds:
                reason = f"{refine.max_rounds} rounds are made"
            else:
                finer = mesh.refined(refine.marked(found.indicators))
                if finer.size > refine.max_cells:
                    reason = f"the next mesh has {finer.size} cells, more than {refine.max_cells}"
        if met or reason is not None or solution.message.startswith("not converged: interrupt"):
            break
        mesh, options = finer, {**options, "initial": solution.control}
    for warning in caught:
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    if reason is not None and error > refine.target:
        if found.known_to > abs(found.error):
            reason += f" (the law's integrals are known to {found.known_to:.1e} only: declare the jumps of labels in `breaks`)"
        solution = solution.judged(
            f"not converged: the cost's estimated error {error:.1e} exceeds the target {refine.target:g} and "
            f"{reason}; the discrete system: {solution.message}"
        )
    return replace(solution, rounds=tuple(rounds))
