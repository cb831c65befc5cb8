"""Controls from one number of layers to another."""

from __future__ import annotations

import numpy as np


def prolong(control: np.ndarray, layers: int) -> np.ndarray:
    """A control `(M, m)`, constant on M equal layers, as one on `layers` equal layers of the same horizon.

    Means over the new layers of the derivative of the cubic spline (not-a-knot) through `int_0^t theta` at the old layers'
    ends: of order 3 for smooth controls. The integral is kept, a control with as many layers stays as it is, and where the
    new layers are unions of old ones the result is their mean.

    Parameters
    ----------
    control : `(M, m)`.
    layers : of the result.

    Examples
    --------
    >>> prolong(np.array([[1.0], [3.0], [5.0], [7.0]]), 2).round(12).tolist()
    [[2.0], [6.0]]
    """
    count = len(control)
    if count == layers:
        return control.copy()
    if count == 1:
        return np.repeat(control, layers, axis=0)
    from scipy.interpolate import CubicSpline  # slow to import

    integral = np.concatenate([np.zeros((1, control.shape[1])), np.cumsum(control, axis=0)]) / count
    ends = np.linspace(0.0, 1.0, layers + 1)
    return np.diff(CubicSpline(np.linspace(0.0, 1.0, count + 1), integral)(ends), axis=0) * layers
