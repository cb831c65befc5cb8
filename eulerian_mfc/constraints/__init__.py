"""Constraints on the law at the final time: expectations, chances, mean and covariance, with their multipliers."""

from .chance import ChanceConstraint
from .expectation import Constraint, Expectation
from .held import Held, in_words
from .moments import MeanAndCovariance
from .terminal import ConstraintsLike, TerminalConstraints, terminal_constraints

__all__ = [
    "ChanceConstraint",
    "Constraint",
    "ConstraintsLike",
    "Expectation",
    "Held",
    "MeanAndCovariance",
    "TerminalConstraints",
    "in_words",
    "terminal_constraints",
]
