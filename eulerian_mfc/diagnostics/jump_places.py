"""Controls that jump at ends of layers: whether the jumps are in the right places, and better ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..control.curves import Curves
from ..errors import NonFiniteError
from ..results.time_resolution import FLAT, ROUGH, jumps_and_values
from ..system.particles import ParticleSystem

#: a jump is moved by at most this share of the layers beside it at once, to within this share of them
REACH, FOUND = 0.8, 1e-4
#: derivatives in the place of a jump are differences over this share of the shorter layer beside it
STEP = 1e-3
#: at most so many jumps are moved, the largest ones first
MOST = 8


class Moved(NamedTuple):
    """Layers with jumps in better places.

    Attributes
    ----------
    ends : `(layers + 1,)`, the ends of the layers.
    control : the control on them, the same polynomials on both sides of each jump.
    saved : the cost before minus the cost after, at least 0.
    jumps : the numbers of the ends at which the control jumps.
    slopes : the derivative of the cost in the place of each jump, before, with the same polynomials on both sides.
    """

    ends: np.ndarray
    control: np.ndarray
    saved: float
    jumps: np.ndarray
    slopes: np.ndarray


def jumps_of(curves: Curves, control: np.ndarray) -> np.ndarray:
    """The numbers of the inner ends of layers at which the control jumps, the largest jumps first.

    A jump counts if it exceeds a share of the range of its parameter, see `results.time_resolution`.

    Parameters
    ----------
    curves, control : the functions of time and the coefficients.

    Examples
    --------
    >>> linear = Curves(1.0, 3, degree=1)
    >>> jumps_of(linear, np.array([[[0.0], [0.1]], [[0.2], [0.1]], [[2.0], [0.1]]])).tolist()
    [2]
    """
    if curves.degree == 0:
        return np.zeros(0, dtype=int)
    jumps, values = jumps_and_values(curves, control)
    reach = np.ptp(values, axis=0)
    sizes = jumps / np.where(reach > FLAT * np.abs(values).max(axis=0), reach, np.inf)
    largest = sizes.max(axis=1, initial=0.0)
    order = np.argsort(-largest)
    return order[largest[order] > ROUGH][:MOST] + 1


def better_places(twin: ParticleSystem, control: np.ndarray) -> Moved:
    """Move the jumps of a control so that the cost falls: a search along each of them, one after the other.

    An optimal control that jumps does so where the Hamiltonians of both sides are equal. A descent in the coefficients leaves
    jumps where they are, since a control that jumps a little earlier is not near in the maximum norm.

    Parameters
    ----------
    twin : the problem on points of the law.
    control : the control.

    References
    ----------
    The condition at jumps (Weierstrass and Erdmann): L. S. Pontryagin, V. G. Boltyanskii, R. V. Gamkrelidze, E. F. Mishchenko,
    The Mathematical Theory of Optimal Processes, Wiley 1962.
    """
    least = first = twin.cost(control).total
    ends, best = twin.controls.ends.copy(), control
    declared, slopes = twin.problem.regulariser.breaks, []
    # Where penalties or bounds jump, the control does too, and layers end there.
    jumps = np.array(
        [n for n in jumps_of(twin.controls, control) if not np.isclose(ends[n], declared).any()], dtype=int
    )
    for n in jumps:
        slopes.append(_slope(twin, twin.controls.ends, control, int(n)))
        found = _searched(twin, ends, best, int(n))
        cost = _cost(twin, *found)
        if cost < least:
            (ends, best), least = found, cost
    return Moved(ends, best, float(max(first - least, 0.0)), jumps, np.array(slopes))


def _placed(
    twin: ParticleSystem, ends: np.ndarray, control: np.ndarray, n: int, place: float
) -> tuple[np.ndarray, np.ndarray]:
    """The ends of layers and the control with jump n in another place."""
    new = ends.copy()
    new[n] = place
    return new, extended(twin.controls, ends, new, control)


def _slope(twin: ParticleSystem, ends: np.ndarray, control: np.ndarray, n: int) -> float:
    """The derivative of the cost in the place of jump n, by a central difference."""
    step = STEP * float(np.diff(ends)[n - 1 : n + 1].min())
    ahead, behind = (_cost(twin, *_placed(twin, ends, control, n, ends[n] + s)) for s in (step, -step))
    return float((ahead - behind) / (2.0 * step))


def _searched(twin: ParticleSystem, ends: np.ndarray, control: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The ends of layers and the control with jump n in the place where the cost is least."""
    from scipy.optimize import minimize_scalar  # slow to import

    before, after = ends[n] - ends[n - 1], ends[n + 1] - ends[n]
    bounds, small = (ends[n] - REACH * before, ends[n] + REACH * after), FOUND * min(before, after)
    found = minimize_scalar(
        lambda t: _cost(twin, *_placed(twin, ends, control, n, float(t))),
        bounds=bounds,
        method="bounded",
        options={"xatol": small},
    )
    return _placed(twin, ends, control, n, float(found.x))


