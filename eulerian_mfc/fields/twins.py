"""Parameters that nothing tells apart: hidden units that are equal at the start stay equal for ever."""

from __future__ import annotations

import numpy as np

from .base import Field

#: random covectors at every point, with which derivatives are compared
PROBES = 2
#: size of what counts as equal, or as zero, relative to the largest
EQUAL = 1e-9
#: relative moves of the parameters by which twins are told from parameters that mean the same everywhere; long ones where a
#: field is nearly linear in its parameters, in the units that it has
MOVES = (0.3, 30.0, 3e3, 3e5, 3e7)
#: times the size of twins, that their own random values have
APART = 5.0


def twins(field: Field, theta: np.ndarray, x: np.ndarray, times: np.ndarray) -> list[np.ndarray]:
    """Groups of parameters, as indices, that a solver which starts from theta `(m,)` moves alike, although they need not be.

    Two parameters are in a group if they are equal, or opposite, and the derivatives of the field in them are so too, at all the
    points x `(n, d)` and `times`; but not at other parameters, as those of `(theta1 + theta2) x` are. One more group holds those
    in which the derivative is zero here and not elsewhere: all gradients in them are zero.

    A field that is linear in its control has none.
    """
    if field.control_linear or field.parameters == 0:
        return []
    rng = np.random.default_rng(0)
    covectors = rng.normal(size=(PROBES, *x.shape))
    mix = rng.normal(size=PROBES * len(times))
    here = _slopes(field, theta, x, times, covectors)
    if not np.isfinite(here).all():
        return []
    silent = np.flatnonzero(~here.any(axis=0))
    # Equal columns are neighbours in the order of one random combination of their entries.
    order = np.argsort(np.abs(mix @ here), kind="stable")[len(silent) :]
    groups: list[list[int]] = []
    for i in order.tolist():
        if groups and _alike(theta, here, groups[-1][-1], i):
            groups[-1].append(i)
        else:
            groups.append([i])
    groups = [group for group in groups if len(group) > 1]
    if not groups and not len(silent):
        return []
    moves = rng.normal(size=len(theta)) * np.where(theta == 0.0, 1.0, np.abs(theta))
    others = [_slopes(field, theta + size * moves, x, times, covectors) for size in MOVES]
    others = [slopes for slopes in others if np.isfinite(slopes).all()]
    found = [np.array(sorted(g)) for g in groups if not all(_same(slopes, g) for slopes in others)]
    silent = silent[sum(slopes[:, silent].any(axis=0) for slopes in others) > 0]
    return [*found, silent] if len(silent) else found


def told_apart(field: Field, theta: np.ndarray, x: np.ndarray, times: np.ndarray, seed: int = 0) -> np.ndarray:
    """Parameters `(m,)` whose twins have random values of their own; theta itself where there are none."""
    out = theta.copy()
    rng = np.random.default_rng(seed)
    for group in twins(field, theta, x, times):
        size = np.abs(theta[group]).max()
        if size > 0:
            out[group] = APART * size * rng.normal(size=len(group))
    return out


def _slopes(field: Field, theta: np.ndarray, x: np.ndarray, times: np.ndarray, covectors: np.ndarray) -> np.ndarray:
    """`(times PROBES, m)`: derivatives in theta of the field, tested with random covectors."""
    with np.errstate(all="ignore"):
        return np.stack(
            [field.pullback(t, theta, x, field(t, theta, x), p)[1] for t in times.tolist() for p in covectors]
        )


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
