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
    """

    points: np.ndarray
    weights: np.ndarray
    cells: np.ndarray | None = None
