"""What every solver shares: the record of its iterations, its best control, and an honest verdict."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from .._validate import integer, positive
from ..errors import NonFiniteError
from ..optimality import ControlledSystem


class Iteration(NamedTuple):
    """One row of the history."""

    iteration: int
    cost: float
    residual: float
    evaluations: int
    seconds: float


Callback = Callable[[Iteration], Any]


@dataclass
class Outcome:
    """What a solver returns: its best control, whether that solves the system, and why it stopped."""

    control: np.ndarray
    converged: bool
    message: str
    history: list[Iteration] = field(default_factory=list)


class Point(NamedTuple):
    """An evaluated control: `(layers, m)`, its cost, its gradient `(layers, m)`, its residual."""

    control: np.ndarray
    cost: float
    gradient: np.ndarray
    residual: float


class Recorder:
    """Evaluates the system for a solver, and keeps the best point and the history."""

    def __init__(self, system: ControlledSystem, tol: float, callback: Callback | None) -> None:
        self.system, self.tol, self.callback = system, tol, callback
        self.best: Point | None = None
        self.last: Point | None = None
        self.accepted: Point | None = None
        self.history: list[Iteration] = []
        self._first_residual = 0.0
        self.evaluations = 0
        self._start = time.perf_counter()

    def evaluate(self, control: np.ndarray) -> Point:
        """Cost and gradient at a control; remembers the best point seen."""
        if self.last is not None and np.array_equal(self.last.control, control):
            return self.last
        cost, gradient = self.system.cost_and_gradient(control)
        return self.note(control, cost, gradient)

    def note(self, control: np.ndarray, cost: float, gradient: np.ndarray) -> Point:
        """Take in an evaluation that the solver made itself."""
        self.evaluations += 1
        point = Point(control.copy(), cost, gradient, self.system.residual(gradient))
        if not (np.isfinite(cost) and np.isfinite(point.residual)):
            raise NonFiniteError(f"cost {cost} and residual {point.residual} at evaluation {self.evaluations}")
        if self.last is None:
            self._first_residual = point.residual
        self.last = point
        if self.best is None or self._better(point, self.best):
            self.best = point
        return point

    def _better(self, a: Point, b: Point) -> bool:
        """Lower cost; where costs agree to round-off, or do not go with the residual, the smaller residual."""
        if not self.system.adjoint:
            return a.residual < b.residual
        slack = 1e-12 * abs(b.cost)
        return a.cost < b.cost - slack or (a.cost < b.cost + slack and a.residual < b.residual)

    def record(self, point: Point) -> None:
        """End an iteration at `point`: add a row to the history and tell the callback."""
        row = Iteration(
            len(self.history), point.cost, point.residual, self.evaluations, time.perf_counter() - self._start
        )
        self.history.append(row)
        self.accepted = point
        if self.callback is not None:
            self.callback(row)

    def converged(self, point: Point) -> bool:
        """Whether the optimality residual is at most `threshold`."""
        return point.residual <= self.threshold(point)

    def threshold(self, point: Point) -> float:
        return self.tol * self.scale(point)

    def scale(self, point: Point) -> float:
        """The larger of the two terms that cancel at an optimum, and a thousandth of the first residual.

        Neither changes with a constant added to the loss, and all go with the units of the problem.
        """
        penalty = self.system.problem.penalties * point.control
        integral = point.gradient / self.system.dt - penalty
        return max(float(np.abs(penalty).max()), float(np.abs(integral).max()), 1e-3 * self._first_residual)


@dataclass(frozen=True)
class Solver(ABC):
    """A method for the optimality system.

    Parameters
    ----------
    tol : converged means: the optimality residual `max |lambda theta + int D_theta F^T grad psi dmu|` is at most tol times
        the larger of `max |lambda theta|` and `max |int D_theta F^T grad psi dmu|` (or a thousandth of the first residual,
        where both vanish at the optimum).
    max_iterations : iterations after which the solver gives up.
    """

    tol: float = 1e-9
    max_iterations: int = 500

    def __post_init__(self) -> None:
        positive("tol", self.tol)
        integer("max_iterations", self.max_iterations)

    def solve(self, system: ControlledSystem, initial: Any, callback: Callback | None = None) -> Outcome:
        """Run from a control: a number, `(m,)` or `(layers, m)`.

        Interrupts (Ctrl-C) and non-finite values end the run with the best control so far and `converged=False`.

        Raises
        ------
        NonFiniteError
            If not even the initial control can be evaluated.
        """
        recorder = Recorder(system, self.tol, callback)
        start = system.control(initial, "initial")
        try:
            reason = self._run(recorder, system, start)
        except KeyboardInterrupt:
            reason = "interrupted"
            if recorder.best is None:
                raise
        except NonFiniteError as error:
            reason = str(error)
            if recorder.best is None:
                raise
        # The point that the method accepted last; the best of all that it tried where that one does not solve the system.
        best = recorder.accepted
        if best is None or not recorder.converged(best):
            best = recorder.best
        assert best is not None
        converged = recorder.converged(best)
        relation = "<=" if converged else ">"
        verdict = "converged to a critical point" if converged else f"not converged: {reason}"
        message = f"{verdict}; optimality residual {best.residual:.2e} {relation} {recorder.threshold(best):.1e}"
        return Outcome(best.control, converged, message, recorder.history)

    @abstractmethod
    def _run(self, recorder: Recorder, system: Any, initial: np.ndarray) -> str:
        """Iterate; return why it stopped."""
