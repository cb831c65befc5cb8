"""Losses of the state alone, such as obstacle potentials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .._validate import array, fail, mismatch, own, returned, takes
from ..derivatives.checks import check_derivative
from ..derivatives.complex_step import complex_step_jacobian, passed_as
from .base import Loss, by_labels
from .separable import Separable, of_states

#: the name in messages of a function without a gradient, and the code that passes the gradient
NAME = "the loss StateLoss: its function"
FORM = "StateLoss(function, state_gradient=...), of x (n, d) with values (n, d)"
#: a function of states `(n, d)`
OfStates = Callable[[np.ndarray], np.ndarray]
#: states at which a gradient is compared with differences
CHECKED = 16


@dataclass(frozen=True, eq=False)
class StateLoss(Loss):
    """A loss that does not depend on the label, `loss(x, y) = function(x)`: for example the potential of an obstacle.

    Its only field on the mesh is the density of the states, so it fits every other loss: as a term of a sum, or as the running
    loss.

    Parameters
    ----------
    function : `x (n, d) -> (n,)`, the losses at states x.
    state_gradient : `x (n, d) -> (n, d)`, needed only by particles and error budgets; by default computed by the complex step.

    Raises
    ------
    ArgumentError
        If `function` is not a function or returns other shapes, or `state_gradient` is wrong.
    NotAnalyticError
        If the complex step does not give the derivative of the function.

    References
    ----------
    W. Squire, G. Trapp, Using complex variables to estimate derivatives of real functions, SIAM Review 40 (1998), 110-112,
    doi:10.1137/S003614459631241X (the complex step).

    Examples
    --------
    >>> from eulerian_mfc.losses import StateLoss
    >>> obstacle = StateLoss(lambda x: 5.0 * np.exp(-((x**2).sum(axis=1)) / 0.1))
    >>> obstacle.value(np.array([[0.0, 0.0]]), np.array([[1.0]])).tolist()
    [5.0]
    """

    function: OfStates
    state_gradient: OfStates | None = None

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise fail("function", self.function, "a function x (n, d) -> (n,)")
        takes("function", self.function, "x")

    def _values(self, x: np.ndarray) -> np.ndarray:
        value = array("function", self.function(own(x)), finite=False)
        if value.shape != (len(x),):
            raise mismatch("function", f"a loss of shape {value.shape} at states {x.shape}", f"the shape ({len(x)},)")
        return value

    def _slopes(self, x: np.ndarray) -> np.ndarray:
        column = lambda z: np.asarray(self.function(z))[:, None]  # noqa: E731
        given = self.state_gradient is not None
        with passed_as(FORM):
            if self.state_gradient is not None:
                full = returned("state_gradient", self.state_gradient(own(x)), np.float64)[:, None]
            else:
                full = complex_step_jacobian(lambda z: np.repeat(column(z), x.shape[1], axis=1), x, NAME)[:, :1]
            few = np.unique(np.linspace(0, len(x) - 1, min(len(x), CHECKED)).round().astype(int))
            scale = np.ptp(x, axis=0) if len(x) else np.ones(x.shape[1])
            name = "state_gradient" if given else NAME
            check_derivative(name, column, full[few], x[few], given, np.where(scale > 0, scale, 1.0))
        return full[:, 0]

    def value(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._values(x)

    def gradient(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._slopes(x)

    def separate(self, dim: int, label_dim: int, labels: np.ndarray | None, form: str) -> Separable:
        self._values(np.zeros((2, dim)))
        if form == "labels" and labels is not None:
            return by_labels(self, labels)
        return of_states(self._values, self._slopes)
