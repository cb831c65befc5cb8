"""Entries of a control that come close to a bound without reaching it, moved onto the bound."""

from __future__ import annotations

import numpy as np

from ..control.regulariser import Regulariser

#: an entry closer to a bound than this share of the distance between its bounds is moved onto the bound if it is pushed there;
#: an entry with a single bound uses this share of the control's natural size instead
SNAP = 1e-3


def snapped(
    control: np.ndarray, down: np.ndarray, up: np.ndarray, regulariser: Regulariser, sizes: np.ndarray
) -> np.ndarray:
    """The control, with entries on a bound that are close to it and pushed towards it.

    Interior-point methods and relaxed iterations approach a bound without reaching it. The derivative in such an entry does not
    vanish, and it counts in the residual until the entry lies on the bound.

    Parameters
    ----------
    control : coefficients `(..., m)`.
    down, up : booleans of that shape, the entries that are pushed to their lower and to their upper bounds.
    regulariser : the bounds.
    sizes : `(m,)`, the natural sizes of the parameters.

    Examples
    --------
    >>> bounds = Regulariser.of(1.0, 0.0, (0.0, 1.0), parameters=3)
    >>> snapped(np.array([1e-6, 1e-6, 0.5]), np.array([True, False, True]), np.zeros(3, dtype=bool), bounds, np.ones(3)).tolist()
    [0.0, 1e-06, 0.5]
    """
    lower, upper = regulariser.lower, regulariser.upper
    width = np.where(np.isfinite(upper - lower), upper - lower, sizes)
    low = (control - lower <= SNAP * width) & down
    high = (upper - control <= SNAP * width) & up
    return np.where(low, lower, np.where(high, upper, control))
