"""Critical points at kinks: where a convex combination of gradients nearby vanishes, though none of them does."""

from __future__ import annotations

from collections import deque

import numpy as np

from .record import Point

#: points whose gradients are kept
KEPT = 200
#: largest distance, relative to the control, within which gradients are combined, whatever the tolerance
WIDEST = 1e-2


class Gradients:
    """The gradients evaluated last, for a cost that is smooth but for kinks.

    At a local minimum on a kink the gradient jumps, and no point nearby has a small one. What is small there is the
    shortest vector of the convex hull of the gradients within a distance delta: zero, if and only if (for delta to 0) the
    point is critical. A. S. Lewis, M. L. Overton, Nonsmooth optimization via quasi-Newton methods, Math. Program. 141
    (2013), 135-163, doi:10.1007/s10107-012-0514-2, section 6.3 (their stopping test, after A. Goldstein).

    Parameters
    ----------
    metric : of a control's shape, `sqrt(lambda)`: by what entries are multiplied in the penalty's metric.

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
        """The shortest convex combination of gradients within a `distance` of the point; None if no other is within it.

        Lengths are those in the penalty's metric, `sum g^2 / lambda`. Gradients count where the cost bends upwards between
        the points, `<g - g_i, theta - theta_i> >= 0`: on both sides of a ridge they cancel as well, but not at a minimum.
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
        # Weights w >= 0 of sum 1 with |w rows| least: non-negative least squares with one heavy row for the sum.
        heavy = 1e3
        matrix = np.concatenate([rows.T, np.full((1, len(near)), heavy)])
        weights, _ = nnls(matrix, np.append(np.zeros(rows.shape[1]), heavy), maxiter=100 * len(near))
        return np.tensordot(weights / weights.sum(), np.array(near), axes=1)
