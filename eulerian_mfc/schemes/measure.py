"""Masses as points and weights, against which functions are integrated."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Measure(NamedTuple):
    """`sum_j w_rj delta(x_j)`, one sum for every field r.

    Attributes
    ----------
    points : `(n, d)`.
    weights : `(R, n)`.
    cells : `(n,)`, on simplex meshes a cell that holds each point; None if the cells are not known.

    Examples
    --------
    >>> import numpy as np
    >>> from eulerian_mfc.schemes import Measure
    >>> measure = Measure(np.array([[0.0], [1.0]]), np.array([[0.5, 0.5]]))
    >>> float((measure.weights[0] * measure.points[:, 0] ** 2).sum())  # int x^2
    0.5
    """

    points: np.ndarray
    weights: np.ndarray
    cells: np.ndarray | None = None
