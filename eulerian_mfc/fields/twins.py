"""Parameters that nothing tells apart: hidden units that are equal at the start stay equal for ever."""

from __future__ import annotations

import numpy as np

from .base import Field

#: random covectors at every point, with which derivatives are compared
PROBES = 2
#: relative difference of what counts as equal
EQUAL = 1e-9
#: relative moves of the parameters by which twins are told from parameters that mean the same everywhere; long ones where a
#: field is nearly linear in its parameters, in the units that it has
MOVES = (0.3, -0.3, 30.0, -30.0, 3e3, 3e5, 3e7)
#: times the size of twins, that their own random values have
APART = 5.0


def twins(field: Field, theta: np.ndarray, x: np.ndarray, times: np.ndarray) -> list[np.ndarray]:
    """Groups of parameters, as indices, that a solver which starts from theta `(m,)` moves alike, although they need not be.

    Two parameters are in a group if they are equal, or opposite, and the derivatives of the field in them are so too, at all the
    points x `(n, d)` and `times`; but not at other parameters, as those of `(theta1 + theta2) x` are. A field that is linear in
    its control has none.

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
    # Equal columns are neighbours in the order of one random combination of their entries.
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
    """Parameters, as indices, in which the field has no derivative at theta, and has some at others: nothing moves them.

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
    """Parameters `(m,)` whose twins have random values of their own; theta itself where there are none.

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
    """`(times PROBES, m)`: derivatives in theta of the field, times random covectors; None where there is nothing to tell."""
    if field.control_linear or field.parameters == 0:
        return None
    covectors = np.random.default_rng(0).normal(size=(PROBES, *x.shape))
    with np.errstate(all="ignore"):
        out = np.stack([field.pullback(field.at(t, theta, x), p)[1] for t in times.tolist() for p in covectors])
    return out if np.isfinite(out).all() else None


def _elsewhere(field: Field, theta: np.ndarray, x: np.ndarray, times: np.ndarray) -> list[np.ndarray]:
    """The same at other parameters."""
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
