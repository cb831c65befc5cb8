"""The direct method: the discrete cost as a nonlinear programme, by SciPy's optimisers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._validate import choice
from .base import CONVERGED, Point, Recorder, Solver, limit_reached, need_adjoint
from .scipy_adapter import Programme

#: share of the distance of the bounds within which an entry that is pushed towards one is moved onto it; where there is one
#: bound only, of the control's natural size
SNAP = 1e-3
METHODS = ("trust-constr", "L-BFGS-B", "SLSQP")


@dataclass(frozen=True)
class Direct(Solver):
    """Discretise, then optimise: `min J(theta)` over `low <= theta <= high` by `scipy.optimize.minimize`.

    The optimality system serves as a check only: the answer can be compared with the indirect methods'.

    SciPy's line searches and trust regions compare costs, whose round-off leaves residuals near 1e-8: hence the laxer `tol`.

    Parameters
    ----------
    tol, max_iterations : see `Solver`; 1e-6 and 500 by default.
    method : "trust-constr" (with Hessian products; interior point under bounds), "L-BFGS-B" or "SLSQP".

    Raises
    ------
    ArgumentError
        As `Solver`, and for an unknown method.

    References
    ----------
    R. H. Byrd, M. E. Hribar, J. Nocedal, An interior point algorithm for large-scale nonlinear programming, SIAM J.
    Optim. 9 (1999), 877-900, doi:10.1137/S1052623497325107.
    D. Kraft, A software package for sequential quadratic programming, DFVLR-FB 88-28 (1988) (SLSQP); R. H. Byrd, P. Lu, J.
    Nocedal, C. Zhu, SIAM J. Sci. Comput. 16 (1995), 1190-1208, doi:10.1137/0916069 (L-BFGS-B).
    """

    tol: float = 1e-6
    method: str = "trust-constr"

    def __post_init__(self) -> None:
        super().__post_init__()
        choice("method", self.method, METHODS)

    def _run(self, recorder: Recorder, system: Any, initial: np.ndarray) -> str:
        from scipy.optimize import minimize  # slow to import

        need_adjoint(system, "Direct")
        problem, size = system.problem, system.problem.scales.control
        first = recorder.evaluate(initial)
        recorder.record(first)
        if recorder.converged(first):
            return CONVERGED
        programme = Programme(recorder, system, first)

        def settled(z: np.ndarray) -> Point:
            """The point, with entries that an interior-point method left a hair inside a bound moved onto it."""
            point = recorder.evaluate(programme.control(z))
            if not problem.bounded:
                return point
            width = np.where(np.isfinite(problem.upper - problem.lower), problem.upper - problem.lower, size)
            low = (point.control - problem.lower <= SNAP * width) & (point.gradient > 0)
            high = (problem.upper - point.control <= SNAP * width) & (point.gradient < 0)
            return recorder.evaluate(np.where(low, problem.lower, np.where(high, problem.upper, point.control)))

        def after(intermediate_result: Any) -> None:
            point = settled(intermediate_result.x)
            recorder.record(point)
            if recorder.converged(point):
                raise StopIteration

        # Multipliers that SciPy estimates may cancel the gradient long before the barrier is gone: no gtol.
        options: dict[str, dict[str, Any]] = {
            "trust-constr": {"gtol": 0.0, "xtol": 1e-15, "barrier_tol": 1e-12, "maxiter": self.max_iterations},
            "L-BFGS-B": {"ftol": 0.0, "gtol": 0.0, "maxiter": self.max_iterations, "maxfun": 50 * self.max_iterations},
            "SLSQP": {"ftol": 1e-30, "maxiter": self.max_iterations},
        }
        result = minimize(
            programme.objective,
            programme.start,
            jac=True,
            hessp=programme.hessian_product if self.method == "trust-constr" else None,
            method=self.method,
            bounds=programme.bounds,
            callback=after,
            options=options[self.method],
        )
        return self._ending(recorder, result)

    def _ending(self, recorder: Recorder, result: Any) -> str:
        if recorder.accepted is not None and recorder.converged(recorder.accepted):
            return CONVERGED
        if len(recorder.history) > self.max_iterations:
            return limit_reached(self.max_iterations)
        return f"SciPy's {self.method} stopped ({result.message})"
