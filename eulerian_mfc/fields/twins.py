"""Parameters that a solver cannot distinguish: hidden units that are equal at the start stay equal for ever."""

from __future__ import annotations

import numpy as np

from .base import Field

#: number of random covectors per point with which derivatives are compared
PROBES = 2
#: relative difference below which two numbers count as equal
EQUAL = 1e-9
#: relative moves of the parameters, which separate twins from parameters that have the same effect everywhere. Long moves are
#: for a field that, in its units, is nearly linear in its parameters
MOVES = (0.3, -0.3, 30.0, -30.0, 3e3, 3e5, 3e7)
#: size of the random values that twins receive, relative to the size of the twins
APART = 5.0


def twins(field: Field, theta: np.ndarray, x: np.ndarray, times: np.ndarray) -> list[np.ndarray]:
    """Groups of parameters, as indices, that stay equal when a solver starts from theta `(m,)`, although they need not.

    Two parameters are in a group if they are equal or opposite, and if the derivatives of the field in them are equal or opposite
    in the same way at all points x `(n, d)` and all `times`. If these derivatives agree at all other parameters too, as for
    `(theta1 + theta2) x`, the two are not a group. A field that is linear in its control has no groups.

    Examples
    --------
    >>> from eulerian_mfc.fields import BottleneckField
    >>> field, x = BottleneckField(1, 2), np.linspace(-1.0, 1.0, 5)[:, None]
    >>> sorted(group.tolist() for group in twins(field, np.full(7, 0.1), x, np.zeros(1)))  # the two units are equal
    [[0, 1], [2, 3], [4, 5]]
    """
    here = _slopes(field, theta, x, times)
    if here is None:
        return []
    # Sorted by one random combination of their entries, equal columns are neighbours.
    heights = np.abs(np.random.default_rng(1).normal(size=len(here)) @ here)
    groups: list[list[int]] = []
    for i in np.argsort(heights, kind="stable").tolist():
        if groups and _alike(theta, here, groups[-1][-1], i):
            groups[-1].append(i)
        elif here[:, i].any():
            groups.append([i])
    groups = [group for group in groups if len(group) > 1]
    others = _elsewhere(field, theta, x, times) if groups else []
    return [np.array(sorted(g)) for g in groups if not all(_same(slopes, g) for slopes in others)]


def silent(field: Field, theta: np.ndarray, x: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Parameters, as indices, in which the field's derivative is zero at theta but not everywhere: no gradient moves them.

    Examples
    --------
    >>> from eulerian_mfc.fields import BottleneckField
    >>> theta = np.array([0.5, 0.1, 0.0, 0.2])  # nothing of the hidden unit comes out
    >>> silent(BottleneckField(1, 1), theta, np.linspace(-1.0, 1.0, 5)[:, None], np.zeros(1)).tolist()
    [0, 1]
    """
    here = _slopes(field, theta, x, times)
    if here is None:
        return np.empty(0, dtype=int)
    none = np.flatnonzero(~here.any(axis=0))
    others = _elsewhere(field, theta, x, times) if len(none) else []
    return none[sum(slopes[:, none].any(axis=0) for slopes in others) > 0] if others else none[:0]


def told_apart(field: Field, theta: np.ndarray, x: np.ndarray, times: np.ndarray, seed: int = 0) -> np.ndarray:
    """Parameters `(m,)` in which each twin has a random value of its own; a copy of theta if there are no twins.

    Examples
    --------
    >>> from eulerian_mfc.fields import BottleneckField
    >>> x = np.linspace(-1.0, 1.0, 5)[:, None]
    >>> theta = told_apart(BottleneckField(1, 2), np.full(7, 0.1), x, np.zeros(1))
    >>> bool(theta[0] != theta[1]), float(theta[6])
    (True, 0.1)
    """
    out = theta.copy()
    rng = np.random.default_rng(seed)
    for group in twins(field, theta, x, times):
        out[group] = APART * np.abs(theta[group]).max() * rng.normal(size=len(group))
    return out


def _slopes(field: Field, theta: np.ndarray, x: np.ndarray, times: np.ndarray) -> np.ndarray | None:
    """`(times PROBES, m)`: derivatives of the field in theta, times random covectors; None if linear or not finite."""
    if field.control_linear or field.parameters == 0:
        return None
    covectors = np.random.default_rng(0).normal(size=(PROBES, *x.shape))
    with np.errstate(all="ignore"):
        out = np.stack([field.pullback(field.at(t, theta, x), p)[1] for t in times.tolist() for p in covectors])
    return out if np.isfinite(out).all() else None


def _elsewhere(field: Field, theta: np.ndarray, x: np.ndarray, times: np.ndarray) -> list[np.ndarray]:
    """The finite results of `_slopes` at other parameters."""
    moves = np.random.default_rng(2).normal(size=len(theta)) * np.where(theta == 0.0, 1.0, np.abs(theta))
    found = (_slopes(field, theta + size * moves, x, times) for size in MOVES)
    return [slopes for slopes in found if slopes is not None]


def _alike(theta: np.ndarray, slopes: np.ndarray, i: int, j: int) -> bool:
    a, b = slopes[:, i], slopes[:, j]
    sign = np.sign(a @ b)
    near = np.abs(a - sign * b).max() <= EQUAL * np.abs(a).max()
    return bool(near and abs(theta[i] - sign * theta[j]) <= EQUAL * abs(theta[i]))


def _same(slopes: np.ndarray, group: list[int]) -> bool:
    """Whether the derivatives of a group are equal, or opposite."""
    first = slopes[:, group[0]]
    signs = np.sign(first @ slopes[:, group])
    return bool((np.abs(slopes[:, group] * signs - first[:, None]) <= EQUAL * np.abs(first).max()).all())
