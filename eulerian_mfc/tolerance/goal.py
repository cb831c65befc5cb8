"""What a user wants to know, and how well: the tolerance, the scale to which it refers, and the caps of the work."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np

from .._validate import fail, integer, positive
from ..diagnostics.error_in_time import TOLERANCE
from ..laws import LabelledRule
from ..losses import Loss
from ..problem import Problem
from ..solvers import Outcome, Status
from ..solvers.record import Callback, Iteration

#: the default tolerance, and the smallest one that double precision can give
DEFAULT, SMALLEST = 1e-6, 1e-13
#: the keywords that ask for a tolerance; those of the caps and of the starts do not
TOLERANCES = ("tol", "atol", "tol_control")
#: default cap of rounds on meshes
ROUNDS = 8
#: the descent stops at this factor times the square root of the relative tolerance: errors of the cost are of its square's order
DESCENT = 0.03
#: and that in the richer space at this share of it
RICHER = 0.3


@dataclass(frozen=True)
class Goal:
    """A tolerance and caps.

    Parameters
    ----------
    tol : the largest error of J, relative to the scale of the data, see `scale_of`.
    atol : an error of J below which no more is asked for, in the cost's units.
    tol_control : the largest error of the control in `L2(0, T)`, in theta's units times the square root of time; None if it does
        not matter.
    seconds : a cap of the time of the clock; None for no cap. It is looked at after every iteration of a descent, and before
        each mesh of the search for a mesh. What is one computation is not cut: one gradient, or one cost on a mesh.
    max_rounds : a cap of the number of meshes that the problem is solved on.
    starts : the number of random first controls besides the given one; the valley with the least cost is taken.

    Raises
    ------
    ArgumentError
        If a number is out of range.

    Examples
    --------
    >>> Goal(1e-4).tol
    0.0001
    """

    tol: float = DEFAULT
    atol: float = 0.0
    tol_control: float | None = None
    seconds: float | None = None
    max_rounds: int = ROUNDS
    starts: int = 0

    def __post_init__(self) -> None:
        if not SMALLEST <= positive("tol", self.tol, allow_zero=True) < 1.0:
            raise fail(
                "tol", self.tol, f"a number from {SMALLEST:g}, what double precision can give, to 1, such as 1e-6"
            )
        positive("atol", self.atol, allow_zero=True)
        if self.tol_control is not None:
            positive("tol_control", self.tol_control)
        if self.seconds is not None:
            positive("seconds", self.seconds)
        integer("max_rounds", self.max_rounds)
        integer("starts", self.starts, minimum=0)


class Clock:
    """The time since the start, and whether the cap of seconds is reached.

    Parameters
    ----------
    seconds : the cap, or None.
    callback : the user's function of one `Iteration`, or None.

    Examples
    --------
    >>> Clock(None).over
    False
    """

    def __init__(self, seconds: float | None, callback: Callback | None = None) -> None:
        self._start, self._cap, self._callback = perf_counter(), seconds, callback
        self._interrupted = False

    @property
    def passed(self) -> float:
        """Seconds since the start."""
        return perf_counter() - self._start

    @property
    def over(self) -> bool:
        """Whether the cap is reached, or the user interrupted."""
        return self._interrupted or (self._cap is not None and self.passed >= self._cap)

    @property
    def reason(self) -> str:
        """Why the work ends, in words."""
        return "it was interrupted" if self._interrupted else "the time was over (seconds=)"

    def interrupt(self) -> None:
        """Remember that the user interrupted."""
        self._interrupted = True

    def saw(self, outcome: Outcome) -> Outcome:
        """The outcome of a solver; if the user interrupted it, the rest of the work ends too."""
        self._interrupted |= outcome.status is Status.INTERRUPTED and not self.over
        return outcome

    def check(self, row: Iteration) -> None:
        """A callback of solvers whose progress is not shown."""
        if self.over:
            raise KeyboardInterrupt

    def __call__(self, row: Iteration) -> None:
        """A callback of solvers: the user's one, and an interrupt if the time is over, so that they return their best control."""
        if self._callback is not None:
            self._callback(row)
        self.check(row)


def descent_tolerance(relative: float) -> float:
    """The tolerance of a solver for a relative tolerance of J: the error of J is of the order of its square.

    Parameters
    ----------
    relative : the tolerance of J, relative to its scale.

    Examples
    --------
    >>> descent_tolerance(1e-8)
    3e-06
    """
    return float(np.clip(DESCENT * np.sqrt(relative), 1e-9, 1e-3))


def richer_tolerance(relative: float) -> float:
    """The tolerance of a descent in the richer space: a share of that in the space itself.

    Parameters
    ----------
    relative : the tolerance of J, relative to its scale.
    """
    return max(RICHER * descent_tolerance(relative), TOLERANCE)


def relative_tolerance(problem: Problem, target: float, scale: float, tol_control: float | None) -> float:
    """The relative tolerance of J that both tolerances imply: a distance d of the control costs about `lambda/2 d^2`.

    Parameters
    ----------
    problem : the control problem.
    target : the tolerance of J, in the cost's units.
    scale : the scale of the data.
    tol_control : the tolerance of the control in L2, or None.
    """
    if tol_control is None:
        return target / scale
    return min(target, 0.5 * float(problem.regulariser.penalties.min()) * tol_control**2) / scale


def scale_of(problem: Problem) -> float:
    """The scale of the data to which a relative tolerance refers: the mean modulus of the losses if nothing moves.

    It is `E |loss(X, Y')| + T E |running(X, Y')|` for the law's inputs X and labels Y' that are drawn independently of each
    other, so that it does not vanish where the inputs happen to fit their labels. For a loss that trains a read-out it is the
    cost of states that do not move. If the result is zero, the scale is 1.

    Parameters
    ----------
    problem : the control problem.

    Examples
    --------
    >>> import numpy as np
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0), label=np.sign, breaks=[0.0])
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> round(scale_of(problem), 1)  # E |X - Y'|^2 = 2, on at most 256 points
    2.0
    """
    rule = problem.few_points
    x = np.asfortranarray(rule.x)
    with np.errstate(all="ignore"):
        total = _scale(problem, rule, x)
    return total if np.isfinite(total) and total > 0.0 else 1.0


def _scale(problem: Problem, rule: LabelledRule, x: np.ndarray) -> float:
    training = problem.separable.training
    if training is None:
        total = _independent(problem.loss, x, rule.w, rule.y)
    else:
        fit = training.fit(x, rule.w * problem.separable.moments(rule.y))
        loss = problem.loss.with_readout(fit.readout)
        total = fit.penalty_cost + float(rule.w @ np.abs(loss.value(x, rule.y)))
    if problem.running is not None:
        total += problem.horizon * _independent(problem.running, x, rule.w, rule.y)
    return total


def _independent(loss: Loss, x: np.ndarray, w: np.ndarray, y: np.ndarray) -> float:
    """`E |loss(X, Y')|` for inputs and labels that are drawn independently of each other."""
    labels, place = np.unique(y, axis=0, return_inverse=True)
    shares = np.bincount(place.ravel(), weights=w)
    values = [np.abs(loss.value(x, np.repeat(label[None], len(x), axis=0))) for label in labels]
    return float(sum(share * (w @ value) for share, value in zip(shares, values, strict=True)))
