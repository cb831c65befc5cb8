"""What a solver's run leaves behind: points, rows of the history, the outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from .status import Status


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


#: called with every row of the history as it comes; what it returns is not used
Callback = Callable[[Iteration], object]


class Point(NamedTuple):
    """An evaluated control.

    Attributes
    ----------
    control : of the space's shape, `(layers, m)`.
    cost : J.
    gradient : of the same shape, without the L1 norm.
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
    """What is known of a control whose gradient is not small, on a cost with kinks.

    Attributes
    ----------
    residual : the optimality residual of the shortest convex combination of the gradients within `distance` of the control;
        infinite where no other gradient is known there.
    distance : the largest change of an entry, in the penalty's metric as residuals are.

    Examples
    --------
    >>> Kink(1e-6, 1e-4).residual
    1e-06
    """

    residual: float
    distance: float


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a solver returns: its best control, whether that solves the system, and why it stopped.

    Attributes
    ----------
    control : `(layers, m)`.
    status : the verdict, for programs.
    message : the verdict and its numbers, for people.
    history : one `Iteration` each.
    threshold : the largest residual that counts as converged.
    kink : where the cost has kinks and the residual is above the threshold, what the gradients nearby show; else None.

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
        """Whether the residual is at most the threshold, at the control or at a kink beside it."""
        return self.status.converged
