"""The choice of the control space from the layers and the degree."""

from __future__ import annotations

import numpy as np

from ..flow.polynomials import checked_degree
from .curves import Curves
from .grid import Grid
from .polynomial import PiecewisePolynomial, basis_of
from .regulariser import Regulariser
from .space import ControlSpace, PiecewiseConstant


def control_space(
    regulariser: Regulariser, horizon: float, layers: Grid, degree: int = 0, running: bool = False
) -> ControlSpace:
    """The space of controls that are polynomials of a degree on every layer.

    Parameters
    ----------
    regulariser : the cost of a control at one time, and its bounds.
    horizon : the final time T, in units of time.
    layers : the number of equal layers, or the increasing times at which layers start and end, from 0 to T.
    degree : the degree; 0 for controls that are constant on layers.
    running : whether the cost has a running loss. For a degree above 0, layers then have `degree` levels in time between their
        ends, so that Lobatto's rule integrates the running cost with the order of the control, `2 degree + 2`.

    Raises
    ------
    ArgumentError
        If `layers` or `degree` is out of range.

    Examples
    --------
    >>> unit = Regulariser.of(1.0, 0.0, None, parameters=2)
    >>> control_space(unit, 1.0, 4).shape, control_space(unit, 1.0, [0.0, 0.2, 1.0], 3).shape
    ((4, 2), (2, 4, 2))
    """
    if checked_degree(degree) == 0:
        return PiecewiseConstant(regulariser, horizon, layers)
    return PiecewisePolynomial(regulariser, horizon, layers, degree, degree + 2 if running else 2)


def layer_means(regulariser: Regulariser, control: np.ndarray) -> np.ndarray:
    """`(layers, m)`: the means over the layers of a control of any degree, in the basis that a problem's regulariser implies.

    Parameters
    ----------
    regulariser : the cost of a control at one time, and its bounds.
    control : the coefficients, `(layers, m)` or `(layers, degree + 1, m)`.

    Examples
    --------
    >>> layer_means(Regulariser.of(1.0, 0.0, (0.0, 1.0), parameters=1), np.array([[[0.0], [1.0]]])).tolist()
    [[0.5]]
    """
    if control.ndim == 2:
        return control
    return Curves(1.0, len(control), control.shape[1] - 1, basis_of(regulariser)).means(control)
