"""Wasserstein distances of samples to the law they were drawn from.

On the line `W_p^p = int_0^1 |Q_N(u) - Q(u)|^p du` with the quantile functions, in closed form between the samples for
normal laws, their mixtures, truncations, and uniform laws. In the plane and in space the law is gathered into atoms and
the discrete problem is solved by POT (extra `transport`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from ._special import ndtr
from ._validate import array, choice, integer, mismatch
from .errors import EulerianError
from .laws import Empirical, GaussianMixture, LabelledLaw, Law, Uniform

#: panels an axis of the rule that stands for a law with no closed form on the line
PANELS = 2048


class Distance(NamedTuple):
    """A Wasserstein distance.

    Attributes
    ----------
    value : the distance, in units of the state.
    tolerance : bound of its error, in the same units: round-off on the line; elsewhere the distance by which the law was
        moved into atoms, and the gap between the linear program's value and its dual.
    method : how it was computed.
    """

    value: float
    tolerance: float
    method: str


def wasserstein(
    law: Law | LabelledLaw,
    x: Any,
    p: int = 1,
    *,
    symmetry: Callable[[np.ndarray], np.ndarray] | None = None,
    atoms: int = 4000,
) -> Distance:
    """`W_p` of the empirical law of samples to a law, p = 1 or 2, for the Euclidean distance of the inputs.

    Parameters
    ----------
    law : the law of the inputs; of a law of inputs and labels, its inputs.
    x : samples `(n, d)`, or `(n,)` on a line.
    p : 1 or 2.
    symmetry : a map of points `(n, d) -> (n, d)` constant on the orbits of a group that leaves the control problem as it
        is, such as `np.abs` where `x -> -x, y -> -y` does: distance of the two laws' images. The optimal control cannot
        tell orbits apart, so that its distance is bounded by this smaller one too.
    atoms : in the plane and in space, about how many atoms stand for a law that is not one of samples.

    Raises
    ------
    ArgumentError
        If the samples have another dimension than the law, or p is another number.
    EulerianError
        In two and three dimensions without POT, or if its solver stops before the optimum.

    References
    ----------
    F. Santambrogio, Optimal Transport for Applied Mathematicians, Birkhaeuser 2015, section 2.1,
    doi:10.1007/978-3-319-20828-2; R. Flamary et al., POT: Python Optimal Transport, J. Mach. Learn. Res. 22 (2021), 1-8.
    """
    choice("p", integer("p", p), (1, 2))
    points = array("x", x, ndim=(1, 2))
    points = points[:, None] if points.ndim == 1 else points
    if points.shape[1] != law.dim or not len(points):
        raise mismatch("x", f"samples of shape {np.shape(x)}", f"points as rows, shape (n, {law.dim})")
    inputs = getattr(law, "law", law)
    if law.dim > 1:
        return _by_linear_program(inputs, points, p, symmetry, integer("atoms", atoms))
    closed = None if symmetry is not None else _on_the_line(inputs)
    if closed is not None:
        return _by_quantiles(closed, np.sort(points[:, 0]), p)
    mapped = points if symmetry is None else symmetry(points)
    low, high = inputs.box(1e-16)[0].tolist()
    a, u = _law_points(inputs, symmetry, [np.linspace(low, high, PANELS + 1)])
    value, n = _discrete_line(a[:, 0], u, mapped[:, 0], p), len(a)
    if isinstance(inputs, Empirical):
        return Distance(value, 1e-15 * float(np.abs(a).max()), "quantile functions of both samples")
    return Distance(value, float(np.diff(np.sort(a[:, 0])).max()), f"quantile functions, {n} points of the law's rule")


def _law_points(law: Any, symmetry: Any, lines: Any) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of the law's rule, mapped."""
    rule = law.quadrature(lines)
    return (rule.x if symmetry is None else symmetry(rule.x)), rule.w


class _LineLaw(Protocol):
    """`low` and `high` ends of the support, and `below(x)`: `int_{t < x} (1, t, t^2) dmu`, `(3, n)`."""

    low: float
    high: float

    def below(self, x: np.ndarray) -> np.ndarray: ...


def _on_the_line(law: Any) -> _LineLaw | None:
    if isinstance(law, GaussianMixture):
        return _Normals(law)
    return _Box(*law.bounds[0]) if isinstance(law, Uniform) else None


class _Box:
    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = float(low), float(high)

    def below(self, x: np.ndarray) -> np.ndarray:
        t = np.clip(x, self.low, self.high)
        return np.stack([(t**k - self.low**k) / k for k in (1, 2, 3)]) / (self.high - self.low)


