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

#: decrease that a step must bring, relative to its squared length; the first step
SUFFICIENT, FIRST = 1e-4, 0.5


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
    """Proximal steps of Barzilai and Borwein's length."""

    stuck = "no proximal step lowers the cost (round-off, or kinks of the cost)"

    def trial(self, point: Point, step: float) -> np.ndarray:
        gram, penalties = self.space.gram, self.space.regulariser.penalties
        return self.space.prox(point.control - step * point.gradient / gram, step / penalties)

    def good_enough(self, point: Point, new: Point, step: float) -> bool:
        length = float((self.space.gram * (new.control - point.control) ** 2).sum())
        # Where cost differences are round-off, the residual is the witness.
        settled = abs(new.cost - point.cost) <= self.round_off and new.residual < point.residual
        return new.cost <= max(self.costs[-MEMORY:]) - SUFFICIENT / (2 * step) * length or settled
