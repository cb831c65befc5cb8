"""The direct method: SciPy's optimisers minimise the discrete cost as a nonlinear programme."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._validate import choice
from .at_bounds import snapped
from .base import Solver, need_adjoint
from .protocol import DiscreteProblem
from .record import Point
from .recorder import Recorder
from .scipy_adapter import Intermediate, Programme
from .status import CONVERGED, Ending, limit_reached, stalled

METHODS = ("trust-constr", "L-BFGS-B", "SLSQP")


@dataclass(frozen=True)
class Direct(Solver):
    """Discretise, then optimise: `min J(theta)` over `low <= theta <= high` by `scipy.optimize.minimize`.

    The optimality system serves as a check only, so that the result can be compared with those of the indirect methods.

    SciPy's line searches and trust regions compare costs. Round-off of the costs leaves residuals near 1e-8, so the default
    `tol` is larger than that of other solvers.

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

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> cost = {"loss": emfc.losses.SquaredLoss(), "penalty": 1.0, "bounds": (0.0, 0.2)}
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, horizon=1.0, **cost)
    >>> system = emfc.ParticleSystem(problem, layers=2)
    >>> emfc.solvers.Direct(method="SLSQP").solve(system, initial=0.1).status.value
    'converged'
    """

    tol: float = 1e-6
    method: str = "trust-constr"

    def __post_init__(self) -> None:
        super().__post_init__()
        choice("method", self.method, METHODS)

    def iterate(self, recorder: Recorder, system: DiscreteProblem, initial: np.ndarray) -> Ending:
        from scipy.optimize import minimize  # slow to import

        need_adjoint(system, "Direct")
        allowed, size = system.controls.regulariser, system.natural_sizes
        first = recorder.evaluate(initial)
        recorder.record(first)
        if recorder.converged(first):
            return CONVERGED
        programme = Programme(recorder, system, first)

        def settled(z: np.ndarray) -> Point:
            """The point at z. Entries that an interior-point method left close to a bound are moved onto the bound."""
            point = recorder.evaluate(programme.control(z))
            if not allowed.bounded:
                return point
            moved = snapped(point.control, point.gradient > 0, point.gradient < 0, allowed, size)
            return recorder.evaluate(moved)

        def after(intermediate_result: Intermediate) -> None:
            point = settled(intermediate_result.x)
            recorder.record(point)
            if recorder.converged(point):
                raise StopIteration

        # gtol = 0: SciPy's estimates of the multipliers may cancel the gradient while the barrier parameter is still large, and
        # its test would then stop the run too early.
        options = {
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
        return self._ending(recorder, str(result.message))

    def _ending(self, recorder: Recorder, message: str) -> Ending:
        if recorder.accepted is not None and recorder.converged(recorder.accepted):
            return CONVERGED
        if len(recorder.history) > self.max_iterations:
            return limit_reached(self.max_iterations)
        return stalled(f"SciPy's {self.method} stopped ({message})")
