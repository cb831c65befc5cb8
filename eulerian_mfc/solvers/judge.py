"""The test of convergence: the residual relative to the size of the two terms that cancel in it."""

from __future__ import annotations

import contextlib
import time

import numpy as np

from ..errors import NonFiniteError
from .kinks import WIDEST, Gradients
from .protocol import DiscreteProblem
from .record import Kink, Point

#: if both terms are small, SMALL times the size of the loss's term at a control of REFERENCE times the natural sizes is the
#: least scale
REFERENCE, SMALL = 0.1, 0.1
#: number of layers at which `sizes_around` is evaluated; every other layer takes the sizes of the nearest of these
LOOKED_AT = 3


class Work:
    """What a run has computed so far.

    Attributes
    ----------
    evaluations : number of costs with their gradients.
    sweeps : number of passes over the layers.

    Examples
    --------
    >>> work = Work()
    >>> work.gradients(3)
    >>> work.evaluations, work.sweeps
    (3, 6)
    """

    def __init__(self) -> None:
        self.evaluations = self.sweeps = 0
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Wall-clock time since the start."""
        return time.perf_counter() - self._start

    def gradients(self, count: int = 1) -> None:
        """Count gradients: each is one forward and one backward sweep."""
        self.evaluations += count
        self.sweeps += 2 * count


class Judge:
    """The test of convergence of a run, see `Solver`. At most once per run it evaluates one or two gradients and counts them.

    Parameters
    ----------
    system : the discrete problem.
    tol : the relative tolerance.
    work : the counter of the gradients that the test evaluates.
    """

    def __init__(self, system: DiscreteProblem, tol: float, work: Work) -> None:
        self._system, self._space, self._tol, self._work = system, system.controls, tol, work
        self._largest_terms = 0.0
        self._reference: float | None = None
        self._gradients = Gradients(self._space.root) if system.kinks else None

    def see(self, point: Point) -> None:
        """Remember the gradient of an evaluated point."""
        if self._gradients is not None:
            self._gradients.add(point)

    def converged(self, point: Point) -> bool:
        """Whether the optimality residual, or the residual at a kink, is at most `threshold`."""
        threshold = self.threshold(point)
        return point.residual <= threshold or self.at_kink(point).residual <= threshold

    def at_kink(self, point: Point) -> Kink:
        """The residual of the shortest convex combination of the gradients within `min(tol, WIDEST) max |theta|` of the point.

        Distances are in the penalty's metric. The residual is infinite if the cost is smooth, or if no other gradient is near.
        """
        largest = float(np.abs(point.control / self._space.regulariser.comparable).max())
        distance = min(self._tol, WIDEST) * largest
        shortest = None if self._gradients is None else self._gradients.shortest(point, distance)
        return Kink(np.inf if shortest is None else self._space.conditions.residual(point.control, shortest), distance)

    def threshold(self, point: Point) -> float:
        """The largest residual that counts as converged."""
        return self._tol * self.scale(point)

    def scale(self, point: Point) -> float:
        """The size against which the residual is relative: the larger of the two terms that cancel in it at an optimum.

        The maximum is over the entries that no bound holds. If both terms have become small during the run, the scale is at
        least `SMALL` times the size of the loss's term at a small control, for which `refer` may evaluate gradients. A constant
        added to the loss does not change the scale.
        """
        free = self._space.conditions.free(point.control, point.gradient)
        terms = float(self._space.conditions.terms(point.control, point.gradient)[free].max(initial=0.0))
        self._largest_terms = max(self._largest_terms, terms)
        if terms < SMALL * self._largest_terms:
            self.refer(point)
        return max(terms, SMALL * (self._reference or 0.0))

    def refer(self, point: Point) -> None:
        """Evaluate the size of the loss's term at a small control, once: it does not vanish if the optimal control is zero.

        If this size is larger than all terms of the run (for example because the field is singular at the control zero), the
        term is evaluated near the point as well, and the smaller size counts. With a reference that is too large, every control
        would count as converged.
        """
        if self._reference is not None:
            return
        self._reference = self._drive(self._space.coerce(REFERENCE * self._system.natural_sizes))
        if self._reference > self._largest_terms:
            rows = np.unique(np.linspace(0, len(point.control) - 1, min(len(point.control), LOOKED_AT)).astype(int))
            starts = self._space.values(point.control, self._space.ends[rows])
            sizes = np.array([self._system.sizes_around(theta) for theta in starts])
            nearest = np.abs(np.arange(len(point.control))[:, None] - rows).argmin(axis=1)
            step = self._space.constant(REFERENCE * sizes[nearest])
            self._reference = min(self._reference, self._drive(point.control + step))
        if not np.isfinite(self._reference):
            self._reference = 0.0

    def _drive(self, control: np.ndarray) -> float:
        """The size of the loss's term at a control; infinite if the term is not finite."""
        control = self._space.project(control)
        self._work.gradients()
        with contextlib.suppress(NonFiniteError), np.errstate(over="ignore", invalid="ignore"):
            drive = self._space.conditions.drive(control, self._system.cost_and_gradient(control)[1])
            return float(drive.max()) if np.isfinite(drive).all() else np.inf
        return np.inf
