"""Limited-memory BFGS on the discrete cost, finished by Newton steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._validate import integer
from .base import CONVERGED, Point, Recorder, Solver, limit_reached, need_adjoint
from .newton_cg import newton_steps
from .programme import Programme

#: residual, relative to the terms that cancel, below which cost differences are round-off and Newton steps take over
HANDOVER = 1e-6


@dataclass(frozen=True)
class LBFGS(Solver):
    """SciPy's L-BFGS-B in the penalty's metric, within the bounds, then truncated Newton steps for the last digits.

    Parameters
    ----------
    tol, max_iterations : see `Solver`; 1e-9 and 500 by default.
    memory : pairs kept.
    last_steps : Newton steps at the end, at most; each costs many gradients.

    Raises
    ------
    ArgumentError
        As `Solver`, for numbers that are no such integers.

    References
    ----------
    R. H. Byrd, P. Lu, J. Nocedal, C. Zhu, A limited memory algorithm for bound constrained optimization,
    SIAM J. Sci. Comput. 16 (1995), 1190-1208, doi:10.1137/0916069.
    """

    memory: int = 20
    last_steps: int = 12

    def __post_init__(self) -> None:
        super().__post_init__()
        integer("memory", self.memory)
        integer("last_steps", self.last_steps, minimum=0)

    def _run(self, recorder: Recorder, system: Any, initial: np.ndarray) -> str:
        from scipy.optimize import minimize  # slow to import

        need_adjoint(system, "LBFGS")
        best: list[Point] = [recorder.evaluate(initial)]
        programme = Programme(recorder, system, best[0])
        recorder.record(best[0])
        handover = max(recorder.tol, HANDOVER)

        def close(point: Point) -> bool:
            return point.residual <= handover * recorder.scale(point)

        def after(intermediate_result: Any) -> None:
            point = recorder.evaluate(programme.control(intermediate_result.x))
            best[0] = point
            recorder.record(point)
            if close(point) or recorder.converged(point):
                raise StopIteration

        if not close(best[0]):
            options = {
                "maxcor": self.memory,
                "maxiter": self.max_iterations,
                "maxfun": 50 * self.max_iterations,
                "ftol": 0.0,
                "gtol": 0.0,
            }
            result = minimize(
                programme.objective,
                programme.start,
                jac=True,
                method="L-BFGS-B",
                bounds=programme.bounds,
                callback=after,
                options=options,
            )
            if recorder.converged(best[0]):
                return CONVERGED
            if not close(best[0]) and len(recorder.history) > self.max_iterations:
                return limit_reached(self.max_iterations)
            reason = f"L-BFGS-B stopped ({result.message})"
        point, ending = newton_steps(recorder, best[0], self.last_steps)
        return ending if close(best[0]) or recorder.converged(point) else f"{reason}, then {ending}"
