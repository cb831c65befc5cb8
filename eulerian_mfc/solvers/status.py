"""How a run ended: a status for programs, and a reason in words for people."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Status(Enum):
    """The verdict on a solver's run or on a solution.

    Attributes
    ----------
    converged : whether the control solves the discrete system and no later check rejected it.
    solved : whether the solver reached its tolerance, even if a later check found the error of the cost too large.
    words : the status in words, for tables.

    Examples
    --------
    >>> Status.CONVERGED.converged, Status.COST_WRONG.converged, Status.COST_WRONG.solved
    (True, False, True)
    >>> Status("interrupted").words
    'the run was interrupted'
    """

    CONVERGED = "converged"
    CONVERGED_AT_KINK = "converged_at_kink"
    ITERATION_LIMIT = "iteration_limit"
    INTERRUPTED = "interrupted"
    NOT_FINITE = "not_finite"
    STALLED = "stalled"
    DIVERGED = "diverged"
    NOT_REPRODUCED = "not_reproduced"
    COST_WRONG = "cost_wrong"
    TARGET_MISSED = "target_missed"
    CONSTRAINTS_VIOLATED = "constraints_violated"
    UNKNOWN = "unknown"

    @property
    def converged(self) -> bool:
        """Whether the control solves the discrete system and no later check rejected it."""
        return self in (Status.CONVERGED, Status.CONVERGED_AT_KINK)

    @property
    def solved(self) -> bool:
        """Whether the solver reached its tolerance, even if a later check found the error of the cost too large."""
        return self.converged or self in (Status.COST_WRONG, Status.TARGET_MISSED)

    @property
    def words(self) -> str:
        """The status in words, for tables."""
        return _WORDS[self]


_WORDS = {
    Status.CONVERGED: "the optimality residual is at most the tolerance",
    Status.CONVERGED_AT_KINK: "at a kink of the cost: a convex combination of gradients nearby is at most the tolerance",
    Status.ITERATION_LIMIT: "the limit of iterations is reached",
    Status.INTERRUPTED: "the run was interrupted",
    Status.NOT_FINITE: "a value was not finite",
    Status.STALLED: "no step makes progress, because of round-off, or of kinks of the cost",
    Status.DIVERGED: "the iteration diverges",
    Status.NOT_REPRODUCED: "the same control evaluated again gives other values",
    Status.COST_WRONG: "the solver converged, but the cost on the mesh is wrong",
    Status.TARGET_MISSED: "the solver converged, but the error of the cost is above the target",
    Status.CONSTRAINTS_VIOLATED: "a constraint is violated",
    Status.UNKNOWN: "the run did not converge, and the reason is not known",
}


class Ending(NamedTuple):
    """Why a solver's iteration stopped.

    Attributes
    ----------
    status : the status.
    reason : the status in words, with its numbers.

    Examples
    --------
    >>> limit_reached(7).reason
    'the limit of 7 iterations is reached'
    """

    status: Status
    reason: str


#: the ending of a method whose residual is below the threshold
CONVERGED = Ending(Status.CONVERGED, "residual below the tolerance")


def limit_reached(count: int) -> Ending:
    """The ending of a method that reached its limit of iterations.

    Parameters
    ----------
    count : the limit.

    Examples
    --------
    >>> limit_reached(100).status.value
    'iteration_limit'
    """
    return Ending(Status.ITERATION_LIMIT, f"the limit of {count} iterations is reached")


def stalled(reason: str) -> Ending:
    """The ending of a method that finds no further step.

    Parameters
    ----------
    reason : in words.

    Examples
    --------
    >>> stalled("no step lowers the cost").status.value
    'stalled'
    """
    return Ending(Status.STALLED, reason)


def diverged(reason: str) -> Ending:
    """The ending of a method whose iteration moves away from every solution.

    Parameters
    ----------
    reason : in words.

    Examples
    --------
    >>> diverged("the residual grows").status.value
    'diverged'
    """
    return Ending(Status.DIVERGED, reason)
