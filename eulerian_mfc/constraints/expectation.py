"""Constraints on expectations at the final time: the contract, and the single expectation of which all others are made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType

from .._validate import array, fail, mismatch, positive
from ..losses import DensityCost, Loss, StateLoss
from ..losses.state_loss import OfStates

#: constraints hold up to this share of the deviation of g under the initial law
TOLERANCE = 1e-9


class Constraint(ABC):
    """A constraint on the law of the final states, which is made of expectations.

    Examples
    --------
    >>> from eulerian_mfc.constraints import Constraint, MeanAndCovariance
    >>> isinstance(MeanAndCovariance([0.0], [[1.0]]), Constraint)
    True
    """

    @abstractmethod
    def expectations(self, dim: int) -> tuple[Expectation, ...]:
        """The expectations for states of a dimension; an ArgumentError if the constraint has another dimension."""


@dataclass(frozen=True, eq=False)
class Expectation(Constraint):
    """The constraint `E g(X(T)) = c` or `E g(X(T)) <= c`; with labels, `E g(X(T), Y)`.

    Its multiplier m has the sign of the Lagrangian `J + m (E g - c)`: the least cost changes by `dJ*/dc = -m`. For `<=`, m is
    not negative, and it is 0 where the constraint is not active. For `>=`, pass `-g` and `-c`.

    Parameters
    ----------
    g : a function `x (n, d) -> (n,)` of final states; or a Loss, whose `value(x, y)` depends on labels too.
    equals, at_most : the number c, in units of g; exactly one of the two.
    gradient : the gradient of a function, `x (n, d) -> (n, d)`, see `losses.StateLoss`; by default the complex step.
    name : the name in messages, tables and files; by default that of the function or of the loss.
    tolerance : the largest violation, as a share of the deviation of g under the initial law.

    Raises
    ------
    ArgumentError
        If g is neither a function nor a loss that is an expectation, or not exactly one of `equals` and `at_most` is a number.

    References
    ----------
    docs/constraints.md.

    Examples
    --------
    >>> from eulerian_mfc.constraints import Expectation
    >>> Expectation(lambda x: x[:, 0] ** 2, at_most=0.5, name="energy").title
    'E energy <= 0.5'
    """

    g: OfStates | Loss
    equals: float | None = None
    at_most: float | None = None
    gradient: OfStates | None = None
    name: str = ""
    tolerance: float = TOLERANCE

    def __post_init__(self) -> None:
        if (self.equals is None) == (self.at_most is None):
            told = "neither" if self.equals is None else "both"
            raise mismatch("constraint", f"{told} of equals= and at_most=", "exactly one of them, such as at_most=0.5")
        array("at_most" if self.equals is None else "equals", self.bound, ndim=0, like="equals=0.5")
        if isinstance(self.g, Loss):
            self._check_loss(self.g)
        self.loss  # noqa: B018  checks the function
        if not isinstance(self.name, str):
            raise fail("name", self.name, 'a text, such as name="energy"')
        positive("tolerance", self.tolerance)

    def _check_loss(self, loss: Loss) -> None:
        if self.gradient is not None:
            raise mismatch("gradient", "a gradient for a loss, which has its own", "no gradient=")
        if loss.trained or any(isinstance(term, DensityCost) for _, term in loss.terms):
            told = (
                "a read-out that is trained" if loss.trained else "a cost of the density, which is not an expectation"
            )
            raise mismatch("g", told, "a function of states, or a loss of states and labels with fixed numbers")

    @property
    def equality(self) -> bool:
        """Whether the constraint is an equality."""
        return self.equals is not None

    @property
    def bound(self) -> float:
        """The number c."""
        given = self.at_most if self.equals is None else self.equals
        assert given is not None
        return given

    @cached_property
    def loss(self) -> Loss:
        """The function g as a loss of states and labels."""
        return self.g if isinstance(self.g, Loss) else StateLoss(self.g, self.gradient)

    @property
    def title(self) -> str:
        """The constraint in words, such as "E energy <= 0.5"."""
        return f"E {self.called} {'=' if self.equality else '<='} {self.bound:.6g}"

    @property
    def called(self) -> str:
        """The name that was given, or that of the function or loss."""
        if self.name:
            return self.name
        own = self.g.__name__ if isinstance(self.g, FunctionType) else type(self.g).__name__
        return "g" if own == "<lambda>" else own

    def expectations(self, dim: int) -> tuple[Expectation, ...]:
        return (self,)
