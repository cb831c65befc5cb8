"""Losses of some of the coordinates."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .._validate import fail, integer, mismatch
from .base import Loss
from .density_cost import density_costs
from .readout import Readout, Spec, TrainedReadout
from .separable import Separable


@dataclass(frozen=True)
class FirstCoordinates(Loss):
    """`loss(x_1..x_dim, y)`: a loss of the first coordinates of the state; the other coordinates are free.

    It is the loss of an augmented problem (see `Problem.augmented`), whose extra coordinates do not count.

    Parameters
    ----------
    loss : the loss of a state in dimension `dim`.
    dim : the number of coordinates that the loss uses.

    Raises
    ------
    ArgumentError
        If `loss` is not a Loss, or `dim` is not a positive integer; from `separate`, if the state has fewer coordinates.

    References
    ----------
    E. Dupont, A. Doucet, Y. W. Teh, Augmented neural ODEs, NeurIPS 32 (2019), arXiv:1904.01681.

    Examples
    --------
    >>> from eulerian_mfc.losses import FirstCoordinates, SquaredLoss
    >>> FirstCoordinates(SquaredLoss(), 1).value(np.array([[3.0, 99.0]]), np.array([[1.0]])).tolist()
    [4.0]
    """

    loss: Loss
    dim: int

    def __post_init__(self) -> None:
        if not isinstance(self.loss, Loss):
            raise fail("loss", self.loss, "a Loss, such as losses.SquaredLoss()")
        if density_costs(self.loss):
            raise fail("loss", self.loss, "a loss without costs of the density, which depend on all coordinates")
        integer("dim", self.dim)

    @property
    def trained(self) -> bool:
        return self.loss.trained

    @property
    def readout(self) -> Readout | TrainedReadout | None:  # type: ignore[override]
        """The read-out of the inner loss, which uses the first coordinates only."""
        return self.loss.readout

    def with_readout(self, readout: Readout) -> Loss:
        return replace(self, loss=self.loss.with_readout(readout))

    def output(self, x: np.ndarray) -> np.ndarray:
        return self.loss.output(x[:, : self.dim])

    def misfit(self, x: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return self.loss.misfit(x[:, : self.dim], labels)

    def value(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self.loss.value(x[:, : self.dim], y)

    def gradient(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._padded(self.loss.gradient(x[:, : self.dim], y), x)

    def _padded(self, gradient: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Gradients `(..., n, dim)` -> `(..., n, d)`: zero in the coordinates that the loss does not use."""
        zeros = np.zeros((*gradient.shape[:-1], x.shape[1] - self.dim))
        return np.concatenate([gradient, zeros], axis=-1)

    def separate(self, dim: int, label_dim: int, labels: np.ndarray | None, form: str) -> Separable:
        if self.dim > dim:
            raise mismatch(
                "loss", f"a loss of {self.dim} coordinates of the state", f"at most the dimension {dim} of the state"
            )
        inner = self.loss.separate(self.dim, label_dim, labels, form)
        return inner._replace(
            terminal=lambda x: inner.terminal(x[:, : self.dim]),
            terminal_gradient=lambda x: self._padded(inner.terminal_gradient(x[:, : self.dim]), x),
        )

    def spec(self) -> Spec | None:
        inner = self.loss.spec()
        return None if inner is None else {"type": "first_coordinates", "loss": inner, "dim": self.dim}


def seen(loss: Loss, dim: int) -> tuple[Loss, int]:
    """The loss without the wrappers of augmented problems, and the number of coordinates, out of `dim`, that it uses.

    Examples
    --------
    >>> from eulerian_mfc.losses import SquaredLoss
    >>> seen(FirstCoordinates(SquaredLoss(), 1), 3)
    (SquaredLoss(readout=None), 1)
    """
    while isinstance(loss, FirstCoordinates):
        dim, loss = loss.dim, loss.loss
    return loss, dim
