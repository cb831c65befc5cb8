"""The records of a solver's run: points, rows of the history, the outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from .status import Status


class Iteration(NamedTuple):
    """One row of the history: cost and residual at the end of an iteration, and the work since the start.

    `evaluations` counts costs with their gradients. `sweeps` counts all passes over the layers: one for a cost, two for a
    gradient, two for an exact Hessian product and four for a differenced one.

    Attributes
    ----------
    iteration : its number; row 0 belongs to the first control.
    cost : J.
    residual : the optimality residual, as in `Solver`.
    evaluations, sweeps : numbers since the start.
    seconds : wall-clock time since the start.

    Examples
    --------
    >>> Iteration(0, cost=0.5, residual=0.1, evaluations=1, sweeps=2, seconds=0.0).residual
    0.1
    """

    iteration: int
    cost: float
    residual: float
    evaluations: int
    sweeps: int
    seconds: float


#: called with every new row of the history; its return value is ignored
Callback = Callable[[Iteration], object]


class Point(NamedTuple):
    """An evaluated control.

    Attributes
    ----------
    control : of the space's shape, `(layers, m)` or `(layers, degree + 1, m)`.
    cost : J.
    gradient : of the same shape; it leaves out the L1 norm.
    residual : the optimality residual.

    Examples
    --------
    >>> Point(np.zeros((1, 1)), 0.5, np.ones((1, 1)), 1.0).cost
    0.5
    """

    control: np.ndarray
    cost: float
    gradient: np.ndarray
    residual: float


class Kink(NamedTuple):
    """The residual of a control that may lie on a kink of the cost, from the gradients nearby.

    Attributes
    ----------
    residual : the optimality residual of the shortest convex combination of the gradients within `distance` of the control;
        infinite if no other gradient is known there.
    distance : the largest distance of an entry, in the penalty's metric as for residuals.

    Examples
    --------
    >>> Kink(1e-6, 1e-4).residual
    1e-06
    """

    residual: float
    distance: float


@dataclass(frozen=True, eq=False)
class Outcome:
    """The result of a solver: its best control, whether it solves the system, and why the solver stopped.

    Attributes
    ----------
    control : `(layers, m)`, or coefficients `(layers, degree + 1, m)`.
    status : the verdict, for programs.
    message : the verdict and its numbers, for people.
    history : one `Iteration` per iteration.
    threshold : the largest residual that counts as converged.
    kink : the residual from the gradients nearby, if the cost has kinks and the residual is above the threshold; else None.

    Examples
    --------
    >>> Outcome(np.zeros((1, 1)), Status.INTERRUPTED, "not converged: interrupted").converged
    False
    """

    control: np.ndarray
    status: Status
    message: str
    history: list[Iteration] = field(default_factory=list)
    threshold: float = 0.0
    kink: Kink | None = None

    @property
    def converged(self) -> bool:
        """Whether the residual at the control, or at a kink near it, is at most the threshold."""
        return self.status.converged
