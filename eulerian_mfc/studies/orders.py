"""Observed orders, their fits, and Richardson extrapolation."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .._validate import mismatch
from ..kernels.special import stdtrit

#: smallest and largest order that extrapolation accepts
CREDIBLE = (0.2, 16.0)


class Fit(NamedTuple):
    """Least squares of `log(error) = log(constant) + order * log(h)`.

    Attributes
    ----------
    order, constant : the fitted values.
    low, high : confidence interval of the order by Student's t with n - 2 degrees of freedom; NaN for two points.
    level : its confidence level, a share of 1.
    points : how many errors were fitted.

    Examples
    --------
    >>> str(fit([0.5, 0.25, 0.125], [3 * 0.5**2, 3 * 0.25**2, 3 * 0.125**2]))
    '2.00 [2.00, 2.00]'
    """

    order: float
    constant: float
    low: float
    high: float
    level: float
    points: int

    def __str__(self) -> str:
        if not np.isfinite(self.low):
            return f"{self.order:.2f} ({self.points} points)"
        return f"{self.order:.2f} [{self.low:.2f}, {self.high:.2f}]"


def pairwise(h: Sequence[float], errors: Sequence[float]) -> list[float | None]:
    """`log(e_{k-1}/e_k) / log(h_{k-1}/h_k)`, None for the first and where an error is not positive."""
    out: list[float | None] = [None]
    for k in range(1, len(h)):
        (a, b), (c, d) = errors[k - 1 : k + 1], h[k - 1 : k + 1]
        known = min(a, b, c, d) > 0 and c != d and np.isfinite(a) and np.isfinite(b)
        out.append(float(np.log(a / b) / np.log(c / d)) if known else None)
    return out


def fit(h: Sequence[float], errors: Sequence[float], level: float = 0.95, spent: int = 0) -> Fit:
    """The order over all points, with its confidence interval.

    `spent` degrees of freedom were used for the limit from which the errors are measured; if none is left, the fit has no
    confidence interval.

    Raises
    ------
    ArgumentError
        With fewer than two different positive h and errors.
    """
    x, y = np.asarray(h, dtype=float), np.asarray(errors, dtype=float)
    if len(x) < 2 or not (x > 0).all() or not (y > 0).all() or np.ptp(x) == 0:
        raise mismatch("errors", f"{len(x)} points", "two or more points, with different widths and positive errors")
    x, y = np.log(x), np.log(y)
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    intercept = float(y.mean() - slope * x.mean())
    free = len(x) - 2 - spent
    half = np.nan
    if free > 0:
        rest = y - intercept - slope * x
        half = float(stdtrit(free, 0.5 + level / 2) * np.sqrt(rest @ rest / free / (centred @ centred)))
    return Fit(slope, float(np.exp(intercept)), slope - half, slope + half, level, len(x))


class Limit(NamedTuple):
    """An extrapolated value `(...)`, the order that was used for it, and the method in words."""

    value: np.ndarray
    order: float | None
    how: str


def extrapolate(
    h: Sequence[float], values: Sequence[np.ndarray], floor: float = 0.0, expected: float | None = None
) -> Limit:
    """Richardson extrapolation: the limit v of `v + c h^p` through the three finest values, with p from their differences.

    If the order is more than 0.1 above the `expected` order, the expected order is used, which gives larger error estimates.

    Values that differ by at most `floor` from the next are at round-off; if the finest are, the finest value is the limit.
    Values are numbers or arrays; differences of arrays are measured by their largest entry.

    If the three finest do not show a credible order (their differences grow or change sign), the finest value is taken.

    References
    ----------
    P. J. Roache, Quantification of uncertainty in computational fluid dynamics, Annu. Rev. Fluid Mech. 29 (1997), 123-160,
    doi:10.1146/annurev.fluid.29.1.123.
    """
    v = [np.asarray(x, dtype=float) for x in values]
    last = len(v) - 1
    gaps = [float(np.abs(b - a).max()) for a, b in itertools.pairwise(v)]
    if gaps and gaps[-1] <= floor:
        return Limit(
            v[last],
            None,
            f"the finest run (the two finest runs agree to {floor:.1e}, the accuracy to which they are solved)",
        )
    if len(v) < 3:
        return Limit(v[last], None, "the finest run (Richardson extrapolation needs three runs)")
    order = _order_of_differences(h[last - 2 : last + 1], gaps[-2], gaps[-1])
    turned = float(np.vdot(v[last - 1] - v[last - 2], v[last] - v[last - 1])) <= 0
    if order is None or turned:
        return Limit(
            v[last],
            None,
            "the finest run (the three finest runs show no order, so that Richardson extrapolation cannot be used)",
        )
    how = f"Richardson, order {order:.2f} of the three finest"
    if expected is not None and order > expected + 0.1:
        how = (
            f"Richardson, order {expected:g} of theory (the three finest runs show the order {order:.2f}, which "
            "is too high to be reliable)"
        )
        order = expected
    ratio = (h[last - 1] / h[last]) ** order
    return Limit(v[last] + (v[last] - v[last - 1]) / (ratio - 1), order, how)


def _order_of_differences(h: Sequence[float], first: float, second: float) -> float | None:
    """The p with `(h1^p - h2^p) / (h2^p - h3^p) = first / second`, by bisection: the left side grows with p."""

    def ratio(p: float) -> float:
        a, b, c = (x / h[0] for x in h)
        return float((a**p - b**p) / (b**p - c**p))

    low, high = CREDIBLE
    if second <= 0 or not ratio(low) < first / second < ratio(high):
        return None
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if ratio(middle) < first / second else (low, middle)
    return 0.5 * (low + high)
