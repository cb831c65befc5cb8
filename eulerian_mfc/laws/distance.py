"""Wasserstein distances of samples to the law from which they were drawn.

On the line `W_p^p = int_0^1 |Q_N(u) - Q(u)|^p du` with the quantile functions. For normal laws, their mixtures and
truncations, and for uniform laws it is computed to round-off by Gauss-Legendre rules between the quantiles. In the plane and
in space the law is approximated by atoms, and POT (extra `transport`) solves the discrete problem.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .._validate import array, choice, integer, mismatch
from ..errors import EulerianError
from .base import LabelledLaw, Law, Lines
from .empirical import Empirical
from .gaussian import GaussianMixture
from .labelled import Labelled
from .uniform import Uniform

#: a map of points `(n, d)` that is constant on the orbits of a group
Symmetry = Callable[[np.ndarray], np.ndarray]
#: panels per axis of the rule that replaces a law without a known density on the line
PANELS = 2048
#: standard deviations at which normal densities end: the mass beyond is round-off
FAR = 10.0
#: points of the Gauss-Legendre rule on half a deviation, or on a part of it between quantiles and samples
NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)
#: largest number of steps for a quantile: a bracket that is halved so often is as small as round-off
BISECTIONS = 60
#: error of distances on the line, in units of the last place
LAST_PLACES = 16.0


class Distance(NamedTuple):
    """A Wasserstein distance.

    Attributes
    ----------
    value : the distance, in units of the state.
    tolerance : bound of its error, in the same units. On the line it is round-off. Elsewhere it is the distance of the law to
        its atoms, plus the gap between the linear program's value and its dual value.
    method : how it was computed.

    Examples
    --------
    >>> from eulerian_mfc.laws import Uniform, wasserstein
    >>> wasserstein(Uniform([(0.0, 1.0)]), [0.5]).method
    'quantile functions'
    """

    value: float
    tolerance: float
    method: str


def wasserstein(
    law: Law | LabelledLaw,
    x: ArrayLike,
    p: int = 1,
    *,
    symmetry: Symmetry | None = None,
    atoms: int = 4000,
) -> Distance:
    """`W_p` of the empirical law of samples to a law, p = 1 or 2, for the Euclidean distance of the inputs.

    Parameters
    ----------
    law : a law of inputs, or a law of inputs and labels, of which only the inputs count.
    x : samples `(n, d)`, or `(n,)` on a line.
    p : 1 or 2.
    symmetry : a map of points `(n, d) -> (n, d)` that is constant on the orbits of a group of symmetries of the control
        problem, such as `np.abs` for the symmetry `x -> -x, y -> -y`. The distance is then that of the images of the two laws.
        The optimal control depends on these images only, so that this smaller distance bounds its error too.
    atoms : in the plane and in space, the approximate number of atoms that replace a law that is not a law of samples.

    Raises
    ------
    ArgumentError
        If the samples have another dimension than the law, or p is neither 1 nor 2.
    EulerianError
        In two and three dimensions without POT, or if its solver stops before the optimum.

    References
    ----------
    F. Santambrogio, Optimal Transport for Applied Mathematicians, Birkhaeuser 2015, section 2.1,
    doi:10.1007/978-3-319-20828-2; R. Flamary et al., POT: Python Optimal Transport, J. Mach. Learn. Res. 22 (2021), 1-8.

    Examples
    --------
    >>> from eulerian_mfc.laws import Uniform, wasserstein
    >>> round(wasserstein(Uniform([(0.0, 1.0)]), [0.5]).value, 12)  # E |U - 1/2|
    0.25
    """
    choice("p", integer("p", p), (1, 2))
    points = array("x", x, ndim=(1, 2))
    points = points[:, None] if points.ndim == 1 else points
    if points.shape[1] != law.dim or not len(points):
        raise mismatch("x", f"samples of shape {np.shape(x)}", f"points as rows, an array of shape (n, {law.dim})")
    inputs = law.law if isinstance(law, Labelled) else law
    if law.dim > 1:
        return _by_linear_program(inputs, points, p, symmetry, integer("atoms", atoms))
    # Distances are invariant under shifts and scale with the unit. Centred and scaled, nothing cancels or underflows.
    box = inputs.box(1e-16)[0]
    centre, scale = float(box.mean()), float(np.ptp(box)) or 1.0
    closed = None if symmetry is not None else _on_the_line(inputs, centre, scale)
    if closed is not None:
        value = scale * _by_quantiles(closed, np.sort((points[:, 0] - centre) / scale), p)
        size = max(value, float(np.abs(points).max()), float(np.abs(box).max()))
        return Distance(value, float(LAST_PLACES * np.finfo(float).eps) * size, "quantile functions")
    mapped = points if symmetry is None else symmetry(points)
    a, u = _law_points(inputs, symmetry, [np.linspace(box[0], box[1], PANELS + 1)])
    value, n = _discrete_line(a[:, 0], u, mapped[:, 0], p), len(a)
    if isinstance(inputs, Empirical):
        return Distance(value, 1e-15 * float(np.abs(a).max()), "quantile functions of both samples")
    return Distance(value, float(np.diff(np.sort(a[:, 0])).max()), f"quantile functions, {n} points of the law's rule")


def _law_points(law: Law | LabelledLaw, symmetry: Symmetry | None, lines: Lines) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of the law's rule, after the symmetry map."""
    rule = law.quadrature(lines)
    return (rule.x if symmetry is None else symmetry(rule.x)), rule.w