def after_two(before: tuple[np.ndarray, Moved], now: tuple[np.ndarray, Moved]) -> np.ndarray | None:
    """The ends of layers with jumps where secants say that the cost does not change with their places.

    The polynomials change with the places too, so that a search with fixed polynomials comes closer only slowly.

    Parameters
    ----------
    before, now : the ends of layers with what was found there, twice one after the other, with optimal controls on them.

    Returns
    -------
    numpy.ndarray or None
        None if the jumps are not the same ones, or secants do not lead to a minimum nearby.
    """
    (old, first), (ends, second) = before, now
    if len(old) != len(ends) or set(first.jumps) != set(second.jumps):
        return None
    slopes = dict(zip(first.jumps.tolist(), first.slopes.tolist(), strict=True))
    new = ends.copy()
    for n, slope in zip(second.jumps.tolist(), second.slopes.tolist(), strict=True):
        bend = (slope - slopes[n]) / (ends[n] - old[n]) if ends[n] != old[n] else 0.0
        if not (np.isfinite(bend) and bend > 0.0):
            return None
        low, high = ends[n] - REACH * (ends[n] - ends[n - 1]), ends[n] + REACH * (ends[n + 1] - ends[n])
        new[n] = np.clip(ends[n] - slope / bend, low, high)
    return new if (np.diff(new) > 0.0).all() else None


def _cost(twin: ParticleSystem, ends: np.ndarray, control: np.ndarray) -> float:
    """The cost of a control on layers with these ends, within the bounds there; infinite if states do not stay finite."""
    system = ParticleSystem(twin.problem, tuple(ends.tolist()), rule=twin.rule, **twin.layer_options)
    try:
        return system.cost(system.controls.project(control)).total
    except NonFiniteError:
        return np.inf


def extended(curves: Curves, ends: np.ndarray, target: np.ndarray, control: np.ndarray) -> np.ndarray:
    """The same polynomials on other layers: they are continued beyond the ends of their own.

    Parameters
    ----------
    curves : the basis.
    ends, target : `(layers + 1,)`, the ends of the layers before and after.
    control : the coefficients `(layers, degree + 1, m)`.

    Examples
    --------
    >>> linear = Curves(1.0, 2, degree=1)
    >>> shorter, control = np.array([0.0, 0.25, 1.0]), np.array([[[1.0], [1.0]], [[0.0], [0.0]]])
    >>> extended(linear, linear.ends, shorter, control)[0].ravel().round(12).tolist()
    [0.5, 0.5]
    """
    shares = 0.5 - 0.5 * np.cos(np.pi * (np.arange(curves.degree + 1) + 0.5) / (curves.degree + 1))
    inverse = np.linalg.inv(curves.basis.whole(shares))
    times = target[:-1, None] + np.diff(target)[:, None] * shares
    before = (times - ends[:-1, None]) / np.diff(ends)[:, None]
    return np.stack([inverse @ (curves.basis.whole(s) @ c) for s, c in zip(before, control, strict=True)])
