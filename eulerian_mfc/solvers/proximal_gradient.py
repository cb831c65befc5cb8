"""Proximal gradient steps, for the L1 norm of the control."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .base import CONVERGED, Point, Recorder, Solver, limit_reached, need_adjoint

#: decrease that a step must bring, relative to its squared length; past costs that it is compared with
SUFFICIENT, MEMORY = 1e-4, 10
#: change of the cost, relative to the largest so far, that is taken for round-off
SETTLED = 1e-12


@dataclass(frozen=True)
class ProximalGradient(Solver):
    """`theta_{k+1} = prox_{s_k}(theta_k - s_k gradient / (lambda dt))`: soft thresholding, then the bounds.

    For `J + int sparsity |theta|_1 dt`: entries that do not pay are exactly zero. Steps `|ds|^2 / <ds, dg>` in the penalty's
    metric, compared with the largest of the last ten costs. Converged means that the proximal residual
    `lambda |theta - prox_1(theta - gradient / (lambda dt))|` is small; without sparsity it is the residual of the others.

    Parameters
    ----------
    tol, max_iterations : see `Solver`; 1e-9 and 2000 by default.

    Raises
    ------
    ArgumentError
        As `Solver`.

    References
    ----------
    S. J. Wright, R. D. Nowak, M. A. T. Figueiredo, Sparse reconstruction by separable approximation, IEEE Trans. Signal
    Process. 57 (2009), 2479-2493, doi:10.1109/TSP.2009.2016892.
    """

    max_iterations: int = 2000

    takes_sparsity: ClassVar[bool] = True

    def _run(self, recorder: Recorder, system: Any, initial: np.ndarray) -> str:
        need_adjoint(system, "ProximalGradient")
        metric = system.dt * system.problem.penalties
        point = recorder.evaluate(initial)
        recorder.record(point)
        costs, step = [point.cost], 0.5
        for _ in range(self.max_iterations):
            if recorder.converged(point):
                return CONVERGED
            round_off = SETTLED * max(map(abs, costs))
            new = self._step(recorder, system, point, step, metric, round_off, max(costs[-MEMORY:]))
            if new is None:
                return "no proximal step lowers the cost (round-off, or kinks of the cost)"
            moved = new.control - point.control
            bend = float(np.vdot(moved, new.gradient - point.gradient))
            length = float((metric * moved**2).sum())
            step = float(np.clip(length / bend, 1e-6, 1e6)) if bend > 0 else min(2 * step, 1e6)
            point = new
            costs.append(point.cost)
            recorder.record(point)
        return limit_reached(self.max_iterations)

    @staticmethod
    def _step(
        recorder: Recorder, system: Any, point: Point, step: float, metric: np.ndarray, round_off: float, bound: float
    ) -> Point | None:
        problem = system.problem
        for _ in range(60):
            new = recorder.evaluate(
                problem.shrunk(point.control - step * point.gradient / metric, step / problem.penalties)
            )
            needed = SUFFICIENT / (2 * step) * float((metric * (new.control - point.control) ** 2).sum())
            # Where cost differences are round-off, the residual is the witness.
            settled = abs(new.cost - point.cost) <= round_off and new.residual < point.residual
            if new.cost <= bound - needed or settled:
                return new
            step *= 0.5
        return None