class _Density(NamedTuple):
    """A law on the line: a density `(n,) -> (n,)` that is zero outside its knots and smooth between them."""

    knots: np.ndarray
    at: Callable[[np.ndarray], np.ndarray]

    def integral(
        self, low: np.ndarray, high: np.ndarray, factor: Callable[[np.ndarray], np.ndarray] | None = None
    ) -> np.ndarray:
        """`(n,)` integrals of the density times `factor`, a function of points `(n, POINTS)`, over intervals without knots."""
        half = 0.5 * (high - low)
        points = 0.5 * (low + high)[:, None] + half[:, None] * NODES
        values = self.at(points.ravel()).reshape(points.shape)
        return half * ((values if factor is None else values * factor(points)) @ WEIGHTS)

    def quantiles(self, levels: np.ndarray) -> np.ndarray:
        """Points `(n,)` below which the mass is `levels`, by Newton steps within brackets."""
        below = np.concatenate([[0.0], np.cumsum(self.integral(self.knots[:-1], self.knots[1:]))])
        panel = np.clip(np.searchsorted(below, levels, side="right") - 1, 0, len(self.knots) - 2)
        start, wanted = self.knots[panel], levels - below[panel]
        low, high = start.copy(), self.knots[panel + 1]
        x = 0.5 * (low + high)
        active = np.arange(len(x))
        for _ in range(BISECTIONS):
            at = x[active]
            excess = self.integral(start[active], at) - wanted[active]
            low[active], high[active] = np.where(excess < 0, at, low[active]), np.where(excess < 0, high[active], at)
            with np.errstate(all="ignore"):
                step = at - excess / self.at(at)
            inside = (step > low[active]) & (step < high[active])
            x[active] = np.where(inside, step, 0.5 * (low[active] + high[active]))
            active = active[np.abs(x[active] - at) > LAST_PLACES * np.finfo(float).eps]
        return x


def _on_the_line(law: Law | LabelledLaw, centre: float, scale: float) -> _Density | None:
    """The density of `(X - centre) / scale`; None if it is not known."""
    if isinstance(law, Uniform):
        ends = (np.asarray(law.bounds[0], dtype=np.float64) - centre) / scale
        return _Density(ends, lambda x: np.full(len(x), 1.0 / (ends[1] - ends[0])))
    if not isinstance(law, GaussianMixture):
        return None
    reach = np.minimum(np.inf if law.truncation is None else law.truncation, FAR * law.std[:, 0]) / scale
    means, std = (law.means[:, 0] - centre) / scale, law.std[:, 0] / scale

    def normal(x: np.ndarray, k: int) -> np.ndarray:
        return np.where(np.abs(x - means[k]) < reach[k], np.exp(-0.5 * ((x - means[k]) / std[k]) ** 2), 0.0)

    knots, shares = [], []
    for k, weight in enumerate(law.weights):
        own = means[k] + reach[k] * np.linspace(-1.0, 1.0, 2 * int(np.ceil(2.0 * reach[k] / std[k])) + 1)
        knots.append(own)
        shares.append(weight / _Density(own, partial(normal, k=k)).integral(own[:-1], own[1:]).sum())
    return _Density(np.unique(np.concatenate(knots)), lambda x: sum(c * normal(x, k) for k, c in enumerate(shares)))


