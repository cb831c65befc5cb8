"""Signs in a control that its layers do not resolve it in time."""

from __future__ import annotations

import numpy as np

from ..control.curves import Curves

#: a control whose jumps exceed this share of its range is not resolved in time: a smooth control of degree k has jumps of
#: order k + 1 in the layers
ROUGH = 0.1
#: controls that are constant on layers always jump: they are not resolved if second differences exceed this share of the range
ROUGH_CONSTANT = 0.5
#: fewer layers of constant controls do not show it
FEWEST = 5


def largest_jump(curves: Curves, control: np.ndarray) -> float:
    """The largest jump of a parameter at an end of a layer, relative to its range over time.

    For a control that is constant on layers, it is the largest second difference of neighbouring layers instead.

    Parameters
    ----------
    curves : the functions of time.
    control : the coefficients.

    Examples
    --------
    >>> linear = Curves(1.0, 2, degree=1, kind="bernstein")
    >>> [largest_jump(linear, np.array([[[0.0], [1.0]], [[second], [2.0]]])) for second in (1.0, 0.5)]
    [0.0, 0.25]
    """
    if curves.degree == 0:
        if len(control) < FEWEST:
            return 0.0
        values, jumps = control, np.abs(np.diff(control, n=2, axis=0))
    else:
        ends = curves.basis.whole(np.array([0.0, 1.0]))
        starts, stops = np.einsum("ek,lkm->elm", ends, control)
        inside = curves.basis.whole(np.linspace(0.0, 1.0, curves.degree + 2))
        values = np.einsum("sk,lkm->lsm", inside, control).reshape(-1, control.shape[-1])
        jumps = np.abs(starts[1:] - stops[:-1])
    reach = np.ptp(values, axis=0)
    # A parameter that hardly moves has round-off for a range.
    reach = np.where(reach > 1e-6 * np.abs(values).max(axis=0), reach, np.inf)
    return float((jumps / reach).max(initial=0.0))


def unresolved_in_time(curves: Curves, control: np.ndarray) -> str | None:
    """A sentence if the layers do not resolve the control in time; None otherwise.

    Parameters
    ----------
    curves, control : see `largest_jump`.

    Examples
    --------
    >>> unresolved_in_time(Curves(1.0, 9), np.linspace(0.0, 1.0, 9)[:, None]) is None
    True
    >>> unresolved_in_time(Curves(1.0, 9), np.array([[0.0], [1.0]] * 4 + [[0.0]]))
    'The control changes from layer to layer by up to 200 % of its range: the layers do not resolve it in time. ...'
    """
    jump = largest_jump(curves, control)
    if jump <= (ROUGH if curves.degree else ROUGH_CONSTANT):
        return None
    what = "jumps at the ends of layers" if curves.degree else "changes from layer to layer"
    return (
        f"The control {what} by up to {100 * jump:.0f} % of its range: the layers do not resolve it in time. If this stays so "
        "with more layers, the optimal control is not smooth (active bounds or chattering), and the cost converges with "
        "order 2 or less in the layers, whatever the degree."
    )
