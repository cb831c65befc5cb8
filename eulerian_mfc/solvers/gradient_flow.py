"""The projected gradient flow of the cost, by explicit steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._validate import choice, positive
from .base import Solver, need_adjoint
from .descent import MEMORY, Descent
from .protocol import DiscreteProblem
from .record import Point
from .recorder import Recorder
from .status import Ending

#: constants of the sufficient decrease: Armijo's (0.25 keeps steps below 1.5 / largest eigenvalue of the Hessian), and a smaller
#: one for Barzilai-Borwein steps
SUFFICIENT, LAX = 0.25, 1e-4


@dataclass(frozen=True)
class GradientFlow(Solver):
    """`theta_{k+1} = P(theta_k - s_k (lambda theta_k + int D_theta F^T grad psi dmu) / lambda)`, P the projection on the bounds.

    These are explicit Euler steps of the gradient flow in the penalty's metric. With s = 1 a step gives the update of the source,
    `theta_{k+1} = -int D_theta F^T grad psi dmu / lambda`, with psi and mu of theta_k.

    Parameters
    ----------
    tol, max_iterations : see `Solver`; 1e-9 and 500 by default.
    step : first step s, dimensionless.
    rule : "armijo" (halve the step until the cost falls enough, and begin the next line search with twice the accepted step) or
        "barzilai-borwein" (first steps `|dtheta|^2 / <dtheta, dg>`; the cost must fall below the largest of the last ten).

    Raises
    ------
    ArgumentError
        As `Solver`, for a step that is not positive or an unknown rule.

    References
    ----------
    L. Armijo, Pacific J. Math. 16 (1966), 1-3. J. Barzilai, J. M. Borwein, Two-point step size gradient methods, IMA J.
    Numer. Anal. 8 (1988), 141-148, doi:10.1093/imanum/8.1.141. E. G. Birgin, J. M. Martinez, M. Raydan, Nonmonotone
    spectral projected gradient methods on convex sets, SIAM J. Optim. 10 (2000), 1196-1211, doi:10.1137/S1052623497330963.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> system = emfc.ParticleSystem(problem, layers=2)
    >>> emfc.solvers.GradientFlow().solve(system, initial=0.1).status.value
    'converged'
    """

    step: float = 0.5
    rule: str = "barzilai-borwein"

    def __post_init__(self) -> None:
        super().__post_init__()
        positive("step", self.step)
        choice("rule", self.rule, ("armijo", "barzilai-borwein"))

    def iterate(self, recorder: Recorder, system: DiscreteProblem, initial: np.ndarray) -> Ending:
        need_adjoint(system, "GradientFlow")
        kind = _Spectral if self.rule == "barzilai-borwein" else _Armijo
        return kind(recorder, self.step).run(initial, self.max_iterations)


class _Spectral(Descent):
    """Projected Barzilai-Borwein steps: the cost must fall below the largest of the last `MEMORY` costs."""

    stuck = "no step along the projected gradient lowers the cost (because of round-off, or of kinks of the cost)"
    sufficient = LAX

    def trial(self, point: Point, step: float) -> np.ndarray:
        return self.space.project(point.control - step * point.gradient / self.space.gram)

    def good_enough(self, point: Point, new: Point, step: float) -> bool:
        expected = float(np.vdot(point.gradient, new.control - point.control))
        # If the expected change of the cost is below round-off, costs cannot be compared: the residual must fall instead.
        settled = abs(expected) <= self.round_off and new.residual < point.residual
        return new.cost <= self.bound(point) + self.sufficient * expected or settled

    def bound(self, point: Point) -> float:
        """The reference cost of the sufficient decrease: a step must end below it."""
        return max(self.costs[-MEMORY:])


class _Armijo(_Spectral):
    """Projected steps, each of which lowers the cost."""

    sufficient = SUFFICIENT

    def bound(self, point: Point) -> float:
        return point.cost

    def next_step(self, point: Point, new: Point, taken: float) -> float:
        settled = abs(float(np.vdot(point.gradient, new.control - point.control))) <= self.round_off
        return (1 if settled else 2) * taken
