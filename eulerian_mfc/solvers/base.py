"""What every solver shares: the record of its iterations, its best control, and an honest verdict."""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .._validate import integer, mismatch, positive
from ..errors import NonFiniteError
from ..scales import sizes_around
from ..system.controlled import ControlledSystem
from .kinks import WIDEST, Gradients, Kink

#: the control, in the problem's own sizes, at which the size of the loss's term is taken where both terms are small, and the
#: share of it that counts
REFERENCE, SMALL = 0.1, 0.1
#: layers around whose controls parameters' sizes are taken
LOOKED_AT = 3


class Iteration(NamedTuple):
    """One row of the history: what an iteration ended with, and the work since the start.

    `evaluations` counts costs with their gradients, `sweeps` all passes over the layers: one for a cost, two for a
    gradient, two for an exact Hessian product and four for a differenced one.

    Attributes
    ----------
    iteration : counted from zero, the first control.
    cost : J.
    residual : the optimality residual, as in `Solver`.
    evaluations, sweeps : since the start.
    seconds : since the start, on the wall's clock.
    """

    iteration: int
    cost: float
    residual: float
    evaluations: int
    sweeps: int
    seconds: float


Callback = Callable[[Iteration], Any]


@dataclass
class Outcome:
    """What a solver returns: its best control, whether that solves the system, and why it stopped.

    Attributes
    ----------
    control : `(layers, m)`.
    converged : whether its residual is at most the threshold.
    message : why the solver stopped.
    history : one `Iteration` each.
    threshold : the largest residual that counts as converged.
    kink : where the cost has kinks and the residual is above the threshold, what the gradients nearby tell; else None.
    """

    control: np.ndarray
    converged: bool
    message: str
    history: list[Iteration] = field(default_factory=list)
    #: largest residual that counts as converged
    threshold: float = 0.0
    #: where the cost has kinks and the residual is above the threshold: what the gradients nearby tell
    kink: Kink | None = None


class Point(NamedTuple):
    """An evaluated control: `(layers, m)`, its cost, its gradient `(layers, m)`, its residual."""

    control: np.ndarray
    cost: float
    gradient: np.ndarray
    residual: float


