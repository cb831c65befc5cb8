"""Penalties, L1 weights and bounds that depend on time, at single times and on the coefficients of controls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import ArrayLike

from .._validate import fail
from ..flow.polynomials import Basis, gauss
from .bounds import Bounds, box
from .curves import Curves
from .over_time import POINTS, OverTime, Stepwise, Written
from .regulariser import Regulariser, penalties_of, sparsities_of

#: bounds are compared with polynomials at this many points of a layer, and again around each largest difference, so many times
SAMPLES, ZOOMS = 65, 15
#: differences below this share of the numbers are round-off
ROUND_OFF = 4e-15
#: bounds that cross by at most this share of their size touch
TOUCH = 1e-12
#: a number, or a function of time with such values
Varying = ArrayLike | Callable[[float], Written]


def regulariser_of(
    penalty: Varying, sparsity: Varying, bounds: Bounds | Varying, parameters: int, horizon: float
) -> Regulariser:
    """The regulariser from the arguments of `Problem`, constant in time or not.

    Parameters
    ----------
    penalty, sparsity : one number, one per parameter `(m,)`, an array `(n, m)` for n equal parts of the horizon, a `Stepwise`, or
        a function of time that returns one number or one per parameter.
    bounds : as in `control.bounds.box`, an array `(n, m, 2)` for n equal parts of the horizon, a `Stepwise`, or a function of
        time that returns one of the forms of `control.bounds.box`.
    parameters : the number m of parameters.
    horizon : the final time T, in units of time.

    Raises
    ------
    ArgumentError
        If numbers are out of range at any time that is looked at, if their count is neither 1 nor m, or if the bounds admit no
        control.

    Examples
    --------
    >>> r = regulariser_of(lambda t: 1.0 + t, 0.0, None, parameters=1, horizon=2.0)
    >>> r.penalties.round(12).tolist(), r.at(np.array([0.0, 2.0])).penalties.tolist()
    ([2.0], [[1.0], [3.0]])
    """
    given: tuple[tuple[str, Written, int, Callable[..., np.ndarray]], ...] = (
        ("penalty", penalty, 2, penalties_of), ("sparsity", sparsity, 2, sparsities_of), ("bounds", bounds, 3, box)
    )  # fmt: skip
    steps: list[Written] = [_stepwise(name, value, ndim, horizon) for name, value, ndim, _ in given]
    if not any(callable(value) for value in steps):
        return Regulariser.of(steps[0], steps[1], steps[2], parameters)
    courses = []
    for (name, _, _, form), value in zip(given, steps, strict=True):
        rows = partial(_row, form, parameters)
        courses.append(OverTime(name, value if callable(value) else _Constant(value), rows, horizon))
    return VaryingRegulariser.over(*courses, horizon=horizon, constant=not callable(steps[0]))


def _row(form: Callable[..., np.ndarray], parameters: int, value: Written, name: str) -> np.ndarray:
    return form(value, parameters, name=name)


def _stepwise(name: str, value: Written, ndim: int, horizon: float) -> Written:
    """The argument, where an array with one more axis than a constant one has becomes a `Stepwise` of equal parts."""
    if callable(value) or value is None:
        return value
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        return value
    if array.ndim != ndim or not len(array):
        return value
    return Stepwise(np.linspace(0.0, horizon, len(array) + 1), array)


@dataclass(frozen=True)
class _Constant:
    """The same value at every time."""

    value: Written

    def __call__(self, t: float) -> Written:
        return self.value


@dataclass(frozen=True, eq=False)
class VaryingRegulariser(Regulariser):
    """A regulariser of which numbers depend on time.

    Its own arrays `(m,)` are the means over time of penalties and L1 weights, and the widest bounds over time. They give natural
    sizes; costs, residuals and bounds come from `at` and `on`.

    Parameters
    ----------
    over_time : penalties `(m,)`, L1 weights `(m,)` and bounds `(2, m)` as functions of time.
    constant : whether the penalties do not depend on time.

    References
    ----------
    Bounds in the Bernstein basis: R. T. Farouki, The Bernstein polynomial basis: a centennial retrospective, Comput. Aided Geom.
    Design 29 (2012), 379-419, doi:10.1016/j.cagd.2012.03.001.
    """

    over_time: tuple[OverTime, OverTime, OverTime]
    constant: bool

    @classmethod
    def over(
        cls, penalty: OverTime, sparsity: OverTime, bounds: OverTime, *, horizon: float, constant: bool
    ) -> VaryingRegulariser:
        """The regulariser from its functions of time."""
        nodes, weights = gauss(POINTS)
        means: list[np.ndarray] = []
        for course in (penalty, sparsity):
            parts = course.smooth_panels(0.0, horizon)
            means.append(np.sum([(b - a) / horizon * weights @ course.inside(a, b, nodes) for a, b in parts], axis=0))
        sides = np.concatenate(
            [bounds.inside(a, b, np.linspace(0.0, 1.0, SAMPLES)) for a, b in bounds.panels(0.0, horizon)]
        )
        low, high = sides[:, 0].min(axis=0), sides[:, 1].max(axis=0)
        mean, l1 = means
        return cls(mean, l1, low, high, (penalty, sparsity, bounds), constant, largest=float(np.max(mean)))

    @cached_property
    def bounded(self) -> bool:
        """Whether any parameter has a bound at any time."""
        bounds = self.over_time[2]
        ends = zip(bounds.breaks[:-1], bounds.breaks[1:], strict=True)
        return any(np.isfinite(bounds.inside(a, b, np.linspace(0.0, 1.0, SAMPLES))).any() for a, b in ends)

    @property
    def varies(self) -> bool:
        return True

    @property
    def breaks(self) -> np.ndarray:
        """`(n,)`: the times within the horizon at which a `Stepwise` or an array jumps."""
        return np.unique(np.concatenate([course.breaks[1:-1] for course in self.over_time]))

    def at(self, times: np.ndarray | float) -> Regulariser:
        penalties, sparsities, bounds = (course.at(times) for course in self.over_time)
        return Regulariser(penalties, sparsities, bounds[..., 0, :], bounds[..., 1, :], largest=self.largest)

    def on(self, curves: Curves) -> Regulariser:
        """The regulariser of the coefficients of curves, with arrays of their shape.

        Penalties are means over layers. The weight of the L1 norm of a coefficient is the mean of sparsity with the weight of its
        polynomial, so that the norm is exact for controls of which the coefficients have one sign. Bounds of the coefficients
        imply those of the control at every time: on every layer, a polynomial is fitted to a bound and moved inwards by its
        largest error, and the bound's coefficients are those of this polynomial (for degree 0, and where a bound jumps within
        a layer, the tightest value).
        """
        shape = (curves.layers, *((curves.degree + 1,) if curves.degree else ()), len(self.penalties))
        means = self._moments(self.over_time[0], curves, lambda b: np.ones((len(b), 1)))
        l1 = self._moments(self.over_time[1], curves, lambda b: b * (curves.degree + 1)) if self.sparse else 0.0 * means
        lower, upper = np.stack([_box(self.over_time[2], curves, n) for n in range(curves.layers)], axis=1)
        # Bounds that touch cross by the round-off of their polynomials.
        finite = np.isfinite(lower) & np.isfinite(upper)
        low, high = np.where(finite, lower, 0.0), np.where(finite, upper, 0.0)
        touch = (low > high) & (low - high <= TOUCH * (np.abs(low) + np.abs(high)))
        lower, upper = (np.where(touch, 0.5 * (low + high), side) for side in (lower, upper))
        if (lower > upper).any():
            n, _, j = (int(k) for k in np.argwhere(lower > upper)[0])
            found = f"bounds that leave too little room for parameter {j} from time {curves.ends[n]:g} to {curves.ends[n + 1]:g}"
            raise fail(
                "bounds", found, f"bounds that admit a polynomial of degree {curves.degree} there: use more layers"
            )
        arrays = (
            np.broadcast_to(a, (curves.layers, curves.degree + 1, shape[-1])).reshape(shape)
            for a in (means, l1, lower, upper)
        )
        return Regulariser(*arrays, largest=self.largest)

    def blocks(self, curves: Curves) -> np.ndarray | None:
        if self.constant:
            return None
        k = curves.degree + 1
        pairs = self._moments(self.over_time[0], curves, lambda b: (b[:, :, None] * b[:, None]).reshape(len(b), -1))
        return curves.lengths[:, None, None, None] * pairs.reshape(curves.layers, k, k, -1)

    @staticmethod
    def _moments(course: OverTime, curves: Curves, weight: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """`(layers, k, m)`: means over layers of k functions of the basis `(n, degree + 1) -> (n, k)` times numbers `(m,)`."""
        nodes, rule = gauss(POINTS)
        out = []
        for low, high in zip(curves.ends[:-1], curves.ends[1:], strict=True):
            total = 0.0
            for a, b in course.smooth_panels(float(low), float(high)):
                shares = (a - low + (b - a) * nodes) / (high - low)
                values = course.inside(a, b, nodes)
                total = total + (b - a) / (high - low) * np.einsum(
                    "n,nk,nm->km", rule, weight(curves.basis(shares)), values
                )
            out.append(total)
        return np.stack(out)


def _box(bounds: OverTime, curves: Curves, n: int) -> np.ndarray:
    """`(2, degree + 1, m)`: bounds of the coefficients of layer n, which imply those of the control at every time."""
    layer = float(curves.ends[n]), float(curves.ends[n + 1])
    panels = bounds.panels(*layer)
    basis = Basis(curves.degree if len(panels) == 1 else 0, "bernstein")
    nodes = 0.5 - 0.5 * np.cos(np.pi * (np.arange(basis.degree + 1) + 0.5) / (basis.degree + 1))
    signs = np.array([1.0, -1.0])[:, None]  # of the lower bounds, and of the upper bounds turned over
    wanted = bounds.inside(*panels[0], nodes) * signs
    infinite = np.isinf(wanted).any(axis=0)  # there, the polynomial is zero
    fit = np.einsum("ij,jsm->ism", np.linalg.inv(basis(nodes)), np.where(infinite, 0.0, wanted))
    fit = fit + _largest_excess(bounds, layer, panels, fit)
    return signs[:, None] * np.broadcast_to(fit.swapaxes(0, 1), (2, curves.degree + 1, fit.shape[-1]))


def _largest_excess(
    bounds: OverTime, layer: tuple[float, float], panels: list[tuple[float, float]], fit: np.ndarray
) -> np.ndarray:
    """`(2, m)`: the largest amount by which the bounds (upper ones turned over) exceed polynomials `(k + 1, 2, m)`."""
    basis, signs = Basis(len(fit) - 1, "bernstein"), np.array([1.0, -1.0])[:, None]
    shares = 0.5 - 0.5 * np.cos(np.pi * np.linspace(0.0, 1.0, SAMPLES))
    largest = np.full(fit.shape[1:], -np.inf)
    for a, b in panels:

        def excess(at: np.ndarray, a: float = a, b: float = b) -> np.ndarray:
            on_layer = (a - layer[0] + (b - a) * at) / (layer[1] - layer[0])
            return bounds.inside(a, b, at) * signs - np.einsum("nk,ksm->nsm", basis(on_layer), fit)

        values = excess(shares)
        largest = np.maximum(largest, values.max(axis=0))
        small = ROUND_OFF * (np.abs(values).max(axis=0) + np.abs(fit).max(axis=0))
        with np.errstate(invalid="ignore"):
            tops = np.isfinite(values[1:-1]) & (values[1:-1] > values[:-2]) & (values[1:-1] >= values[2:])
            tops &= np.ptp(values, axis=0) > small
        for i, side, j in np.argwhere(tops):
            one = partial(_entry, excess, int(side), int(j))
            found = _maximum(one, float(shares[i]), float(shares[i + 2]), float(small[side, j]))
            largest[side, j] = max(largest[side, j], found)
    return largest


def _entry(function: Callable[[np.ndarray], np.ndarray], i: int, j: int, at: np.ndarray) -> np.ndarray:
    return function(at)[:, i, j]


def _maximum(function: Callable[[np.ndarray], np.ndarray], left: float, right: float, small: float) -> float:
    """The largest value of a function with one maximum in an interval, to `small`, by intervals that shrink around it."""
    best = -np.inf
    for _ in range(ZOOMS):
        points = np.linspace(left, right, SAMPLES // 4)
        values = function(points)
        top = int(values.argmax())
        best = max(best, float(values[top]))
        if np.ptp(values) <= small:
            break
        left, right = float(points[max(top - 1, 0)]), float(points[min(top + 1, len(points) - 1)])
    return best
