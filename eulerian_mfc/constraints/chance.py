"""Chance constraints: the probability of a set at the final time, by a smoothed indicator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._validate import array, fail, positive
from ..kernels.special import ndtr
from ..losses.state_loss import OfStates
from .expectation import TOLERANCE, Constraint, Expectation


@dataclass(frozen=True)
class SmoothedIndicator:
    """`s(g) = Phi(g / width)` with the normal distribution Phi: the indicator of `g > 0`, smoothed.

    Parameters
    ----------
    g : a function of states `(n, d)` with values `(n,)`.
    width : in units of g.

    Examples
    --------
    >>> SmoothedIndicator(lambda x: x[:, 0], 0.1)(np.array([[0.0], [5.0]])).tolist()
    [0.5, 1.0]
    """

    g: OfStates
    width: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(ndtr(np.asarray(self.g(x)) / self.width))


@dataclass(frozen=True)
class IndicatorGradient:
    """The gradient of a `SmoothedIndicator`, from that of g.

    Parameters
    ----------
    indicator : the smoothed indicator.
    gradient : the gradient of its g, states `(n, d)` -> `(n, d)`.

    Examples
    --------
    >>> smooth = SmoothedIndicator(lambda x: x[:, 0], 0.25)
    >>> IndicatorGradient(smooth, np.ones_like)(np.zeros((1, 1))).round(4).tolist()
    [[1.5958]]
    """

    indicator: SmoothedIndicator
    gradient: OfStates

    def __call__(self, x: np.ndarray) -> np.ndarray:
        z = np.asarray(self.indicator.g(x)) / self.indicator.width
        bell = np.exp(-0.5 * z**2) / (np.sqrt(2.0 * np.pi) * self.indicator.width)
        return np.asarray(bell[:, None] * self.gradient(x))


@dataclass(frozen=True, eq=False)
class ChanceConstraint(Constraint):
    """The constraint `P(g(X(T)) > 0) <= p`, with a smoothed indicator: `E Phi(g(X(T)) / width) <= p`.

    Phi is the normal distribution, so that `P(g(X(T)) + width Z > 0)` is what is bounded, with an independent standard
    normal Z. It differs from `P(g(X(T)) > 0)` by `-width^2/2 f'(0)` and terms of order `width^4`, where f is the density of
    `g(X(T))`; where f falls towards unwanted states, it is larger. The width should not be smaller than the change of g
    within a cell.

    Parameters
    ----------
    g : a function `x (n, d) -> (n,)`, positive where states should not be.
    at_most : the probability p, between 0 and 1.
    width : the width of the smoothed step, in units of g.
    gradient : the gradient of g, `x (n, d) -> (n, d)`; by default the complex step.
    name : the name in messages, tables and files.
    tolerance : as for `Expectation`; the deviation is that of the smoothed indicator.

    Raises
    ------
    ArgumentError
        If p is not a number between 0 and 1, the width is not positive, or g is not a function.

    References
    ----------
    docs/constraints.md.

    Examples
    --------
    >>> from eulerian_mfc.constraints import ChanceConstraint
    >>> ChanceConstraint(lambda x: x[:, 0] - 1.0, at_most=0.05, width=0.1).expectations(1)[0].title
    'E chance <= 0.05'
    """

    g: OfStates
    at_most: float
    width: float
    gradient: OfStates | None = None
    name: str = "chance"
    tolerance: float = TOLERANCE

    def __post_init__(self) -> None:
        if not 0.0 < array("at_most", self.at_most, ndim=0, like="at_most=0.05").item() < 1.0:
            raise fail("at_most", self.at_most, "a probability between 0 and 1, such as at_most=0.05")
        positive("width", self.width)
        if not callable(self.g):
            raise fail("g", self.g, "a function x (n, d) -> (n,), positive where states should not be")
        self.expectations(1)

    def expectations(self, dim: int) -> tuple[Expectation, ...]:
        smooth = SmoothedIndicator(self.g, self.width)
        slope = None if self.gradient is None else IndicatorGradient(smooth, self.gradient)
        return (Expectation(smooth, at_most=self.at_most, gradient=slope, name=self.name, tolerance=self.tolerance),)
