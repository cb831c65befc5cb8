"""Limited-memory BFGS on the discrete cost, followed by Newton steps."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .._validate import integer
from ..errors import NonFiniteError
from .base import Solver, need_adjoint
from .newton_cg import newton_steps
from .protocol import DiscreteProblem
from .record import Point
from .recorder import Recorder
from .scipy_adapter import Intermediate, Programme
from .status import CONVERGED, Ending, limit_reached, stalled

#: if a trial of the line search overflows, the run starts again with these shares of the first step in turn, and at last with
#: the shortest
SHARES, SHORTEST_SHARE = (1.0, 1e-2, 1e-4), 1e-6
#: below this residual, relative to the terms that cancel in it, differences of the cost are round-off: Newton steps take over
HANDOVER = 1e-6
#: the largest number of pairs that may be kept
MOST_PAIRS = 1000


@dataclass(frozen=True)
class LBFGS(Solver):
    """SciPy's L-BFGS-B in the penalty's metric, within the bounds, then truncated Newton steps for the last digits.

    Parameters
    ----------
    tol, max_iterations : see `Solver`; 1e-9 and 500 by default.
    memory : number of pairs (change of the control, change of the gradient) that are kept.
    last_steps : the largest number of Newton steps at the end; each costs many gradients.

    Raises
    ------
    ArgumentError
        As `Solver`; also if `memory` is not an integer from 1 to `MOST_PAIRS` or `last_steps` is not an integer >= 0.

    References
    ----------
    R. H. Byrd, P. Lu, J. Nocedal, C. Zhu, A limited memory algorithm for bound constrained optimization,
    SIAM J. Sci. Comput. 16 (1995), 1190-1208, doi:10.1137/0916069.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> system = emfc.ParticleSystem(problem, layers=2)
    >>> emfc.solvers.LBFGS().solve(system, initial=0.1).status.value
    'converged'
    """

    memory: int = 20
    last_steps: int = 12

    def __post_init__(self) -> None:
        super().__post_init__()
        integer("memory", self.memory, maximum=MOST_PAIRS, instead="20 are usually enough")
        integer("last_steps", self.last_steps, minimum=0)

    def iterate(self, recorder: Recorder, system: DiscreteProblem, initial: np.ndarray) -> Ending:
        from scipy.optimize import minimize  # slow to import

        need_adjoint(system, "LBFGS")
        best: list[Point] = [recorder.evaluate(initial)]
        recorder.record(best[0])
        handover = max(recorder.tol, HANDOVER)

        def close(point: Point) -> bool:
            return point.residual <= handover * recorder.scale(point)

        def from_the_best(share: float) -> str:
            """Run from the best point and return SciPy's message; the first step is `share` times that of `Programme`."""
            programme = Programme(recorder, system, best[0], share)

            def after(intermediate_result: Intermediate) -> None:
                point = recorder.evaluate(programme.control(intermediate_result.x))
                best[0] = point
                recorder.record(point)
                if close(point) or recorder.converged(point):
                    raise StopIteration

            options = {
                "maxcor": self.memory,
                "maxiter": max(1, self.max_iterations + 1 - len(recorder.history)),
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
            return str(result.message)

        if not close(best[0]):
            message = self._undeterred(from_the_best)
            if recorder.converged(best[0]):
                return CONVERGED
            if not close(best[0]) and len(recorder.history) > self.max_iterations:
                return limit_reached(self.max_iterations)
            reason = f"L-BFGS-B stopped ({message})"
        point, ending = newton_steps(recorder, best[0], self.last_steps)
        return ending if close(best[0]) or recorder.converged(point) else stalled(f"{reason}, then {ending.reason}")

    @staticmethod
    def _undeterred(run: Callable[[float], str]) -> str:
        """Run with the whole first step; if a trial is not finite, run again from the best point with a much shorter step."""
        for share in SHARES:
            with contextlib.suppress(NonFiniteError):
                return run(share)
        return run(SHORTEST_SHARE)
