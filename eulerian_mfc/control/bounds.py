"""Bounds of the control, from the forms in which users may pass them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from .._validate import fail, unmasked


class BoundsObject(Protocol):
    """The attributes of `scipy.optimize.Bounds`: lower bounds `lb` and upper bounds `ub`."""

    lb: ArrayLike
    ub: ArrayLike


Pair = Sequence[float | None] | np.ndarray
Bounds = BoundsObject | Pair | Sequence[Pair] | None


def box(bounds: Bounds, parameters: int, name: str = "bounds") -> np.ndarray:
    """`(2, m)` lower and upper bounds of the control; infinite for parameters without a bound.

    Parameters
    ----------
    bounds : None, one pair `(low, high)`, one pair per parameter (None for no bound), or a `scipy.optimize.Bounds`.
    parameters : the number m of parameters.
    name : the name of the argument, for messages.

    Raises
    ------
    ArgumentError
        If the bounds have another form, or admit no control.

    Examples
    --------
    >>> box([(0.0, 1.0), (None, 2.0)], 2).tolist()
    [[0.0, -inf], [1.0, 2.0]]
    """
    if bounds is None:
        return np.array([[-np.inf], [np.inf]]) * np.ones(parameters)
    wanted = f"None, one pair (low, high) such as bounds=(-1.0, 1.0), {parameters} pairs or a scipy.optimize.Bounds"
    try:
        given = bounds if isinstance(bounds, Sequence | np.ndarray) else (bounds.lb, bounds.ub)
    except AttributeError:
        raise fail(name, bounds, wanted) from None
    for part in (given, *given):
        unmasked(name, part)
    try:
        sides = _rows(given) if given is bounds else [np.asarray(side, dtype=np.float64) for side in given]
        found = np.stack([np.broadcast_to(side, parameters) for side in sides])
    except (TypeError, ValueError):
        raise fail(name, bounds, wanted) from None
    low, high = found
    if np.isnan(found).any() or (low > high).any() or (low == np.inf).any() or (high == -np.inf).any():
        raise fail(name, bounds, "low <= high for every parameter: these bounds admit no control")
    return found


def put_on(
    theta: np.ndarray, near: np.ndarray, bound: np.ndarray, share: float, size: np.ndarray | float
) -> np.ndarray:
    """Parameters, of which those that differ from a bound by round-off are put on it: what holds them is then seen.

    Parameters
    ----------
    theta : the parameters.
    near : the bound with which they are compared, infinite where there is none; it broadcasts against them.
    bound : the bound on which they are put.
    share : the largest difference, relative to the bound and to `size`.
    size : the size of the parameters.

    Examples
    --------
    >>> put_on(np.array([0.5, 1.0 - 1e-15]), np.ones(1), np.ones(1), 1e-13, 1.0).tolist()
    [0.5, 1.0]
    """
    finite = np.where(np.isfinite(near), near, 0.0)
    close = np.isfinite(near) & (np.abs(theta - finite) <= share * (np.abs(finite) + size))
    return np.where(close, bound, theta)


def _rows(pairs: Sequence[Any] | np.ndarray) -> np.ndarray:
    """`(2, n)` lower and upper bounds from n pairs, or from one pair; raises a TypeError or ValueError for other forms."""
    one = len(pairs) == 2 and not isinstance(pairs[0], Sequence | np.ndarray)
    rows = [list(row) for row in ([pairs] if one else pairs)]
    infinite = (-np.inf, np.inf)
    filled = [[s if v is None else v for v, s in zip(row, infinite, strict=True)] for row in rows]
    return np.array(filled, dtype=np.float64).T
