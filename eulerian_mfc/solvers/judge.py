"""Whether a control solves the system: the residual against the size of the terms that cancel in it."""

from __future__ import annotations

import contextlib
import time

import numpy as np

from ..errors import NonFiniteError
from .kinks import WIDEST, Gradients
from .protocol import DiscreteProblem
from .record import Kink, Point

#: the control, in the problem's own sizes, at which the size of the loss's term is taken where both terms are small, and the
#: share of it that counts
REFERENCE, SMALL = 0.1, 0.1
#: layers around whose controls parameters' sizes are taken
LOOKED_AT = 3


class Work:
    """What a run has computed so far.

    Attributes
    ----------
    evaluations : costs with their gradients.
    sweeps : passes over the layers.

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
        """Since the start, on the wall's clock."""
        return time.perf_counter() - self._start

    def gradients(self, count: int = 1) -> None:
        """Count gradients: one sweep forwards and one backwards each."""
        self.evaluations += count
        self.sweeps += 2 * count


class Judge:
    """The test of convergence of a run, see `Solver`. It may evaluate one or two gradients, once per run, which it counts.

    Parameters
    ----------
    system : the discrete problem.
    tol : the relative tolerance.
    work : where its gradients are counted.
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
        """Whether the optimality residual is at most `threshold`, or that at a kink is."""
        threshold = self.threshold(point)
        return point.residual <= threshold or self.at_kink(point).residual <= threshold

    def at_kink(self, point: Point) -> Kink:
        """What the gradients within `tol max |theta|` of the point show (in the penalty's metric); nothing on a smooth cost."""
        largest = float(np.abs(point.control / self._space.regulariser.comparable).max())
        distance = min(self._tol, WIDEST) * largest
        shortest = None if self._gradients is None else self._gradients.shortest(point, distance)
        return Kink(np.inf if shortest is None else self._space.conditions.residual(point.control, shortest), distance)

    def threshold(self, point: Point) -> float:
        """The largest residual that counts as converged."""
        return self._tol * self.scale(point)

    def scale(self, point: Point) -> float:
        """The size against which the residual is relative: the largest of the two terms that cancel in it at an optimum.

        Of the entries that no bound holds; but at least `SMALL` times the loss's term at a small control (`refer`), where
        both terms are small beside what they were. Neither changes with a constant added to the loss, or with the start.
        """
        free = self._space.conditions.free(point.control, point.gradient)
        terms = float(self._space.conditions.terms(point.control, point.gradient)[free].max(initial=0.0))
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
        self._reference = self._drive(self._space.coerce(REFERENCE * self._system.natural_sizes))
        if self._reference > self._largest_terms:
            rows = np.unique(np.linspace(0, len(point.control) - 1, min(len(point.control), LOOKED_AT)).astype(int))
            sizes = np.array([self._system.sizes_around(point.control[n]) for n in rows])
            nearest = np.abs(np.arange(len(point.control))[:, None] - rows).argmin(axis=1)
            self._reference = min(self._reference, self._drive(point.control + REFERENCE * sizes[nearest]))
        if not np.isfinite(self._reference):
            self._reference = 0.0

    def _drive(self, control: np.ndarray) -> float:
        """The largest of the loss's terms at a control, infinite where they are not finite."""
        control = self._space.project(control)
        self._work.gradients()
        with contextlib.suppress(NonFiniteError), np.errstate(over="ignore", invalid="ignore"):
            drive = self._space.conditions.drive(control, self._system.cost_and_gradient(control)[1])
            return float(drive.max()) if np.isfinite(drive).all() else np.inf
        return np.inf
