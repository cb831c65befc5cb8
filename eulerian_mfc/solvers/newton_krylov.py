"""Newton-Krylov on the control equation, along the gradient flow while it is far from a root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .._validate import integer, positive
from .base import Solver
from .newton_cg import Map
from .protocol import DiscreteProblem
from .recorder import Recorder
from .status import CONVERGED, Ending, limit_reached, stalled

#: iterations without a new smallest residual after which the method gives up
PATIENCE = 15
#: growth of the residual above which a step is done again with a shorter delta, and how often
LARGEST_GROWTH, REJECTIONS = 2.0, 5


@dataclass(frozen=True)
class NewtonKrylov(Solver):
    """Roots of `f(theta) = r(theta) / lambda`, `r = lambda theta + int D_theta F^T grad psi dmu`, within the bounds.

    Steps `(1/delta + f') s = -f` by GMRES: implicit Euler steps of length delta of the gradient flow, which become
    Newton's as delta grows with the reciprocal of the residual (pseudo-transient continuation). f' is the identity plus a
    compact map on the entries that no bound holds, seen through Hessian products (differenced gradients on a pair that is
    not adjoint: any pair will do). No costs are compared, so the residual falls to round-off.

    Parameters
    ----------
    tol, max_iterations : see `Solver`; 1e-11 and 100 by default.
    first_step : first delta, in units of 1 / lambda; infinity for Newton's method from the start.
    inner_iterations : GMRES steps a Newton step, at most.

    Raises
    ------
    ArgumentError
        As `Solver`, for a first step or a number of steps that is not positive.

    References
    ----------
    C. T. Kelley, D. E. Keyes, Convergence analysis of pseudo-transient continuation, SIAM J. Numer. Anal. 35 (1998),
    508-523, doi:10.1137/S0036142996304796. D. A. Knoll, D. E. Keyes, Jacobian-free Newton-Krylov methods, J. Comput.
    Phys. 193 (2004), 357-397, doi:10.1016/j.jcp.2003.08.010.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> system = emfc.ParticleSystem(problem, layers=2)
    >>> emfc.solvers.NewtonKrylov().solve(system, initial=0.1).status.value
    'converged'
    """

    tol: float = 1e-11
    max_iterations: int = 100
    first_step: float = 1.0
    inner_iterations: int = 40

    by_cost: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.first_step != np.inf:
            positive("first_step", self.first_step)
        integer("inner_iterations", self.inner_iterations)

    def iterate(self, recorder: Recorder, system: DiscreteProblem, initial: np.ndarray) -> Ending:
        from scipy.sparse.linalg import LinearOperator, gmres

        space = system.controls
        # GMRES measures in the penalty's metric.
        unit = np.broadcast_to(space.regulariser.comparable, initial.shape)
        weights = space.gram * unit
        point = recorder.evaluate(initial)
        recorder.record(point)
        delta, smallest, since = self.first_step, point.residual, 0
        for _ in range(self.max_iterations):
            if recorder.converged(point):
                return CONVERGED
            if since >= PATIENCE:
                return stalled(f"the residual has not fallen for {PATIENCE} iterations")
            free = space.conditions.free(point.control, point.gradient)
            value = np.where(free, point.gradient / weights, 0.0)
            product = recorder.hessian(point)
            # As exact as the step is long: loose far away, quadratic convergence at the end.
            forcing = min(1e-2, max(0.1 * point.residual / max(recorder.scale(point), 1e-300), 1e-9))
            for _ in range(REJECTIONS):

                def image(
                    v: np.ndarray, product: Map = product, free: np.ndarray = free, shift: float = 1 / delta
                ) -> np.ndarray:
                    direction = np.where(free, v.reshape(initial.shape), 0.0)
                    moved = product(unit * direction) / weights + shift * direction
                    return np.where(free, moved, v.reshape(initial.shape)).ravel()

                operator = LinearOperator((initial.size, initial.size), matvec=image, dtype=np.float64)
                steps = min(self.inner_iterations, initial.size)
                step, _ = gmres(operator, -value.ravel(), rtol=forcing, restart=steps, maxiter=1)
                new = recorder.evaluate(space.project(point.control + unit * step.reshape(initial.shape)))
                if new.residual <= LARGEST_GROWTH * point.residual or self.first_step == np.inf:
                    break
                delta = min(0.1 * delta, 1.0)
            # Beside a root the residual falls quadratically: grow at once, shrink with the residual.
            delta = delta * min(10.0, point.residual / max(new.residual, 1e-3 * point.residual))
            delta = max(delta, 1e-4)
            point = new
            recorder.record(point)
            since = 0 if point.residual < smallest else since + 1
            smallest = min(smallest, point.residual)
        return CONVERGED if recorder.converged(point) else limit_reached(self.max_iterations)
