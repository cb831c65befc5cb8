"""Losses and their exact separable form.

The labels never move, so a loss `c_0(y) + sum_r a_r(x) c_r(y)` needs R scalar fields on the mesh of the states, for
any joint law of (X, Y): the moments `m_r = int c_r(y) mu(., dy)` and the potentials `psi_r(T) = a_r`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ._validate import array, fail, integer, mismatch
from .fields.base import check_derivative, complex_step_jacobian


class Separable(NamedTuple):
    """`loss(x, y) = offset(y) + sum_r terminal(x)[r] moments(y)[r]`.

    Attributes
    ----------
    names : R names of the moments.
    terminal : points `(n, d)` -> `(R, n)`, the final potentials a_r.
    moments : labels `(n, q)` -> `(R, n)`, the c_r.
    offset : labels `(n, q)` -> `(n,)`, c_0.
    terminal_gradient : points `(n, d)` -> `(R, n, d)`, the gradients of the a_r.
    total : `(R,)` coefficients with `sum_r total_r m_r` = the density of X.
    labels : `(K, q)` where the moments are densities of single labels, else None.
    signed : R flags, whether a moment may be negative (none where left out).
    """

    names: tuple[str, ...]
    terminal: Callable[[np.ndarray], np.ndarray]
    moments: Callable[[np.ndarray], np.ndarray]
    offset: Callable[[np.ndarray], np.ndarray]
    terminal_gradient: Callable[[np.ndarray], np.ndarray]
    total: np.ndarray
    labels: np.ndarray | None
    signed: tuple[bool, ...] = ()


class Loss(ABC):
    """A loss function of a state and a label."""

    @abstractmethod
    def value(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """`(n,)` losses at states `(n, d)` and labels `(n, q)`."""

    @abstractmethod
    def gradient(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """`(n, d)` gradients in the state."""

    @abstractmethod
    def separate(self, dim: int, label_dim: int, labels: np.ndarray | None, form: str) -> Separable:
        """The separable form: `form` is "moments", "labels", or "auto" for the one with fewer fields."""


def by_labels(loss: Loss, labels: np.ndarray) -> Separable:
    """One field a label: `a_k = loss(., y_k)`, `c_k = 1{y = y_k}`."""

    def each(function: Callable[[np.ndarray, np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
        return np.stack([function(x, np.broadcast_to(y, (len(x), len(y)))) for y in labels])

    def moments(y: np.ndarray) -> np.ndarray:
        return np.equal(label_index(y, labels), np.arange(len(labels))[:, None]).astype(np.float64)

    names = tuple("y=" + ",".join(f"{v:g}" for v in y) for y in labels)
    return Separable(
        names,
        lambda x: each(loss.value, x),
        moments,
        lambda y: np.zeros(len(y)),
        lambda x: each(loss.gradient, x),
        np.ones(len(labels)),
        labels,
    )


def seen(loss: Loss, dim: int) -> tuple[Loss, int]:
    """The loss itself and how many of `dim` coordinates it sees, without the wrappers of augmented problems."""
    while isinstance(loss, FirstCoordinates):
        dim, loss = loss.dim, loss.loss
    return loss, dim


def label_index(y: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """`(n,)` the row of `labels` that each of the labels `(n, q)` is; ArgumentError for one that is not there."""
    index = np.zeros(len(y), dtype=np.int64)
    best = np.full(len(y), np.inf)
    for k, label in enumerate(labels):
        distance = np.abs(y - label).max(axis=1)
        index[distance < best] = k
        best = np.minimum(best, distance)
    if not (best <= 1e-9 * (1 + np.abs(labels).max())).all():
        raise fail("labels", labels.tolist(), f"a list that holds the law's label {y[best.argmax()].tolist()}")
    return index


@dataclass(frozen=True)
class SquaredLoss(Loss):
    """`loss(x, y) = |x - y|^2`. By moments: R = 1 + q, `a = (|x|^2, -2 x)`, `c = (1, y)`, `c_0 = |y|^2`."""

    def value(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return ((x - y) ** 2).sum(axis=1)

    def gradient(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return 2.0 * (x - y)

    def separate(self, dim: int, label_dim: int, labels: np.ndarray | None, form: str) -> Separable:
        if label_dim != dim:
            raise mismatch(
                "law", f"labels of dimension {label_dim}", f"labels of the dimension {dim} of the state for SquaredLoss"
            )
        if form == "labels" or (form == "auto" and labels is not None and len(labels) <= 1 + label_dim):
            if labels is None:
                raise fail("representation", "labels", "'moments' or 'auto': the law has more than 64 distinct labels")
            return by_labels(self, labels)
        ones = lambda z: np.ones((1, len(z)))  # noqa: E731
        return Separable(
            ("mass", *(("moment y",) if dim == 1 else (f"moment y{i + 1}" for i in range(dim)))),
            lambda x: np.concatenate([(x**2).sum(axis=1)[None], -2.0 * x.T]),
            lambda y: np.concatenate([ones(y), y.T]),
            lambda y: (y**2).sum(axis=1),
            lambda x: np.stack([2.0 * x, *(np.broadcast_to(-2.0 * e, x.shape) for e in np.eye(dim))]),
            np.eye(1 + dim)[0],
            None,
            (False, *([True] * dim)),
        )


@dataclass(frozen=True, eq=False)
class LabelLoss(Loss):
    """Any loss with finitely many labels.

    Parameters
    ----------
    function : `(x (n, d), y (q,)) -> (n,)`, the loss at states x for one label y.
    labels : `(K, q)` or `(K,)`, every label that the law has.
    state_gradient : `(x, y) -> (n, d)`; only particles need it; by the complex step where not given.
    """

    function: Callable[[np.ndarray, np.ndarray], np.ndarray]
    labels: Any
    state_gradient: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None

    def __post_init__(self) -> None:
        labels = array("labels", self.labels, ndim=(1, 2))
        object.__setattr__(self, "labels", labels.reshape(len(labels), -1))
        if not callable(self.function):
            raise fail("function", self.function, "a function (x (n, d), y (q,)) -> (n,)")

    def _one(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        value = np.asarray(self.function(x, y), dtype=np.float64)
        if value.shape != (len(x),):
            raise mismatch("function", f"a loss of shape {value.shape} at states {x.shape}", f"the shape ({len(x)},)")
        return value

    def _each(self, x: np.ndarray, y: np.ndarray, function: Any, out: np.ndarray) -> np.ndarray:
        index = label_index(y, self.labels)
        for k, label in enumerate(self.labels):
            out[index == k] = function(x[index == k], label)
        return out

    def value(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._each(x, y, self._one, np.empty(len(x)))

    def gradient(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._each(x, y, self._gradient_one, np.empty(x.shape))

    def _gradient_one(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        column = lambda z: np.asarray(self.function(z, y))[:, None]  # noqa: E731
        given = self.state_gradient is not None
        if self.state_gradient is not None:
            full = np.asarray(self.state_gradient(x, y), dtype=np.float64)[:, None]
        else:
            full = complex_step_jacobian(lambda z: np.repeat(column(z), x.shape[1], axis=1), x, "function")[:, :1]
        check_derivative("state_gradient" if given else "function", column, full[:5], x[:5], given)
        return full[:, 0]

    def separate(self, dim: int, label_dim: int, labels: np.ndarray | None, form: str) -> Separable:
        if form == "moments":
            raise fail("representation", form, "'labels' or 'auto': LabelLoss has one field a label")
        if self.labels.shape[1] != label_dim:
            raise mismatch(
                "labels",
                f"labels of dimension {self.labels.shape[1]}",
                f"the dimension {label_dim} of the law's labels",
            )
        self._one(np.zeros((2, dim)), self.labels[0])
        return by_labels(self, self.labels)


@dataclass(frozen=True)
class FirstCoordinates(Loss):
    """`loss(x_1..x_dim, y)`: a loss of the first coordinates of the state, whatever the others are.

    What an augmented problem is judged by (see `Problem.augmented`): its extra coordinates are free.

    Parameters
    ----------
    loss : the loss of a state in dimension `dim`.
    dim : how many coordinates it sees.
    """

    loss: Loss
    dim: int

    def __post_init__(self) -> None:
        if not isinstance(self.loss, Loss):
            raise fail("loss", self.loss, "a Loss")
        integer("dim", self.dim)

    def value(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self.loss.value(x[:, : self.dim], y)

    def gradient(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._padded(self.loss.gradient(x[:, : self.dim], y), x)

    def _padded(self, gradient: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Gradients `(..., n, dim)` -> `(..., n, d)`: none in the coordinates that are not seen."""
        zeros = np.zeros((*gradient.shape[:-1], x.shape[1] - self.dim))
        return np.concatenate([gradient, zeros], axis=-1)

    def separate(self, dim: int, label_dim: int, labels: np.ndarray | None, form: str) -> Separable:
        if self.dim > dim:
            raise mismatch("loss", f"a loss of {self.dim} coordinates", f"at most the dimension {dim} of the state")
        inner = self.loss.separate(self.dim, label_dim, labels, form)
        return inner._replace(
            terminal=lambda x: inner.terminal(x[:, : self.dim]),
            terminal_gradient=lambda x: self._padded(inner.terminal_gradient(x[:, : self.dim]), x),
        )
