"""The projected gradient flow of the cost, by explicit steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._validate import choice, positive
from .base import CONVERGED, Point, Recorder, Solver, limit_reached, need_adjoint

#: Armijo's constant (0.25 keeps steps below 1.5 over the largest eigenvalue), and the laxer one of Barzilai-Borwein steps
SUFFICIENT, LAX = 0.25, 1e-4
#: how many past costs Barzilai-Borwein steps are compared with
MEMORY = 10
#: expected change of the cost, relative to the largest so far, that is taken for round-off
SETTLED = 1e-12


@dataclass(frozen=True)
class GradientFlow(Solver):
    """`theta_{k+1} = P(theta_k - s_k (lambda theta_k + int D_theta F^T grad psi dmu) / lambda)`, P the projection on the bounds.

    Explicit Euler steps of the gradient flow in the penalty's metric, in which a step s = 1 without the integral's change
    lands on the source's update `theta = -int D_theta F^T grad psi dmu / lambda`.

    Parameters
    ----------
    tol, max_iterations : see `Solver`; 1e-9 and 500 by default.
    step : first step s, dimensionless.
    rule : "armijo" (halve until the cost falls enough, then try twice the step) or "barzilai-borwein" (steps
        `|ds|^2 / <ds, dg>`, compared with the largest of the last ten costs).

    Raises
    ------
    ArgumentError
        As `Solver`, for a step that is not positive or an unknown rule.

    References
    ----------
    L. Armijo, Pacific J. Math. 16 (1966), 1-3. J. Barzilai, J. M. Borwein, Two-point step size gradient methods, IMA J.
    Numer. Anal. 8 (1988), 141-148, doi:10.1093/imanum/8.1.141. E. G. Birgin, J. M. Martinez, M. Raydan, Nonmonotone
    spectral projected gradient methods on convex sets, SIAM J. Optim. 10 (2000), 1196-1211, doi:10.1137/S1052623497330963.
    """

    step: float = 0.5
    rule: str = "barzilai-borwein"

    def __post_init__(self) -> None:
        super().__post_init__()
        positive("step", self.step)
        choice("rule", self.rule, ("armijo", "barzilai-borwein"))

    def _run(self, recorder: Recorder, system: Any, initial: np.ndarray) -> str:
        need_adjoint(system, "GradientFlow")
        spectral = self.rule == "barzilai-borwein"
        metric = system.dt * system.problem.penalties
        step = self.step
        point = recorder.evaluate(initial)
        recorder.record(point)
        costs, largest = [point.cost], abs(point.cost)
        for _ in range(self.max_iterations):
            if recorder.converged(point):
                return CONVERGED
            rule = (max(costs[-MEMORY:]), LAX) if spectral else (point.cost, SUFFICIENT)
            new, taken = self._descend(recorder, system, point, step, metric, SETTLED * largest, *rule)
            if new is None:
                return "no step along the projected gradient lowers the cost (round-off, or kinks of the cost)"
            moved = new.control - point.control
            bend = float(np.vdot(moved, new.gradient - point.gradient))
            length = float((metric * moved**2).sum())
            if spectral:
                step = float(np.clip(length / bend, 1e-6, 1e6)) if bend > 0 else 2 * step
            else:
                settled = abs(float(np.vdot(point.gradient, moved))) <= SETTLED * largest
                step = (1 if settled else 2) * taken
            point = new
            costs.append(point.cost)
            largest = max(largest, abs(point.cost))
            recorder.record(point)
        return limit_reached(self.max_iterations)

    @staticmethod
    def _descend(
        recorder: Recorder,
        system: Any,
        point: Point,
        step: float,
        metric: np.ndarray,
        round_off: float,
        bound: float,
        sufficient: float,
    ) -> tuple[Point | None, float]:
        for _ in range(60):
            trial = system.problem.project(point.control - step * point.gradient / metric)
            new = recorder.evaluate(trial)
            expected = float(np.vdot(point.gradient, trial - point.control))
            # Where cost differences are round-off, the residual is the witness.
            settled = abs(expected) <= round_off and new.residual < point.residual
            if new.cost <= bound + sufficient * expected or settled:
                return new, step
            step *= 0.5
        return None, step
