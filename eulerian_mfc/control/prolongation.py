"""Controls of one space as functions on other layers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from ..flow.polynomials import Basis, gauss

#: breaks that are closer than this share of the horizon are the same
SAME = 1e-12


def prolong(control: np.ndarray, ends: np.ndarray, target: np.ndarray) -> np.ndarray:
    """A control `(M, m)` that is constant on layers, as a control that is constant on other layers of the same horizon.

    A cubic spline (not-a-knot) interpolates `int_0^t theta` at the ends of the old layers. The result is the mean of its
    derivative over each new layer, of order 3 for smooth controls. The integral is preserved. If the layers are the same, the
    control does not change; if the new layers are unions of old ones, the result is the mean over the old ones.

    Parameters
    ----------
    control : `(M, m)`.
    ends : `(M + 1,)`, the times at which the old layers start and end, as shares of the horizon.
    target : the same for the new layers.

    Examples
    --------
    >>> halves, quarters = np.linspace(0.0, 1.0, 3), np.linspace(0.0, 1.0, 5)
    >>> prolong(np.array([[1.0], [3.0], [5.0], [7.0]]), quarters, halves).round(12).tolist()
    [[2.0], [6.0]]
    """
    if np.array_equal(ends, target):
        return control.copy()
    if len(control) == 1:
        return np.repeat(control, len(target) - 1, axis=0)
    from scipy.interpolate import CubicSpline  # slow to import

    parts = np.cumsum(control * np.diff(ends)[:, None], axis=0)
    integral = np.concatenate([np.zeros((1, control.shape[1])), parts])
    return np.diff(CubicSpline(ends, integral)(target), axis=0) / np.diff(target)[:, None]


def projected(
    values: Callable[[np.ndarray], np.ndarray], ends: np.ndarray, degree: int, target: np.ndarray, basis: Basis
) -> np.ndarray:
    """The L2 projection `(layers, k + 1, m)` of a piecewise polynomial; exact to round-off.

    Parameters
    ----------
    values : the function: times `(n,)` as shares of the horizon -> `(n, m)`.
    ends : the times at which its pieces start and end, as shares of the horizon.
    degree : the degree of its pieces.
    target : `(layers + 1,)`, the times at which the new layers start and end, as shares of the horizon.
    basis : the basis of the new layers.

    Examples
    --------
    >>> unit = np.array([0.0, 1.0])
    >>> projected(lambda t: t[:, None] ** 2, unit, 2, unit, Basis(1, "bernstein")).round(12).ravel().tolist()
    [-0.166666666667, 0.833333333333]
    """
    nodes, weights = gauss(max(degree, basis.degree) + 1)
    out = []
    for low, high in pairwise(target):
        inner = ends[(ends > low + SAME) & (ends < high - SAME)]
        pieces = np.array([low, *inner, high])
        lengths = np.diff(pieces)
        shares = (pieces[:-1, None] + lengths[:, None] * nodes - low).ravel() / (high - low)
        rule = (lengths[:, None] * weights).ravel() / (high - low)
        right = basis.whole(shares).T @ (rule[:, None] * values(low + shares * (high - low)))
        out.append(np.linalg.solve(basis.mass, right))
    return np.stack(out)
