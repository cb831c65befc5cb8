"""The recorder evaluates the problem for a solver, and keeps the best point and the history."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import NonFiniteError
from .judge import Judge, Work
from .protocol import DiscreteProblem
from .record import Callback, Iteration, Point

#: two costs whose relative difference is smaller count as equal, because of round-off; the residuals are then compared
SAME_COST = 1e-12


class Recorder:
    """Evaluates and records points for a method: it calls `evaluate` per control, and `record` at the end of each iteration.

    Parameters
    ----------
    system : the discrete problem.
    tol : the relative tolerance of the test of convergence.
    callback : called with each row of the history, or None.
    by_cost : True if the best point is the one with the least cost, False for the least residual. Without an exact gradient it is
        always the least residual.

    Attributes
    ----------
    best, last, accepted : the best point, the last evaluated point, the point at which the last iteration ended.
    history : one `Iteration` per iteration.
    work : the counts of evaluations and sweeps.
    judge : the test of convergence.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> recorder = Recorder(emfc.ParticleSystem(problem, layers=2), tol=1e-9, callback=None)
    >>> point = recorder.evaluate(np.zeros((2, 2)))
    >>> recorder.record(point)
    >>> recorder.converged(point), recorder.history[0].evaluations
    (False, 1)
    """

    def __init__(self, system: DiscreteProblem, tol: float, callback: Callback | None, by_cost: bool = True) -> None:
        self.system, self.tol, self.callback = system, tol, callback
        self.work = Work()
        self.judge = Judge(system, tol, self.work)
        self._by_cost = by_cost and system.adjoint
        self.best: Point | None = None
        self.last: Point | None = None
        self.accepted: Point | None = None
        self.history: list[Iteration] = []

    def evaluate(self, control: np.ndarray) -> Point:
        """Cost and gradient at a control `(layers, m)`; remembers the best point seen."""
        if self.last is not None and np.array_equal(self.last.control, control):
            return self.last
        with np.errstate(over="ignore", invalid="ignore"):  # `note` raises an error for values that are not finite
            cost, gradient = self.system.cost_and_gradient(control)
        return self.note(control, cost, gradient)

    def note(self, control: np.ndarray, cost: float, gradient: np.ndarray) -> Point:
        """Record an evaluation that the solver made itself, and return its point: control and gradient are `(layers, m)`."""
        self.work.gradients()
        point = Point(control.copy(), cost, gradient, self.system.controls.conditions.residual(control, gradient))
        if not (np.isfinite(cost) and np.isfinite(point.residual)):
            count = self.work.evaluations
            raise NonFiniteError(f"cost {cost} and residual {point.residual} at evaluation {count}")
        self.last = point
        self.judge.see(point)
        if self.best is None or self._better(point, self.best):
            self.best = point
        return point

    def _better(self, a: Point, b: Point) -> bool:
        """Whether a has the lower cost; if costs agree to round-off, or may not be compared, the smaller residual."""
        if not self._by_cost:
            return a.residual < b.residual
        slack = SAME_COST * abs(b.cost)
        return a.cost < b.cost - slack or (a.cost < b.cost + slack and a.residual < b.residual)

    def record(self, point: Point) -> None:
        """End an iteration at `point`: add a row to the history and call the callback."""
        work = self.work
        row = Iteration(len(self.history), point.cost, point.residual, work.evaluations, work.sweeps, work.seconds)
        self.history.append(row)
        self.accepted = point
        if self.callback is not None:
            self.callback(row)

    def hessian(self, point: Point) -> Callable[[np.ndarray], np.ndarray]:
        """The map `v -> J'' v` of controls `(layers, m)` at a point; it counts its products."""
        hessian = self.system.hessian(point.control)
        self.work.sweeps += 2 if hessian.exact else 0

        def product(direction: np.ndarray) -> np.ndarray:
            self.work.sweeps += 2 if hessian.exact else 4
            self.work.evaluations += 0 if hessian.exact else 2
            return hessian.product(direction)

        return product

    def converged(self, point: Point) -> bool:
        """Whether the point solves the system within the tolerance, see `Judge`."""
        return self.judge.converged(point)

    def threshold(self, point: Point) -> float:
        """The largest residual that counts as converged."""
        return self.judge.threshold(point)

    def scale(self, point: Point) -> float:
        """The size of the terms that cancel in the residual."""
        return self.judge.scale(point)
