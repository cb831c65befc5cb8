"""Successive approximations with a proximal term: Sakawa and Shindo's iteration, the extended MSA of deep learning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._validate import fail, positive
from ..errors import NonFiniteError
from .base import Solver, need_layers
from .layer_update import ProximalUpdate
from .protocol import DiscreteProblem
from .recorder import Recorder
from .status import CONVERGED, Ending, limit_reached, stalled

#: largest proximal weight, in units of the penalty: beyond it the step is accepted, and no smaller one is tried
HEAVIEST = 1e8
#: the method gives up after this many sweeps in a row without a lower cost (beyond round-off) or a new smallest residual
PATIENCE = 10


@dataclass(frozen=True)
class SuccessiveApproximations(Solver):
    """Backward sweep for psi; forward sweep in which layer n minimises `H_n(theta) + w/2 lambda dt |theta - theta_n|^2`.

    The masses of the forward sweep are those of the new controls. The cost is linear in the masses, so on an adjoint pair

        J(new) - J(old) = sum_n [ H_n(new_n) - H_n(old_n) ]   (H_n at the new masses and the old potentials)

    holds exactly. The cost therefore falls if every layer is minimised well enough. A sweep whose cost does not fall is
    repeated with a larger weight w.

    Parameters
    ----------
    tol, max_iterations : see `Solver`; 1e-9 and 500 by default.
    weight : the first proximal weight w >= 0, in units of the penalty.
    growth : a factor > 1. w is multiplied by it after a sweep whose cost did not fall, and divided by it otherwise.

    Raises
    ------
    ArgumentError
        As `Solver`; also if `weight` is negative or `growth` is at most 1. From `solve`, if the system is one of particles.

    References
    ----------
    Y. Sakawa, Y. Shindo, On global convergence of an algorithm for optimal control, IEEE Trans. Automat. Control 25
    (1980), 1149-1153, doi:10.1109/TAC.1980.1102517. Q. Li, L. Chen, C. Tai, W. E, Maximum principle based algorithms for
    deep learning, J. Mach. Learn. Res. 18 (2018), 1-29.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> system = emfc.OptimalitySystem(problem, emfc.CartesianMesh([(-4.0, 4.0)], 40), layers=2)
    >>> emfc.solvers.SuccessiveApproximations().solve(system, initial=0.1).status.value
    'converged'
    """

    weight: float = 1.0
    growth: float = 4.0

    def __post_init__(self) -> None:
        super().__post_init__()
        positive("weight", self.weight, allow_zero=True)
        if positive("growth", self.growth) <= 1:
            raise fail("growth", self.growth, "a number > 1")

    def iterate(self, recorder: Recorder, system: DiscreteProblem, initial: np.ndarray) -> Ending:
        system = need_layers(system)
        space = system.controls
        weight = self.weight
        # Round-off of the cost is relative to the terms that cancel in it, not to the cost, which may vanish.
        terms = system.cancelling()
        point = recorder.evaluate(initial)
        recorder.record(point)
        stuck, smallest = 0, point.residual
        for _ in range(self.max_iterations):
            if recorder.converged(point):
                return CONVERGED
            potentials = system.potentials(point.control)
            recorder.work.sweeps += 1
            while True:
                old = point.control
                choose = ProximalUpdate(old, weight, space.limits)
                try:
                    theta, cost = system.sequential_update(potentials, choose)
                except NonFiniteError:
                    theta, cost = old, np.inf
                    if weight > HEAVIEST:
                        raise
                recorder.work.sweeps += 1
                moved = space.square(theta - old)
                slack = 1e-13 * (abs(cost) + abs(point.cost) + terms)
                if cost <= point.cost - 1e-4 * moved + slack or weight > HEAVIEST:
                    break
                weight = max(1e-2, self.growth * weight)
            new = recorder.evaluate(theta)
            stuck = stuck + 1 if new.cost >= point.cost - slack and new.residual >= smallest else 0
            smallest = min(smallest, new.residual)
            if stuck > PATIENCE:
                return stalled(
                    "no further decrease of the cost is possible (because of round-off, or since the schemes "
                    "are not each other's transpose)"
                )
            point = new
            recorder.record(point)
            weight = weight / self.growth if weight > 1e-3 else 0.0
        return limit_reached(self.max_iterations)