class Recorder:
    """Evaluates the system for a solver, and keeps the best point and the history.

    `by_cost` says what the best point is: the one of least cost (where costs are exact enough to compare), or residual.
    """

    def __init__(self, system: ControlledSystem, tol: float, callback: Callback | None, by_cost: bool = True) -> None:
        self.system, self.tol, self.callback = system, tol, callback
        self._by_cost = by_cost and system.adjoint
        self.best: Point | None = None
        self.last: Point | None = None
        self.accepted: Point | None = None
        self.history: list[Iteration] = []
        self._largest_terms = 0.0
        self._reference: float | None = None
        self._gradients = Gradients(np.sqrt(system.problem.penalties)) if system.kinks else None
        self.evaluations = self.sweeps = 0
        self._start = time.perf_counter()

    def evaluate(self, control: np.ndarray) -> Point:
        """Cost and gradient at a control; remembers the best point seen."""
        if self.last is not None and np.array_equal(self.last.control, control):
            return self.last
        with np.errstate(over="ignore", invalid="ignore"):  # `note` raises what is not finite
            cost, gradient = self.system.cost_and_gradient(control)
        return self.note(control, cost, gradient)

    def note(self, control: np.ndarray, cost: float, gradient: np.ndarray) -> Point:
        """Take in an evaluation that the solver made itself."""
        self.evaluations += 1
        self.sweeps += 2
        point = Point(control.copy(), cost, gradient, self.system.residual(control, gradient))
        if not (np.isfinite(cost) and np.isfinite(point.residual)):
            raise NonFiniteError(f"cost {cost} and residual {point.residual} at evaluation {self.evaluations}")
        self.last = point
        if self._gradients is not None:
            self._gradients.add(point)
        if self.best is None or self._better(point, self.best):
            self.best = point
        return point

    def _better(self, a: Point, b: Point) -> bool:
        """Lower cost; where costs agree to round-off, or do not go with the residual, the smaller residual."""
        if not self._by_cost:
            return a.residual < b.residual
        slack = 1e-12 * abs(b.cost)
        return a.cost < b.cost - slack or (a.cost < b.cost + slack and a.residual < b.residual)

    def record(self, point: Point) -> None:
        """End an iteration at `point`: add a row to the history and tell the callback."""
        row = Iteration(
            len(self.history),
            point.cost,
            point.residual,
            self.evaluations,
            self.sweeps,
            time.perf_counter() - self._start,
        )
        self.history.append(row)
        self.accepted = point
        if self.callback is not None:
            self.callback(row)

    def hessian(self, point: Point) -> Callable[[np.ndarray], np.ndarray]:
        """The map `v -> J'' v` at a point, each product counted."""
        hessian = self.system.hessian(point.control)
        self.sweeps += 2 if hessian.exact else 0

        def product(direction: np.ndarray) -> np.ndarray:
            self.sweeps += 2 if hessian.exact else 4
            self.evaluations += 0 if hessian.exact else 2
            return hessian.product(direction)

        return product

    def converged(self, point: Point) -> bool:
        """Whether the optimality residual is at most `threshold`, or that at a kink is."""
        threshold = self.threshold(point)
        return point.residual <= threshold or self.at_kink(point).residual <= threshold

    def at_kink(self, point: Point) -> Kink:
        """What the gradients within `tol max |theta|` of the point tell (in the penalty's metric); nothing on a smooth cost."""
        distance = min(self.tol, WIDEST) * float(np.abs(point.control / self.system.comparable).max())
        shortest = None if self._gradients is None else self._gradients.shortest(point, distance)
        return Kink(np.inf if shortest is None else self.system.residual(point.control, shortest), distance)

    def threshold(self, point: Point) -> float:
        return self.tol * self.scale(point)

    def scale(self, point: Point) -> float:
        """The larger of the two terms that cancel at an optimum, or `SMALL` times the reference, where they are small beside it.

        Of the entries that no bound holds. None changes with a constant added to the loss, or with the start.
        """
        free = self.system.free(point.control, point.gradient)
        terms = float(self.system.terms(point.control, point.gradient)[free].max(initial=0.0))
        self._largest_terms = max(self._largest_terms, terms)
        if terms < SMALL * self._largest_terms:
            self.refer(point)
        return max(terms, SMALL * (self._reference or 0.0))

    def refer(self, point: Point) -> None:
        """Evaluate the loss's term near a small control, once: a size that does not vanish where the optimum is zero.

        Where it is larger than all terms of the run, as where the field is singular at zero, also near the point, and the smaller
        of both counts: a reference that is too large would call anything converged.
        """
        if self._reference is not None:
            return
        problem = self.system.problem
        self._reference = self._drive(self.system.control(REFERENCE * problem.scales.control))
        if self._reference > self._largest_terms:
            rows = np.unique(np.linspace(0, len(point.control) - 1, min(len(point.control), LOOKED_AT)).astype(int))
            sizes = np.array([sizes_around(problem, point.control[n]) for n in rows])
            nearest = np.abs(np.arange(len(point.control))[:, None] - rows).argmin(axis=1)
            self._reference = min(self._reference, self._drive(point.control + REFERENCE * sizes[nearest]))
        if not np.isfinite(self._reference):
            self._reference = 0.0

    def _drive(self, control: np.ndarray) -> float:
        """The largest of the loss's terms at a control, infinite where they are not finite."""
        control = self.system.problem.project(control)
        self.evaluations += 1
        self.sweeps += 2
        with contextlib.suppress(NonFiniteError), np.errstate(over="ignore", invalid="ignore"):
            drive = self.system.drive(control, self.system.cost_and_gradient(control)[1])
            return float(drive.max()) if np.isfinite(drive).all() else np.inf
        return np.inf


