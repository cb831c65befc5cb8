"""The prolongation of a control to another number of layers."""

from __future__ import annotations

import numpy as np


def prolong(control: np.ndarray, layers: int) -> np.ndarray:
    """A control `(M, m)` that is constant on M equal layers, as a control on `layers` equal layers of the same horizon.

    A cubic spline (not-a-knot) interpolates `int_0^t theta` at the ends of the old layers. The result is the mean of its
    derivative over each new layer, of order 3 for smooth controls. The integral is preserved. If the number of layers is the
    same, the control does not change; if the new layers are unions of old ones, the result is the mean over the old ones.

    Parameters
    ----------
    control : `(M, m)`.
    layers : number of layers of the result.

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
