"""Whether two controls that solvers found are one critical point: whether they agree within the accuracy of both."""

from __future__ import annotations

import numpy as np

from ..errors import NonFiniteError
from ..results.stability import DEGENERATE
from ..solvers import Outcome
from ..system.optimality import OptimalitySystem

#: error of a gradient relative to the terms that cancel in it, in double precision (False) and with rounded densities (True)
ROUND_OFF = {False: 1e-11, True: 1e-6}


def same_point(system: OptimalitySystem, one: Outcome, other: Outcome, tol: float) -> bool:
    """Whether two converged controls differ by no more than their errors.

    Let d be the difference of the controls and H the Hessian at the first one. Norms are those of the penalty's metric,
    `|d|^2 = int lambda |d|^2 dt`, and its dual for gradients. If both controls approximate the same critical point, the gradients
    there differ by `H d`, and each is at most its threshold, as a norm `e`. So they are one point if

        kappa (|d| - r) <= e_1 + e_2,   kappa = |H d| / |d|,

    where r is the sum of the distances within which the gradients at kinks were taken; it is 0 for a smooth cost. At two distinct
    critical points `H d` is far larger, since it does not shrink with the tolerance. No Hessian product is computed if the
    answer is the same for all kappa above 1e-3 (1 is the curvature of the penalty).

    Parameters
    ----------
    system : the discrete problem.
    one, other : the outcomes of two runs, with controls `(layers, m)`.
    tol : the tolerance of the solver, which bounds the share of round-off in the thresholds.

    References
    ----------
    The linear error estimate `|d| <= |J'| / kappa`: C. T. Kelley, Iterative Methods for Optimization, SIAM 1999,
    doi:10.1137/1.9781611970920, section 2.3.
    """
    space = system.controls
    root, apart = np.sqrt(space.gram), other.control - one.control
    distance = float(np.linalg.norm(root * apart))
    # The thresholds and the distances at kinks are largest entries; these factors turn them into bounds of the norms.
    duration = float(np.broadcast_to(space.mass, space.shape).sum())
    slack = 1.0 + ROUND_OFF[system.resources.rounded] / tol
    errors = slack * (one.threshold + other.threshold) * np.sqrt(duration / space.regulariser.penalties.max())
    reach = sum(o.kink.distance for o in (one, other) if o.kink is not None) * np.sqrt(apart.size) * root.max()
    if distance <= reach or DEGENERATE[False] * (distance - reach) > errors:
        return bool(distance <= reach)
    try:
        change = system.hessian(one.control).product(apart) / root
    except NonFiniteError:
        return False
    # Entries that a bound, or the L1 norm, holds in both controls are equal; their gradients need not vanish.
    curvature = float(np.linalg.norm(change[apart != 0])) / distance
    return bool(curvature * (distance - reach) <= errors)
