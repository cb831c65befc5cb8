"""The place at which derivatives of a field are taken, and their direction."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..derivatives.differences import length

#: pulled-back covectors: `(n, d)` at the points, and `(m,)` of the parameters
Pulled = tuple[np.ndarray, np.ndarray]


class At(NamedTuple):
    """A time, parameters and points, and the value of a field there; see `Field.at`.

    Attributes
    ----------
    t : the time.
    theta : `(m,)` parameters.
    x : `(n, d)` points.
    value : `(n, d)`, the field's value `F(t, theta, x)`, which derivatives may use to save work.

    Examples
    --------
    >>> from eulerian_mfc.fields import AffineField
    >>> at = AffineField(1).at(0.0, np.array([2.0, 1.0]), np.array([[3.0]]))
    >>> at.value.tolist()
    [[7.0]]
    """

    t: float
    theta: np.ndarray
    x: np.ndarray
    value: np.ndarray

    def moved(self, s: float, along: Direction) -> tuple[float, np.ndarray, np.ndarray]:
        """Time, parameters `(m,)` and points `(n, d)` after a move by s times the direction."""
        return self.t, self.theta + s * along.theta, self.x + s * along.x


class Direction(NamedTuple):
    """How parameters and points move.

    Attributes
    ----------
    theta : `(m,)`, the change of the parameters.
    x : `(n, d)`, the change of the points.

    Examples
    --------
    >>> from eulerian_mfc.fields import AffineField
    >>> field, x = AffineField(1), np.array([[3.0]])
    >>> at = field.at(0.0, np.array([2.0, 1.0]), x)  # 2 x + 1
    >>> field.tangent(at, Direction(np.array([1.0, 0.0]), np.zeros_like(x))).tolist()
    [[3.0]]
    """

    theta: np.ndarray
    x: np.ndarray


def guess(at: At, along: Direction) -> float:
    """A first guess of how far to move in a direction until the field changes: see `differences.along`.

    Examples
    --------
    >>> at = At(0.0, np.array([2.0]), np.array([[0.0], [1.0]]), np.zeros((2, 1)))
    >>> guess(at, Direction(np.array([1.0]), np.zeros((2, 1))))  # theta = 2 moves by 1
    2.0
    """
    spread = np.ptp(at.x, axis=0) if len(at.x) else np.zeros(at.x.shape[1])
    return length((along.theta, np.abs(at.theta).max(initial=0.0)), (along.x, spread))