def _by_quantiles(law: _Density, x: np.ndarray, p: int) -> float:
    """`W_p` on the line: sample i receives the law's mass between the quantiles i/N and (i + 1)/N; all terms are positive."""
    ends = law.quantiles(np.arange(1, len(x)) / len(x))
    low, high = law.knots[[0, -1]]
    marks = np.unique(np.concatenate([law.knots, ends, np.clip(x, low, high)]))
    mine = x[np.searchsorted(ends, 0.5 * (marks[:-1] + marks[1:]))]
    total = law.integral(marks[:-1], marks[1:], lambda t: np.abs(mine[:, None] - t) ** p).sum()
    return float(total) ** (1 / p)


def _discrete_line(a: np.ndarray, weights: np.ndarray, b: np.ndarray, p: int) -> float:
    """`W_p` of weighted atoms to equally weighted ones on the line: the quantile functions are piecewise constant."""
    order = np.argsort(a)
    a, b = a[order], np.sort(b)
    ends_a = np.cumsum(weights[order])
    ends_b = np.arange(1, len(b) + 1) / len(b)
    ends_a[-1] = ends_b[-1] = 1.0
    ends = np.union1d(ends_a, ends_b)
    lengths = np.diff(ends, prepend=0.0)
    middles = ends - 0.5 * lengths
    gap = np.abs(a[np.searchsorted(ends_a, middles)] - b[np.searchsorted(ends_b, middles)])
    largest = float(gap.max()) or 1.0  # its square may overflow
    return largest * float((lengths @ (gap / largest) ** p) ** (1 / p))


def _by_linear_program(
    law: Law | LabelledLaw, x: np.ndarray, p: int, symmetry: Symmetry | None, atoms: int
) -> Distance:
    try:
        import ot
    except ImportError:
        raise EulerianError(
            "Wasserstein distances in two and three dimensions need the package POT: pip install "
            "'eulerian-mfc[transport]'"
        ) from None
    points, weights = _law_points(law, symmetry, None)
    samples = x if symmetry is None else symmetry(x)
    centre = points.min(axis=0) + 0.5 * np.ptp(points, axis=0)
    scale = float(max(np.abs(points - centre).max(), np.abs(samples - centre).max())) or 1.0
    points, samples = (points - centre) / scale, (samples - centre) / scale
    moved = 0.0
    if not isinstance(law, Empirical):
        points, weights, moved = _gathered(points, weights, atoms, p)
    cost = ot.dist(samples, points, metric="sqeuclidean" if p == 2 else "euclidean")
    equal = np.full(len(x), 1.0 / len(x))
    value, log = ot.emd2(equal, weights, cost, numItermax=10_000_000, log=True)
    if log["warning"]:
        raise EulerianError(f"POT stopped before the optimum: {log['warning']}")
    # The duals are moved until they are feasible: the dual value is then a lower bound.
    u, v = np.asarray(log["u"]), np.asarray(log["v"])
    dual = float(equal @ u + weights @ np.minimum(v, (cost - u[:, None]).min(axis=0)))
    gap = abs(float(value) - dual)
    distance = max(float(value), 0.0) ** (1 / p)
    solver = gap if p == 1 else gap / max(distance, np.sqrt(gap), np.finfo(float).tiny)
    return Distance(scale * distance, scale * (moved + solver), f"POT emd, {len(x)} samples to {len(points)} atoms")


def _gathered(x: np.ndarray, w: np.ndarray, atoms: int, p: int) -> tuple[np.ndarray, np.ndarray, float]:
    """About `atoms` atoms, each the mean of the mass in a grid cell, and a bound of the distance `W_p` to the law."""
    dim = x.shape[1]
    order = np.cumsum(np.sort(w)[::-1])
    keep = w >= np.sort(w)[::-1][min(int(np.searchsorted(order, 1 - 1e-9)), len(w) - 1)]
    low, high = x[keep].min(axis=0), x[keep].max(axis=0)
    side = max(1, round(atoms ** (1 / dim)))
    if side**dim >= len(x):
        return x, w / w.sum(), 0.0
    cell = np.clip(((x - low) / (high - low + 1e-300) * side).astype(int), 0, side - 1)
    _, index = np.unique(np.ravel_multi_index(tuple(cell.T), (side,) * dim), return_inverse=True)
    mass = np.bincount(index, weights=w)
    centre = np.stack([np.bincount(index, weights=w * column) for column in x.T], axis=1) / mass[:, None]
    lengths = np.linalg.norm(x - centre[index], axis=1)
    return centre, mass / mass.sum(), float((w @ lengths**p) ** (1 / p))
