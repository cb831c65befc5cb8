"""A loss for finitely many labels, from a NumPy function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._frozen import frozen
from .._validate import array, fail, mismatch, own, returned, takes
from ..derivatives.checks import check_derivative
from ..derivatives.complex_step import complex_step_jacobian, passed_as
from .base import Loss, by_labels
from .labels import label_index
from .separable import Separable

#: the name in messages of a function without a gradient, and the code that passes the gradient
NAME = "the loss LabelLoss: its function"
FORM = "LabelLoss(function, labels, state_gradient=...), of (x (n, d), y (q,)) with values (n, d)"
#: a function of states `(n, d)` and one label `(q,)`
OfOneLabel = Callable[[np.ndarray, np.ndarray], np.ndarray]
#: states at which a gradient is compared with differences
CHECKED = 16


@dataclass(frozen=True, eq=False)
class LabelLoss(Loss):
    """A loss for finitely many labels, with one field per label: `a_k = loss(., y_k)`, `c_k = 1{y = y_k}`.

    Parameters
    ----------
    function : `(x (n, d), y (q,)) -> (n,)`, the losses at states x for one label y.
    labels : `(K, q)` or `(K,)`, every label that the law has.
    state_gradient : `(x, y) -> (n, d)`, needed only by particles and error budgets; by default computed by the complex step.

    Raises
    ------
    ArgumentError
        If `function` is not a function or returns other shapes, `labels` is not an array, or `state_gradient` is wrong. From
        `separate`, if the labels are not the law's.
    NotAnalyticError
        If the complex step does not give the derivative of the function.

    References
    ----------
    W. Squire, G. Trapp, Using complex variables to estimate derivatives of real functions, SIAM Review 40 (1998), 110-112,
    doi:10.1137/S003614459631241X (the complex step).

    Examples
    --------
    >>> from eulerian_mfc.losses import LabelLoss
    >>> loss = LabelLoss(lambda x, y: ((x - y) ** 4).sum(axis=1), labels=[0.0, 1.0])
    >>> loss.value(np.array([[3.0]]), np.array([[1.0]])).tolist()
    [16.0]
    """

    function: OfOneLabel
    labels: Any
    state_gradient: OfOneLabel | None = None

    def __post_init__(self) -> None:
        labels = array("labels", self.labels, ndim=(1, 2), like="labels=[-1.0, 1.0]")
        if not labels.size:
            raise fail("labels", self.labels, "at least one label")
        object.__setattr__(self, "labels", frozen(labels.reshape(len(labels), -1)))
        if not callable(self.function):
            raise fail("function", self.function, "a function (x (n, d), y (q,)) -> (n,)")
        takes("function", self.function, "x, y")

    def _one(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        value = array("function", self.function(own(x), own(y)), finite=False)
        if value.shape != (len(x),):
            raise mismatch("function", f"a loss of shape {value.shape} at states {x.shape}", f"the shape ({len(x)},)")
        return value

    def _each(self, x: np.ndarray, y: np.ndarray, function: OfOneLabel, out: np.ndarray) -> np.ndarray:
        index = label_index(y, self.labels)
        for k, label in enumerate(self.labels):
            out[index == k] = function(x[index == k], label)
        return out

    def value(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._each(x, y, self._one, np.empty(len(x)))

    def gradient(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        with passed_as(FORM):
            return self._each(x, y, self._gradient_one, np.empty(x.shape))

    def _gradient_one(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        column = lambda z: np.asarray(self.function(z, y))[:, None]  # noqa: E731
        given = self.state_gradient is not None
        if self.state_gradient is not None:
            full = returned("state_gradient", self.state_gradient(own(x), own(y)), np.float64)[:, None]
        else:
            full = complex_step_jacobian(lambda z: np.repeat(column(z), x.shape[1], axis=1), x, NAME)[:, :1]
        # Checked at every call, since the states move, at a few of the states from the first to the last.
        few = np.unique(np.linspace(0, len(x) - 1, min(len(x), CHECKED)).round().astype(int))
        spread = x.max(axis=0, initial=-np.inf) - x.min(axis=0, initial=np.inf)
        scale = np.where(spread > 0, spread, np.abs(x).max(axis=0, initial=0.0))
        name, at = "state_gradient" if given else NAME, f", label {y.tolist()}"
        check_derivative(name, column, full[few] if len(full) == len(x) else full, x[few], given, scale, at)
        return full[:, 0]

    def separate(self, dim: int, label_dim: int, labels: np.ndarray | None, form: str) -> Separable:
        if form == "moments":
            raise fail("representation", form, "'labels' or 'auto', since LabelLoss has one field per label")
        if self.labels.shape[1] != label_dim:
            raise mismatch(
                "labels",
                f"labels of dimension {self.labels.shape[1]}",
                f"the dimension {label_dim} of the law's labels",
            )
        self._one(np.zeros((2, dim)), self.labels[0])
        return by_labels(self, self.labels)
