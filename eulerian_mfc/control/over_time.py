"""Numbers that depend on time, such as penalties and bounds: functions of time, and values that are constant between times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._frozen import frozen
from .._validate import array, fail, mismatch
from ..flow.polynomials import Basis, gauss

#: a function of time is first evaluated at this many equal distances, so that a wrong value is found before any work
CHECKED = 65
#: points of the Gauss rule on an interval without jumps; it agrees with that of half as many points to this share, unless the
#: interval has been halved so often
POINTS, AGREE, DEEPEST = 16, 1e-13, 45
#: the polynomial through these points agrees with the values at the ends of the interval to this share
AT_ENDS = 1e-11
#: what a user wrote for one time, in any form: it is checked before it is used
Written = Any


class Stepwise:
    """A function of time that is constant between given times: `values[k]` for `times[k] <= t < times[k + 1]`.

    Parameters
    ----------
    times : `(n + 1,)`, the increasing times between which the function is constant, in units of time; from 0 to the horizon.
    values : n values, each in the form that the argument of `Problem` takes for a problem that does not depend on time.

    Raises
    ------
    ArgumentError
        If the times do not increase, or if there is not one value per interval.

    Examples
    --------
    >>> penalty = Stepwise([0.0, 0.25, 1.0], [0.1, 0.4])
    >>> [penalty(t) for t in (0.0, 0.25, 1.0)], penalty.times.tolist()
    ([0.1, 0.4, 0.4], [0.0, 0.25, 1.0])
    """

    def __init__(self, times: ArrayLike, values: Sequence[Written] | np.ndarray) -> None:
        self.times = frozen(array("times", times, ndim=1, like="times=[0.0, 0.25, 1.0]"))
        if len(self.times) < 2 or not (np.diff(self.times) > 0).all():
            raise fail("times", times, "increasing times from 0 to the horizon, such as [0.0, 0.25, 1.0]")
        if len(values) != len(self.times) - 1:
            raise mismatch("values", f"{len(values)} values", f"{len(self.times) - 1} values, one per interval of time")
        self.values = list(values)

    def __call__(self, t: float) -> Written:
        """The value at time t; where an interval ends and another one begins, that of the latter."""
        n = int(np.clip(np.searchsorted(self.times, t, side="right") - 1, 0, len(self.values) - 1))
        return self.values[n]

    def __repr__(self) -> str:
        return f"Stepwise(times={self.times.tolist()}, values={self.values})"


class OverTime:
    """Arrays of numbers as a function of time, which may jump at known times.

    Parameters
    ----------
    name : the argument of `Problem` to which the values belong, for messages.
    function : the value at a time, as the user wrote it.
    rows : (value, name for messages) -> array of numbers, of one shape; it raises an ArgumentError for values out of range.
    horizon : the final time T, in units of time.

    Raises
    ------
    ArgumentError
        If a value is out of range at one of `CHECKED` times, if the function raises an error, or if its times do not run from 0
        to the horizon.

    Examples
    --------
    >>> doubled = OverTime("penalty", lambda t: 2.0 * t, lambda value, name: np.full(1, value), horizon=1.0)
    >>> doubled.at(np.array([0.0, 0.5])).tolist()
    [[0.0], [1.0]]
    """

    def __init__(
        self,
        name: str,
        function: Callable[[float], Written],
        rows: Callable[[Written, str], np.ndarray],
        horizon: float,
    ) -> None:
        self._name, self._function, self._rows = name, function, rows
        steps = function.times if isinstance(function, Stepwise) else np.array([0.0, horizon])
        if steps[0] != 0.0 or abs(steps[-1] - horizon) > 1e-12 * horizon:
            raise mismatch(
                name, f"times from {steps[0]:g} to {steps[-1]:g}", f"times from 0 to the horizon {horizon:g}"
            )
        #: `(k,)`, 0, the times at which the function jumps, and the horizon
        self.breaks = frozen(np.append(steps[:-1], horizon))
        for low, high in pairwise(self.breaks):
            self.inside(low, high, np.linspace(0.0, 1.0, max(CHECKED // (len(self.breaks) - 1), 3)))

    def at(self, times: np.ndarray | float) -> np.ndarray:
        """The values at times `(n,)`, an array `(n, ...)`; for a single time, an array without the first axis."""
        if np.ndim(times) == 0:
            return self._value(float(times))
        return np.stack([self._value(float(t)) for t in np.asarray(times)])

    def inside(self, low: float, high: float, shares: np.ndarray) -> np.ndarray:
        """The values at shares `(n,)` of an interval without jumps; at its ends, the limits from within."""
        first = np.nextafter(low, high) if low > 0.0 else low
        last = np.nextafter(high, low) if high < self.breaks[-1] else high
        return self.at(np.clip(low + (high - low) * shares, first, last))

    def panels(self, low: float, high: float) -> list[tuple[float, float]]:
        """The intervals without jumps of which the interval from `low` to `high` consists."""
        slack = 1e-12 * float(self.breaks[-1])
        between = self.breaks[(self.breaks > low + slack) & (self.breaks < high - slack)]
        return list(pairwise([low, *between.tolist(), high]))

    def smooth_panels(self, low: float, high: float) -> list[tuple[float, float]]:
        """Intervals that the interval from `low` to `high` consists of, on which two Gauss rules agree.

        Jumps and kinks that are not declared are found by bisection, to round-off.
        """
        out: list[tuple[float, float]] = []
        largest: np.ndarray | float = 0.0
        waiting = [(a, b, 0) for a, b in reversed(self.panels(low, high))]
        while waiting:
            a, b, depth = waiting.pop()
            (few, light), (many, heavy) = gauss(POINTS // 2), gauss(POINTS)
            values, ends = self.inside(a, b, many), self.inside(a, b, np.array([0.0, 1.0]))
            largest = np.maximum(largest, np.abs(values).max(axis=0))
            size = largest * max((high - low) / (b - a), 1.0)
            apart = np.abs(np.tensordot(heavy, values, 1) - np.tensordot(light, self.inside(a, b, few), 1))
            # A jump between an end and the points next to it shows only at the end.
            beyond = np.abs(np.tensordot(_to_the_ends(), values, 1) - ends).max(axis=0)
            with np.errstate(invalid="ignore"):
                close = (apart <= AGREE * size) & (beyond <= AT_ENDS * size)
            middle = 0.5 * (a + b)
            if close.all() or depth == DEEPEST or not a < middle < b:
                out.append((a, b))
            else:
                waiting += [(middle, b, depth + 1), (a, middle, depth + 1)]
        return out

    def _value(self, t: float) -> np.ndarray:
        name = f"{self._name} at time {t:g}"
        try:
            given = self._function(t)
        except Exception as error:
            raise mismatch(name, f"{type(error).__name__}: {error}", "a function of one time, a float") from error
        return self._rows(given, name)


@lru_cache
def _to_the_ends() -> np.ndarray:
    """`(2, POINTS)`: the values of the polynomial through the points of the Gauss rule at the ends of the interval."""
    nodes, _ = gauss(POINTS)
    legendre = Basis(POINTS - 1)
    return frozen(legendre(np.array([0.0, 1.0])) @ np.linalg.inv(legendre(nodes)))
