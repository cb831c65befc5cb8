"""Losses and their exact separable form.

The labels never move, so a loss `c_0(y) + sum_r a_r(x) c_r(y)` needs R scalar fields on the mesh of the states, for
any joint law of (X, Y): the moments `m_r = int c_r(y) mu(., dy)` and the potentials `psi_r(T) = a_r`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .._frozen import frozen
from .._names import label_texts
from .._validate import fail, mismatch
from .readout import Readout, Spec, TrainedReadout
from .readout_training import Training

#: largest difference of the entries of two labels that count as equal, relative to one plus the largest entry
SAME_LABEL = 1e-9


class Separable(NamedTuple):
    """`loss(x, y) = offset(y) + sum_r terminal(x)[r] moments(y)[r]`.

    Attributes
    ----------
    names : the R names of the moments.
    terminal : points `(n, d)` -> `(R, n)`, the final potentials a_r.
    moments : labels `(n, q)` -> `(R, n)`, the c_r.
    offset : labels `(n, q)` -> `(n,)`, c_0.
    terminal_gradient : points `(n, d)` -> `(R, n, d)`, the gradients of the a_r.
    total : `(R,)` coefficients such that `sum_r total_r m_r` is the density of X.
    labels : `(K, q)` if the moments are densities of single labels, otherwise None.
    signed : R flags, whether a moment may be negative; by default none may.
    training : how a read-out is trained together with the control; None if the loss has no trained read-out. With
        training, `terminal` is that of the read-out from `Training.fit`.

    References
    ----------
    docs/theory/reduction.md proves that R fields on the state's mesh suffice.

    Examples
    --------
    >>> from eulerian_mfc.losses import SquaredLoss
    >>> form = SquaredLoss().separate(1, 1, None, "moments")
    >>> form.names, form.terminal(np.array([[3.0]])).ravel().tolist()  # |x|^2 and -2 x
    (('mass', 'moment y'), [9.0, -6.0])
    """

    names: tuple[str, ...]
    terminal: Callable[[np.ndarray], np.ndarray]
    moments: Callable[[np.ndarray], np.ndarray]
    offset: Callable[[np.ndarray], np.ndarray]
    terminal_gradient: Callable[[np.ndarray], np.ndarray]
    total: np.ndarray
    labels: np.ndarray | None
    signed: tuple[bool, ...] = ()
    training: Training | None = None


class Loss(ABC):
    """A loss `loss(x, y)` of a final state x and a label y, which `separate` writes as `c_0(y) + sum_r a_r(x) c_r(y)`.

    States are `(n, d)` in units of the state, labels `(n, q)`, values `(n,)` in units of the cost. A subclass defines `value` and
    `gradient`, which is enough for laws with finitely many labels. A loss with another form, such as one by moments, defines
    `separate` too.

    Raises
    ------
    ArgumentError
        From `separate`, if the loss has no such form, or its dimensions or labels are not the law's.

    References
    ----------
    docs/theory/reduction.md has the proposition, and the number R for each loss.

    Examples
    --------
    >>> from eulerian_mfc.losses import Loss
    >>> class Fourth(Loss):
    ...     def value(self, x, y):
    ...         return ((x - y) ** 4).sum(axis=1)
    ...     def gradient(self, x, y):
    ...         return 4.0 * (x - y) ** 3
    >>> Fourth().separate(1, 1, np.array([[0.0], [1.0]]), "auto").terminal(np.array([[2.0]])).ravel().tolist()
    [16.0, 1.0]
    """

    #: the map from the state to the argument of the loss: a Readout or a TrainedReadout; None if there is no such map
    readout: Readout | TrainedReadout | None = None

    @abstractmethod
    def value(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """`(n,)` losses at states `(n, d)` and labels `(n, q)`."""

    @abstractmethod
    def gradient(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """`(n, d)` gradients in the state."""

    def separate(self, dim: int, label_dim: int, labels: np.ndarray | None, form: str) -> Separable:
        """The separable form: `form` is "moments", "labels", or "auto" for the form with fewer fields.

        `labels` are the law's labels, `(K, q)`, or None if there are not finitely many; q is `label_dim`. Here the form has one
        field per label.

        Raises
        ------
        ArgumentError
            If the loss has no such form, or its dimensions or labels are not the law's.
        """
        if form == "moments":
            raise fail(
                "representation", form, f"'labels' or 'auto', since {type(self).__name__} has one field per label"
            )
        if labels is None:
            raise fail(
                "loss",
                self,
                "a loss that defines the method `separate` itself, since the law has more than 64 distinct labels",
            )
        states = np.zeros((2, dim))
        pairs = states, np.broadcast_to(labels[0], (2, label_dim))
        for name, found, shape in (
            ("loss.value", np.shape(self.value(*pairs)), (2,)),
            ("loss.gradient", np.shape(self.gradient(*pairs)), (2, dim)),
        ):
            if found != shape:
                raise mismatch(name, f"an array of shape {found} for 2 states of dimension {dim}", f"the shape {shape}")
        return by_labels(self, labels)

    def __setstate__(self, state: dict[str, object]) -> None:
        """Restore a pickled or copied loss: its arrays are read-only again."""
        self.__dict__.update({k: frozen(v) if isinstance(v, np.ndarray) else v for k, v in state.items()})

    @property
    def trained(self) -> bool:
        """Whether the loss has a read-out that is trained together with the control."""
        return False

    def with_readout(self, readout: Readout) -> Loss:
        """The loss with a fixed read-out in place of the trained one; only for losses with a read-out."""
        raise fail("loss", self, "a loss with a read-out")

    def output(self, x: np.ndarray) -> np.ndarray:
        """The outputs `(n, p)` that the loss compares with the label: the states themselves, or their read-out."""
        return x

    def misfit(self, x: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """`(n, K)`: the loss of every state `(n, d)` for every label `(K, q)`, without class weights; used for predictions."""
        return np.stack([self.value(x, np.broadcast_to(y, (len(x), len(y)))) for y in labels], axis=1)

    def spec(self) -> Spec | None:
        """JSON-ready arguments that rebuild the loss (see `losses.from_spec`); None if it holds user functions."""
        return None


def by_labels(loss: Loss, labels: np.ndarray) -> Separable:
    """One field per label: `a_k = loss(., y_k)`, `c_k = 1{y = y_k}`.

    Parameters
    ----------
    loss : the loss, of which `value` and `gradient` are used.
    labels : `(K, q)`, every label of the law.

    Raises
    ------
    ArgumentError
        From the form's `moments`, for labels that are not in the list.

    Examples
    --------
    >>> from eulerian_mfc.losses import SquaredLoss
    >>> form = by_labels(SquaredLoss(), np.array([[-1.0], [1.0]]))
    >>> form.names, form.terminal(np.array([[0.5]])).ravel().tolist()
    (('y=-1', 'y=1'), [2.25, 0.25])
    """

    def each(function: Callable[[np.ndarray, np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
        return np.stack([function(x, np.broadcast_to(y, (len(x), len(y)))) for y in labels])

    def moments(y: np.ndarray) -> np.ndarray:
        return np.equal(label_index(y, labels), np.arange(len(labels))[:, None]).astype(np.float64)

    return Separable(
        label_names(labels),
        lambda x: each(loss.value, x),
        moments,
        lambda y: np.zeros(len(y)),
        lambda x: each(loss.gradient, x),
        np.ones(len(labels)),
        labels,
    )


def label_names(labels: np.ndarray) -> tuple[str, ...]:
    """Distinct names of the densities of single labels `(K, q)`, with as many digits as the distinction requires.

    Examples
    --------
    >>> label_names(np.array([[-1.0], [0.5]]))
    ('y=-1', 'y=0.5')
    """
    return tuple(f"y={text}" for text in label_texts(labels))


def same_labels(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays of labels `(K, q)` hold the same labels in the same order, up to round-off.

    Examples
    --------
    >>> same_labels(np.array([[1.0]]), np.array([[1.0 + 1e-12]]))
    True
    """
    return bool(np.abs(a - b).max(initial=0.0) <= SAME_LABEL * np.abs(b).max(initial=0.0))


def label_index(y: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """`(n,)`: for each of the labels `y` `(n, q)` its row in `labels`; ArgumentError for a label that is not there.

    Examples
    --------
    >>> label_index(np.array([[1.0], [-1.0], [1.0]]), np.array([[-1.0], [1.0]])).tolist()
    [1, 0, 1]
    """
    index = np.zeros(len(y), dtype=np.int64)
    best = np.full(len(y), np.inf)
    for k, label in enumerate(labels):
        distance = np.abs(y - label).max(axis=1)
        index[distance < best] = k
        best = np.minimum(best, distance)
    if not (best <= SAME_LABEL * np.abs(labels).max()).all():
        raise fail("labels", labels.tolist(), f"a list that holds the law's label {y[best.argmax()].tolist()}")
    return index
