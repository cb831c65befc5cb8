"""Critical points at kinks: a convex combination of gradients nearby vanishes there, although no single gradient does."""

from __future__ import annotations

from collections import deque

import numpy as np

from .record import Point

#: number of points whose gradients are kept
KEPT = 200
#: gradients are combined only within this distance, relative to the control, even if the tolerance is larger
WIDEST = 1e-2


class Gradients:
    """The last evaluated gradients, for a cost that is smooth except at kinks.

    At a local minimum on a kink the gradient jumps, and no point nearby has a small gradient. The shortest vector of the convex
    hull of the gradients within a distance delta is small there: in the limit delta -> 0 it vanishes if and only if the point is
    critical. A. S. Lewis, M. L. Overton, Nonsmooth optimization via quasi-Newton methods, Math. Program. 141
    (2013), 135-163, doi:10.1007/s10107-012-0514-2, section 6.3 (their stopping test, after A. Goldstein).

    Parameters
    ----------
    metric : `sqrt(lambda)`, of a control's shape: entries of a control are multiplied by it in the penalty's metric.

    Examples
    --------
    >>> left, right = (Point(np.array([[x]]), 0.0, np.array([[g]]), 1.0) for x, g in ((-1e-3, -1.0), (1e-3, 1.0)))
    >>> known = Gradients(np.ones((1, 1)))
    >>> known.add(left)
    >>> bool(np.abs(known.shortest(right, distance=1e-2)) < 1e-5)
    True
    """

    def __init__(self, metric: np.ndarray) -> None:
        self._metric = metric
        self._points: deque[Point] = deque(maxlen=KEPT)
        self._shares = metric / metric.max()

    def add(self, point: Point) -> None:
        """Keep a point's gradient."""
        self._points.append(point)

    def shortest(self, point: Point, distance: float) -> np.ndarray | None:
        """The shortest convex combination of gradients within a `distance` of the point; None if no other point is that near.

        Lengths are those in the penalty's metric, `sum g^2 / lambda`. A gradient counts only if the cost curves upwards between
        its point and this one, `<g - g_i, theta - theta_i> >= 0`: gradients on the two sides of a ridge cancel as well, but a
        ridge is not a minimum.
        """
        near = [
            p.gradient
            for p in self._points
            if 0 < np.abs((p.control - point.control) * self._shares).max() <= distance
            and np.vdot(point.gradient - p.gradient, point.control - p.control) >= 0
        ]
        if not near:
            return None
        from scipy.optimize import nnls  # slow to import

        near.append(point.gradient)
        rows = np.array([(g / self._metric).ravel() for g in near])
        rows /= np.abs(rows).max()
        # Minimise |sum_i w_i row_i| over w >= 0 with sum 1: non-negative least squares, with one row of large weight for the sum.
        heavy = 1e3
        matrix = np.concatenate([rows.T, np.full((1, len(near)), heavy)])
        weights, _ = nnls(matrix, np.append(np.zeros(rows.shape[1]), heavy), maxiter=100 * len(near))
        return np.tensordot(weights / weights.sum(), np.array(near), axes=1)