@dataclass(frozen=True)
class Solver(ABC):
    """A method for the optimality system.

    Parameters
    ----------
    tol : relative, dimensionless; converged means: the optimality residual
        `max |lambda theta + int D_theta F^T grad psi dmu|` is at most tol times the larger of `max |lambda theta|` and
        `max |int D_theta F^T grad psi dmu|` (or a tenth of the latter at a tenth of the control's natural size, see `scales`,
        where both are small beside what they were). Maxima are over layers and parameters, without the entries that a bound
        holds, and in the penalty's metric: where penalties differ, terms are divided by `sqrt(lambda)` first. Parameters whose
        terms are far smaller there than those of others are found to that accuracy only. Where the cost has kinks (elements on
        simplices), the residual of the shortest convex combination of the gradients within `tol max |theta|` of the control (a
        hundredth at most) may take its place: at a kink no gradient vanishes, see `solvers.kinks`.
    max_iterations : iterations after which the solver gives up.

    Raises
    ------
    ArgumentError
        If a number is out of range; from `solve`, for a system that the method cannot treat.
    NonFiniteError
        From `solve`, if not even the first control can be evaluated.

    References
    ----------
    A. S. Lewis, M. L. Overton, Nonsmooth optimization via quasi-Newton methods, Math. Program. 141 (2013), 135-163,
    doi:10.1007/s10107-012-0514-2, section 6.3 (the test at kinks).
    """

    tol: float = 1e-9
    max_iterations: int = 500

    #: whether the best of several points is the one of least cost, or of least residual
    by_cost: ClassVar[bool] = True
    #: whether the L1 norm of the control may be in the cost
    takes_sparsity: ClassVar[bool] = False

    def __post_init__(self) -> None:
        positive("tol", self.tol)
        integer("max_iterations", self.max_iterations)

    @property
    def discrete(self) -> bool:
        """Whether the residual is that of the discrete system, as the certificate has it."""
        return True

    def solve(self, system: ControlledSystem, initial: Any, callback: Callback | None = None) -> Outcome:
        """Run from a control: a number, `(m,)` or `(layers, m)`, moved into the problem's bounds.

        Interrupts (Ctrl-C) and non-finite values end the run with the best control so far and `converged=False`.

        Raises
        ------
        NonFiniteError
            If not even the initial control can be evaluated.
        """
        if system.problem.sparse and not self.takes_sparsity:
            name = type(self).__name__
            raise mismatch("solver", f"{name}, for a cost that is not smooth (sparsity)", "solvers.ProximalGradient()")
        recorder = Recorder(system, self.tol, callback, self.by_cost)
        start = system.problem.project(system.control(initial, "initial"))
        stuck = False
        try:
            reason = self._run(recorder, system, start)
            stuck = len(recorder.history) <= self.max_iterations
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
        if stuck and not converged:
            recorder.refer(best)  # it may have been as near as round-off lets it from the start
            converged = recorder.converged(best)
        threshold = recorder.threshold(best)
        verdict = "converged to a critical point" if converged else f"not converged: {reason}"
        told = f"optimality residual {best.residual:.2e} {'<=' if best.residual <= threshold else '>'} {threshold:.1e}"
        kink = recorder.at_kink(best) if system.kinks and best.residual > threshold else None
        if converged and kink is not None:
            verdict += " at a kink of the cost"
            told = (
                f"the shortest combination of the gradients within distance {kink.distance:.1e} has the optimality "
                f"residual {kink.residual:.2e} <= {threshold:.1e}, the control itself {best.residual:.2e}"
            )
        return Outcome(best.control, converged, f"{verdict}; {told}", recorder.history, threshold, kink)

    @abstractmethod
    def _run(self, recorder: Recorder, system: Any, initial: np.ndarray) -> str:
        """Iterate; return why it stopped."""


def need_adjoint(system: ControlledSystem, method: str) -> None:
    """ArgumentError for a method that compares costs on a pair of schemes whose gradient is not that of the cost."""
    if not system.adjoint:
        raise mismatch(
            "solver",
            f"{method}, which needs the exact gradient of the cost, on a pair of schemes that is not adjoint",
            "solvers.Shooting(relaxation=0.5), or an adjoint pair: the default continuity, or "
            'FiniteVolume("upwind") with its adjoint() as transport',
        )


def need_layers(system: Any) -> None:
    """ArgumentError for a layer-wise method on a system without layer-wise updates."""
    if not hasattr(system, "layer_updates"):
        raise mismatch("system", type(system).__name__, "an OptimalitySystem: layer-wise updates need a mesh")


def limit_reached(count: int) -> str:
    return f"the limit of {count} iterations is reached"


CONVERGED = "residual below the tolerance"
