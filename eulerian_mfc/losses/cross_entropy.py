"""Cross-entropy of classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .._special import logsumexp, softmax
from .outputs import LabelledOutputLoss


@dataclass(frozen=True, eq=False)
class CrossEntropy(LabelledOutputLoss):
    """`loss(x, y_k) = -weights_k log p_k`, `p = softmax(A x + b)`: one output a label.

    For the parameters see LabelledOutputLoss.
    """

    name: ClassVar[str] = "cross_entropy"

    @property
    def outputs(self) -> int:
        return len(self.labels)

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """`(n, K)` probabilities of the labels at states `(n, d)`."""
        return softmax(self.output(x), axis=1)

    def one(self, z: np.ndarray, k: int) -> np.ndarray:
        return logsumexp(z, axis=1) - z[:, k]

    def one_slope(self, z: np.ndarray, k: int) -> np.ndarray:
        out = softmax(z, axis=1)
        out[:, k] -= 1.0
        return out

    def one_bend(self, z: np.ndarray, k: int) -> np.ndarray:
        p = softmax(z, axis=1)
        return p[:, :, None] * (np.eye(z.shape[1]) - p[:, None, :])
