"""Huber's loss: quadratic near the label, linear growth far from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .._validate import positive
from .output_loss import LabelledOutputLoss
from .readout import Spec


@dataclass(frozen=True, eq=False)
class Huber(LabelledOutputLoss):
    """`loss(x, y_k) = weights_k h(|z - y_k|)`, `z = A x + b`, `h(r) = r^2` up to the threshold s, `s (2 r - s)` beyond.

    Below the threshold it is the squared loss. There must be finitely many labels: the loss has no form by moments.

    Parameters
    ----------
    labels : `(K,)` or `(K, q)`, every label that the law has.
    readout : a `Readout` or a `TrainedReadout` `(A, b)`; None for the states themselves.
    weights : `(K,)` positive numbers, one per label, dimensionless; 1 by default.
    threshold : s > 0, in units of the labels.

    Raises
    ------
    ArgumentError
        For fewer than two labels, or equal ones; weights that are not positive; a read-out of another type;
        a threshold that is not positive.

    References
    ----------
    P. J. Huber, Robust estimation of a location parameter, Ann. Math. Statist. 35 (1964), 73-101,
    doi:10.1214/aoms/1177703732.

    Examples
    --------
    >>> from eulerian_mfc.losses import Huber
    >>> loss = Huber(labels=[0.0, 5.0], threshold=1.0)
    >>> loss.value(np.array([[0.5], [3.0]]), np.array([[0.0], [0.0]])).tolist()  # 0.5^2 and 2 * 3 - 1
    [0.25, 5.0]
    """

    threshold: float = 1.0

    name: ClassVar[str] = "huber"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "threshold", positive("threshold", self.threshold))

    @property
    def outputs(self) -> int:
        return self.labels.shape[1]

    def _distance(self, z: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """`z - y_k` `(n, p)` and its length `(n,)`."""
        apart = z - self.labels[k]
        return apart, np.sqrt((apart**2).sum(axis=1))

    def value_for(self, z: np.ndarray, k: int) -> np.ndarray:
        _, r = self._distance(z, k)
        near = np.minimum(r, self.threshold)
        return near * (2.0 * r - near)

    def gradient_for(self, z: np.ndarray, k: int) -> np.ndarray:
        apart, r = self._distance(z, k)
        return 2.0 * apart * (self.threshold / np.maximum(r, self.threshold))[:, None]

    def hessian_for(self, z: np.ndarray, k: int) -> np.ndarray:
        apart, r = self._distance(z, k)
        far = r > self.threshold
        share = self.threshold / np.maximum(r, self.threshold)
        unit = apart / np.maximum(r, self.threshold)[:, None]
        radial = np.einsum("np,nq->npq", unit, unit) * far[:, None, None]
        return 2.0 * share[:, None, None] * (np.eye(z.shape[1]) - radial)

    def spec(self) -> Spec:
        return {**super().spec(), "threshold": self.threshold}
