"""Controls that move points to targets, for penalties that fall to zero."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._callers import warn
from .._validate import array, integer, mismatch, positive
from ..errors import DiffeotopyWarning
from .continuation import PENALTIES, checked_penalties, continued, random_start
from .dynamics import DYNAMICS, Dynamics, transfer_of
from .least_squares import reach
from .steering import Steering, steering_of


def steer(
    points: object,
    targets: object,
    dynamics: Dynamics = DYNAMICS,
    *,
    tolerance: float = 1e-6,
    penalties: Sequence[float] = PENALTIES,
    starts: int = 4,
    seed: int = 0,
) -> Steering:
    """A control that moves N points to N targets, with a norm as small as the continuation finds.

    `1/N sum_i |X_i(T) - y_i|^2 + lambda/2 int |u|^2 dt` is minimised for falling lambda, and each minimiser is the start for
    the next lambda. Newton steps of least norm then solve `X_i(T) = y_i`. If that fails, all begins again from another
    random control.

    Parameters
    ----------
    points, targets : `(N, d)`, each pairwise distinct.
    dynamics : the field, by default AgrachevSarychevField(d), which moves any N points to any others for d >= 2; and its layers.
    tolerance : the targets count as reached if the error is at most this, in units of the state, in the maximum norm over
        points and components.
    penalties : the values of lambda, falling, above zero.
    starts : how many random first controls to try at most.
    seed : the seed of the first one.

    Returns
    -------
    Steering
        `reached` says whether the control moves the points to the targets. If no start reaches them, it is the best of all.

    Raises
    ------
    ArgumentError
        For wrong shapes, and if two points, or two targets, coincide.

    Warns
    -----
    DiffeotopyWarning
        On the line, if the targets are in another order than the points: a flow cannot change the order.

    References
    ----------
    A. A. Agrachev, A. V. Sarychev, Control in the spaces of ensembles of points, SIAM J. Control Optim. 58 (2020),
    1579-1596, doi:10.1137/19M1273049.

    Examples
    --------
    >>> from eulerian_mfc.controllability import Dynamics, steer
    >>> found = steer([[0.0, 0.0], [1.0, 0.0]], [[0.0, 0.5], [1.0, -0.5]], Dynamics(layers=4))
    >>> found.reached, found.control.shape[0]
    (True, 4)
    """
    x, y = (np.asfortranarray(array(name, a, ndim=2)) for name, a in (("points", points), ("targets", targets)))
    if x.shape != y.shape or not x.size:
        raise mismatch("targets", f"an array of shape {y.shape}", f"one target per point, an array of shape {x.shape}")
    for name, rows in (("points", x), ("targets", y)):
        if len(np.unique(rows, axis=0)) < len(rows):
            raise mismatch(name, "two equal rows", "distinct rows: a flow maps distinct points to distinct points")
    if x.shape[1] == 1 and (np.argsort(x[:, 0]) != np.argsort(y[:, 0])).any():
        warn(
            "the targets are in another order than the points, and on the line a flow cannot change the "
            "order of points: use one more coordinate, with Problem.augmented(1)",
            DiffeotopyWarning,
        )
    transfer = transfer_of(x, y, np.full(len(x), 1.0 / len(x)), dynamics)
    values = checked_penalties(penalties)
    best: Steering | None = None
    for k in range(integer("starts", starts)):
        control, path, _ = continued(transfer, random_start(transfer, seed + k), values)
        control = reach(transfer, control, 1e-3 * positive("tolerance", tolerance))
        found = steering_of(transfer, control, tolerance, path)
        if best is None or found.error < best.error:
            best = found
        if best.reached:
            break
    assert best is not None
    return best