class _Normals:
    def __init__(self, law: GaussianMixture) -> None:
        self._mean, self._std, self._weights = law.means, law.std, law.weights
        reach = np.inf if law.truncation is None else law.truncation
        self._low, self._high = law.means - reach, law.means + reach
        far = np.minimum(reach, 40.0 * law.std)
        self.low, self.high = float((law.means - far).min()), float((law.means + far).max())

    def below(self, x: np.ndarray) -> np.ndarray:
        start = self._primitives(self._low)
        parts = self._primitives(np.clip(x, self._low, self._high)) - start
        return np.einsum("k,rkn->rn", self._weights, parts / (self._primitives(self._high) - start)[0])

    def _primitives(self, x: np.ndarray) -> np.ndarray:
        """`(3, K, n)`: integrals of `(1, t, t^2)` against each normal density up to x `(K, n)`."""
        m, s = self._mean, self._std
        z = (x - m) / s
        mass, density = ndtr(z), np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
        top = np.where(density > 0, x, 0.0)  # at infinity the density wins
        return np.stack([mass, m * mass - s * density, (m**2 + s**2) * mass - s * (top + m) * density])


def _by_quantiles(law: _LineLaw, x: np.ndarray, p: int) -> Distance:
    """Sample i takes the law's mass between the quantiles i/N and (i + 1)/N, on the line."""
    levels = np.arange(1, len(x)) / len(x)
    low, high = np.full(len(levels), law.low), np.full(len(levels), law.high)
    for _ in range(100):  # bisection to the last bit
        middle = 0.5 * (low + high)
        left = law.below(middle)[0] < levels
        low, high = np.where(left, middle, low), np.where(left, high, middle)
    ends = np.concatenate([[law.low], 0.5 * (low + high), [law.high]])
    moments = law.below(ends)
    if p == 2:
        mass, first, second = np.diff(moments)
        squared = float((x**2 * mass - 2 * x * first + second).sum())
        return Distance(float(np.sqrt(max(squared, 0.0))), 1e-8 * float(np.abs(x).max()), "quantile functions")
    split = law.below(np.clip(x, ends[:-1], ends[1:]))
    below, above = split - moments[:, :-1], moments[:, 1:] - split
    value = float((x * below[0] - below[1] + above[1] - x * above[0]).sum())
    return Distance(value, 1e-15 * len(x) * float(np.abs(x).max()), "quantile functions")


def _discrete_line(a: np.ndarray, weights: np.ndarray, b: np.ndarray, p: int) -> float:
    """`W_p` of weighted atoms to equally weighted ones: the quantile functions are steps."""
    order = np.argsort(a)
    a, b = a[order], np.sort(b)
    ends_a = np.cumsum(weights[order])
    ends_b = np.arange(1, len(b) + 1) / len(b)
    ends_a[-1] = ends_b[-1] = 1.0
    ends = np.union1d(ends_a, ends_b)
    lengths = np.diff(ends, prepend=0.0)
    middles = ends - 0.5 * lengths
    gap = np.abs(a[np.searchsorted(ends_a, middles)] - b[np.searchsorted(ends_b, middles)])
    return float((lengths @ gap**p) ** (1 / p))


def _by_linear_program(law: Any, x: np.ndarray, p: int, symmetry: Any, atoms: int) -> Distance:
    try:
        import ot
    except ImportError:
        raise EulerianError(
            "Wasserstein distances in two and three dimensions need POT: pip install 'eulerian-mfc[transport]'"
        ) from None
    points, weights = _law_points(law, symmetry, None)
    moved = 0.0
    if not isinstance(law, Empirical):
        points, weights, moved = _gathered(points, weights, atoms, p)
    samples = x if symmetry is None else symmetry(x)
    cost = ot.dist(samples, points, metric="sqeuclidean" if p == 2 else "euclidean")
    equal = np.full(len(x), 1.0 / len(x))
    value, log = ot.emd2(equal, weights, cost, numItermax=10_000_000, log=True)
    if log["warning"]:
        raise EulerianError(f"POT stopped before the optimum: {log['warning']}")
    # Moving both duals to feasibility makes the dual value a bound from below.
    u, v = np.asarray(log["u"]), np.asarray(log["v"])
    dual = float(equal @ u + weights @ np.minimum(v, (cost - u[:, None]).min(axis=0)))
    gap = abs(float(value) - dual)
    distance = max(float(value), 0.0) ** (1 / p)
    solver = gap if p == 1 else gap / max(distance, np.sqrt(gap), np.finfo(float).tiny)
    return Distance(distance, moved + solver, f"POT emd, {len(x)} samples to {len(points)} atoms")


def _gathered(x: np.ndarray, w: np.ndarray, atoms: int, p: int) -> tuple[np.ndarray, np.ndarray, float]:
    """About as many atoms, each the mean of a cell of a grid, and how far (W_p at most) that moved the mass."""
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
