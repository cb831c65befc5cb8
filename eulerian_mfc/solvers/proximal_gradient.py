"""Proximal gradient steps, for the L1 norm of the control."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .base import Solver, need_adjoint
from .descent import MEMORY, Descent
from .protocol import DiscreteProblem
from .record import Point
from .recorder import Recorder
from .status import Ending

#: a step must lower the cost by SUFFICIENT / (2 step) times its squared length; the first step
SUFFICIENT, FIRST = 1e-4, 0.5


@dataclass(frozen=True)
class ProximalGradient(Solver):
    """`theta_{k+1} = prox_{s_k}(theta_k - s_k gradient / (lambda dt))`: soft thresholding, then the bounds.

    The method is for costs with `int sparsity |theta|_1 dt`, whose minimisers have entries that are exactly zero. First steps
    are `|dtheta|^2 / <dtheta, dg>` in the penalty's metric; the cost must fall below the largest of the last ten. Converged
    means that the proximal residual `lambda |theta - prox_1(theta - gradient / (lambda dt))|` is small. Without sparsity it
    equals the residual of the other solvers.

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

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0, sparsity=0.1)
    >>> system = emfc.ParticleSystem(problem, layers=2)
    >>> emfc.solvers.ProximalGradient().solve(system, initial=0.1).status.value
    'converged'
    """

    max_iterations: int = 2000

    takes_sparsity: ClassVar[bool] = True

    def iterate(self, recorder: Recorder, system: DiscreteProblem, initial: np.ndarray) -> Ending:
        need_adjoint(system, "ProximalGradient")
        return _Proximal(recorder, FIRST).run(initial, self.max_iterations)


class _Proximal(Descent):
    """Proximal steps with the lengths of Barzilai and Borwein."""

    stuck = "no proximal step lowers the cost (because of round-off, or of kinks of the cost)"

    def trial(self, point: Point, step: float) -> np.ndarray:
        gram, penalties = self.space.gram, self.space.regulariser.penalties
        return self.space.prox(point.control - step * point.gradient / gram, step / penalties)

    def good_enough(self, point: Point, new: Point, step: float) -> bool:
        length = float((self.space.gram * (new.control - point.control) ** 2).sum())
        # If the change of the cost is below round-off, costs cannot be compared: the residual must fall instead.
        settled = abs(new.cost - point.cost) <= self.round_off and new.residual < point.residual
        return new.cost <= max(self.costs[-MEMORY:]) - SUFFICIENT / (2 * step) * length or settled
