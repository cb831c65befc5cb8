"""Newton-Krylov for the control equation; far from a root the steps follow the gradient flow."""

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

#: the method gives up after this many iterations without a new smallest residual
PATIENCE = 15
#: a step that increases the residual by more than this factor is repeated with a shorter delta; the number of attempts
LARGEST_GROWTH, REJECTIONS = 2.0, 5


@dataclass(frozen=True)
class NewtonKrylov(Solver):
    """Roots of `f(theta) = r(theta) / lambda`, `r = lambda theta + int D_theta F^T grad psi dmu`, within the bounds.

    GMRES solves `(1/delta + f') s = -f` for each step s. This is a (linearised) implicit Euler step of length delta of the
    gradient flow, and becomes Newton's step as delta grows with the reciprocal of the residual (pseudo-transient continuation).
    On the entries that no bound holds, f' is the identity plus a compact map. GMRES needs only Hessian products, which are
    differences of gradients on a pair that is not adjoint, so that any pair can be used. The method compares no costs, so the
    residual falls to round-off.

    Parameters
    ----------
    tol, max_iterations : see `Solver`; 1e-11 and 100 by default.
    first_step : the first delta, dimensionless as f' is; infinity for Newton's method from the start.
    inner_iterations : the largest number of GMRES steps per Newton step.

    Raises
    ------
    ArgumentError
        As `Solver`; also if `first_step` or `inner_iterations` is not positive.

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
        # GMRES minimises the Euclidean norm of its residual; in these units it is the norm in the penalty's metric.
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
            # A loose tolerance far from the root saves products; a tolerance proportional to the residual near it keeps the
            # convergence quadratic.
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
            # delta follows the reciprocal of the residual, by at most a factor of 10 per step: it grows as the residual falls,
            # which makes the last steps Newton's.
            delta = delta * min(10.0, point.residual / max(new.residual, 1e-3 * point.residual))
            delta = max(delta, 1e-4)
            point = new
            recorder.record(point)
            since = 0 if point.residual < smallest else since + 1
            smallest = min(smallest, point.residual)
        return CONVERGED if recorder.converged(point) else limit_reached(self.max_iterations)
