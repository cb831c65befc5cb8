"""Losses of a read-out: the base of cross-entropy, hinge, Huber and the squared loss."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from .._frozen import frozen
from .._validate import array, fail, mismatch
from .base import Loss, by_labels
from .labels import label_index
from .readout import Readout, Spec, TrainedReadout
from .readout_training import Heads, Training
from .separable import Separable


class OutputLoss(Loss):
    """`loss(x, y) = phi(A x + b, y)` with a `readout`: a Readout, a TrainedReadout, or None for `phi(x, y)`.

    Examples
    --------
    >>> from eulerian_mfc.losses import Readout, SquaredLoss
    >>> SquaredLoss(Readout([[1.0, 2.0]])).output(np.array([[3.0, 4.0]])).tolist()
    [[11.0]]
    """

    #: the name of the loss in the registry and in files
    name: ClassVar[str]

    def __post_init__(self) -> None:
        if self.readout is not None and not isinstance(self.readout, Readout | TrainedReadout):
            raise fail("readout", self.readout, "losses.Readout(matrix, bias), losses.TrainedReadout() or None")

    @property
    def trained(self) -> bool:
        return isinstance(self.readout, TrainedReadout)

    def with_readout(self, readout: Readout) -> Loss:
        return replace(self, readout=readout)  # type: ignore[type-var]

    def output(self, x: np.ndarray) -> np.ndarray:
        if isinstance(self.readout, TrainedReadout):
            raise fail(
                "readout",
                self.readout,
                "a Readout: this read-out is trained, and the trained one is in `solution.loss`",
            )
        return x if self.readout is None else self.readout(x)

    def gradient(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        slope = self.slope(self.output(x), y)
        return slope if self.readout is None else slope @ self.readout.matrix  # type: ignore[union-attr]

    def value(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self.phi(self.output(x), y)

    @abstractmethod
    def phi(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        """`(n,)` losses of outputs `(n, p)` and labels `(n, q)`."""

    @abstractmethod
    def slope(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        """`(n, p)` derivatives of `phi` in the outputs."""

    @abstractmethod
    def bend(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        """`(n, p, p)` second derivatives."""

    def _check_outputs(self, outputs: int, dim: int) -> None:
        """ArgumentError if states of dimension `dim` do not give `outputs` outputs."""
        if isinstance(self.readout, Readout):
            self.readout.check(outputs, dim)
        elif self.readout is None and outputs != dim:
            raise mismatch(
                "readout",
                f"no read-out, for states of dimension {dim}",
                f"losses.Readout or losses.TrainedReadout, since {type(self).__name__} needs {outputs} outputs here",
            )

    def _of_states(self, form: Separable, heads: Heads, outputs: int, dim: int) -> Separable:
        """The separable form in the states, from a separable form in the outputs."""
        if isinstance(self.readout, TrainedReadout):
            training = Training(heads, outputs, dim, self.readout.penalty)
            return form._replace(terminal=self.output, terminal_gradient=self.output, training=training)  # both refuse
        if self.readout is None:
            return form._replace(terminal=heads.value, terminal_gradient=heads.slope)
        out = self.readout
        return form._replace(
            terminal=lambda x: heads.value(out(x)), terminal_gradient=lambda x: heads.slope(out(x)) @ out.matrix
        )

    def _of_labels(self, labels: np.ndarray, outputs: int, dim: int) -> Separable:
        """The separable form with one field per label."""

        def each(function: Callable[[np.ndarray, int], np.ndarray], z: np.ndarray) -> np.ndarray:
            return np.stack([function(z, k) for k in range(len(labels))])

        value, slope, bend = self._by_label(labels)
        heads = Heads(
            lambda z: each(value, z),
            lambda z: each(slope, z),
            lambda z, masses: np.einsum("rn,rnpq->npq", masses, each(bend, z)),
        )
        return self._of_states(by_labels(self, labels), heads, outputs, dim)

    def _by_label(self, labels: np.ndarray) -> tuple[Callable[[np.ndarray, int], np.ndarray], ...]:
        """`phi`, `slope` and `bend` as functions of the outputs and of the label's row in `labels`."""

        def at(function: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[[np.ndarray, int], np.ndarray]:
            return lambda z, k: function(z, np.broadcast_to(labels[k], (len(z), labels.shape[1])))

        return at(self.phi), at(self.slope), at(self.bend)

    def spec(self) -> Spec:
        return {"type": self.name, "readout": None if self.readout is None else self.readout.spec()}


@dataclass(frozen=True, eq=False)
class LabelledOutputLoss(OutputLoss):
    """A loss of outputs for finitely many labels, `weights_k phi_k(A x + b)`.

    Parameters
    ----------
    labels : `(K,)` or `(K, q)`, every label that the law has.
    readout : a Readout, a TrainedReadout, or None for the states themselves.
    weights : `(K,)` positive numbers, one per label; 1 by default.

    Examples
    --------
    >>> from eulerian_mfc.losses import Hinge
    >>> Hinge(labels=[0.0, 1.0], weights=[1.0, 5.0]).weights.tolist()
    [1.0, 5.0]
    """

    labels: Any
    readout: Readout | TrainedReadout | None = None
    weights: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        labels = array("labels", self.labels, ndim=(1, 2), like="labels=[-1.0, 1.0]")
        labels = labels.reshape(len(labels), -1)
        if len(labels) < 2 or len(np.unique(labels, axis=0)) != len(labels):
            raise fail("labels", self.labels, "two or more labels that differ")
        object.__setattr__(self, "labels", frozen(labels))
        ones = np.ones(len(labels))
        weights = (
            ones if self.weights is None else array("weights", self.weights, ndim=1, like=f"weights={ones.tolist()}")
        )
        if len(weights) != len(labels) or not (weights > 0).all():
            raise fail("weights", self.weights, f"{len(labels)} numbers > 0, one per label")
        object.__setattr__(self, "weights", frozen(weights))

    @property
    @abstractmethod
    def outputs(self) -> int:
        """The number p of outputs."""

    @abstractmethod
    def value_for(self, z: np.ndarray, k: int) -> np.ndarray:
        """`(n,)`: phi_k of outputs `(n, p)`, for the label k."""

    @abstractmethod
    def gradient_for(self, z: np.ndarray, k: int) -> np.ndarray:
        """`(n, p)` derivatives of phi_k."""

    @abstractmethod
    def hessian_for(self, z: np.ndarray, k: int) -> np.ndarray:
        """`(n, p, p)` second derivatives of phi_k."""

    def _each(
        self, function: Callable[[np.ndarray, int], np.ndarray], z: np.ndarray, y: np.ndarray, *shape: int
    ) -> np.ndarray:
        index = label_index(y, self.labels)
        out = np.empty((len(z), *shape))
        for k in np.unique(index):
            rows = index == k
            out[rows] = self.weights[k] * function(z[rows], int(k))
        return out

    def phi(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._each(self.value_for, z, y)

    def slope(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._each(self.gradient_for, z, y, z.shape[1])

    def bend(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._each(self.hessian_for, z, y, z.shape[1], z.shape[1])

    def _by_label(self, labels: np.ndarray) -> tuple[Callable[[np.ndarray, int], np.ndarray], ...]:
        def weighted(function: Callable[[np.ndarray, int], np.ndarray]) -> Callable[[np.ndarray, int], np.ndarray]:
            return lambda z, k: self.weights[k] * function(z, k)

        return weighted(self.value_for), weighted(self.gradient_for), weighted(self.hessian_for)

    def misfit(self, x: np.ndarray, labels: np.ndarray) -> np.ndarray:
        z = self.output(x)
        return np.stack([self.value_for(z, int(k)) for k in label_index(labels, self.labels)], axis=1)

    def separate(self, dim: int, label_dim: int, labels: np.ndarray | None, form: str) -> Separable:
        if form == "moments":
            raise fail(
                "representation", form, f"'labels' or 'auto', since {type(self).__name__} has one field per label"
            )
        if self.labels.shape[1] != label_dim:
            raise mismatch(
                "labels",
                f"labels of dimension {self.labels.shape[1]}",
                f"the dimension {label_dim} of the law's labels",
            )
        self._check_outputs(self.outputs, dim)
        return self._of_labels(self.labels, self.outputs, dim)

    def spec(self) -> Spec:
        return {**super().spec(), "labels": self.labels.tolist(), "weights": self.weights.tolist()}
