"""The squared loss, for any labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .._validate import fail, mismatch
from .output_loss import OutputLoss
from .readout import Readout, TrainedReadout
from .readout_training import Heads
from .separable import Separable


@dataclass(frozen=True)
class SquaredLoss(OutputLoss):
    """`loss(x, y) = |z - y|^2`, `z = A x + b` or x itself.

    By moments: R = 1 + q, `a = (|z|^2, -2 z)`, `c = (1, y)`, `c_0 = |y|^2`.

    Parameters
    ----------
    readout : a Readout or a TrainedReadout, for labels of another dimension than the state's; None by default.

    Raises
    ------
    ArgumentError
        If the read-out has another type; from `separate`, if outputs and labels differ in dimension.

    References
    ----------
    docs/theory/reduction.md (the form by moments).

    Examples
    --------
    >>> from eulerian_mfc.losses import SquaredLoss
    >>> loss = SquaredLoss()
    >>> loss.value(np.array([[3.0]]), np.array([[1.0]])).tolist(), loss.gradient(np.array([[3.0]]), np.array([[1.0]])).tolist()
    ([4.0], [[4.0]])
    """

    readout: Readout | TrainedReadout | None = None

    name: ClassVar[str] = "squared"

    def phi(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        return ((z - y) ** 2).sum(axis=1)

    def slope(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        return 2.0 * (z - y)

    def bend(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.broadcast_to(2.0 * np.eye(z.shape[1]), (*z.shape, z.shape[1]))

    def separate(self, dim: int, label_dim: int, labels: np.ndarray | None, form: str) -> Separable:
        if self.readout is None and label_dim != dim:
            raise mismatch(
                "law",
                f"labels of dimension {label_dim}",
                f"labels of the dimension {dim} of the state for SquaredLoss without a read-out",
            )
        self._check_outputs(label_dim, dim)
        if form == "labels" or (form == "auto" and labels is not None and len(labels) <= 1 + label_dim):
            if labels is None:
                raise fail(
                    "representation", "labels", "'moments' or 'auto', since the law has more than 64 distinct labels"
                )
            return self._of_labels(labels, label_dim, dim)
        unit = np.eye(label_dim)
        heads = Heads(
            lambda z: np.concatenate([(z**2).sum(axis=1)[None], -2.0 * z.T]),
            lambda z: np.stack([2.0 * z, *(np.broadcast_to(-2.0 * e, z.shape) for e in unit)]),
            lambda z, masses: 2.0 * masses[0][:, None, None] * unit,
        )
        one = ("moment y",) if label_dim == 1 else tuple(f"moment y{i + 1}" for i in range(label_dim))
        plain = Separable(
            ("mass", *one),
            heads.value,
            lambda y: np.concatenate([np.ones((1, len(y))), y.T]),
            lambda y: (y**2).sum(axis=1),
            heads.slope,
            np.eye(1 + label_dim)[0],
            None,
            (False, *([True] * label_dim)),
        )
        return self._of_states(plain, heads, label_dim, dim)
