"""Hinge losses of classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .._validate import choice, fail
from .output_loss import LabelledOutputLoss
from .readout import Spec


@dataclass(frozen=True, eq=False)
class Hinge(LabelledOutputLoss):
    """`loss(x, y_k) = weights_k sum_{j != k} max(0, 1 - z_k + z_j)^power`, `z = A x + b`: one output per label.

    Parameters
    ----------
    labels : `(K,)` or `(K, q)`, every label that the law has.
    readout : a `Readout` or a `TrainedReadout` `(A, b)`; None for the states themselves.
    weights : `(K,)` positive numbers, one per label, dimensionless; 1 by default.
    power : 1, or 2 for a loss with a continuous gradient; a trained read-out requires 2.

    Raises
    ------
    ArgumentError
        For fewer than two labels, or equal ones; weights that are not positive; a read-out of another type;
        another power, or power 1 with a trained read-out.

    References
    ----------
    J. Weston, C. Watkins, Support vector machines for multi-class pattern recognition, Proc. ESANN 1999, 219-224.

    Examples
    --------
    >>> from eulerian_mfc.losses import Hinge
    >>> loss = Hinge(labels=[0.0, 1.0], power=1)
    >>> loss.value(np.array([[2.0, 0.5]]), np.array([[1.0]])).tolist()  # 1 - 0.5 + 2
    [2.5]
    """

    power: int = 2

    name: ClassVar[str] = "hinge"

    def __post_init__(self) -> None:
        super().__post_init__()
        choice("power", self.power, (1, 2))
        if self.power == 1 and self.trained:
            raise fail(
                "power",
                self.power,
                "2 for a trained read-out, since the training needs a loss with a continuous gradient",
            )

    @property
    def outputs(self) -> int:
        return len(self.labels)

    def _margins(self, z: np.ndarray, k: int) -> np.ndarray:
        """`(n, p)`: `max(0, 1 - z_k + z_j)` for each j, zero for j = k."""
        out = np.maximum(1.0 + z - z[:, k : k + 1], 0.0)
        out[:, k] = 0.0
        return out

    def value_for(self, z: np.ndarray, k: int) -> np.ndarray:
        return (self._margins(z, k) ** self.power).sum(axis=1)

    def gradient_for(self, z: np.ndarray, k: int) -> np.ndarray:
        margins = self._margins(z, k)
        out = 2.0 * margins if self.power == 2 else (margins > 0).astype(np.float64)
        out[:, k] = -out.sum(axis=1)
        return out

    def hessian_for(self, z: np.ndarray, k: int) -> np.ndarray:
        p = z.shape[1]
        if self.power == 1:
            return np.zeros((len(z), p, p))
        differences = np.eye(p) - np.eye(p)[k]  # rows: the gradients of z_j - z_k
        return 2.0 * np.einsum("nj,jp,jq->npq", self._margins(z, k) > 0, differences, differences)

    def spec(self) -> Spec:
        return {**super().spec(), "power": self.power}
