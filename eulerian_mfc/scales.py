"""The natural sizes of a problem's states and controls.

First steps, perturbations, the width of random starts and tolerances for zero are multiples of these sizes and not absolute
numbers, so that results do not depend on the units of x, t, the loss or theta.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from .control.regulariser import Regulariser
from .derivatives.complex_step import COMPLEX_STEP
from .fields import Field
from .fields.points import At
from .laws import LabelledLaw, LabelledRule

#: numbers of points of the law and of random covectors for the estimates, whose relative error is about a tenth
POINTS, PROBES = 256, 64
#: a field that depends on time is evaluated at these shares of the horizon
TIMES = (1 / 6, 1 / 2, 5 / 6)
#: a size is halved, or doubled, at most this many times
DOUBLINGS = 400
#: a size below this comes from the length of the complex step and not from the field: the slope at the origin is infinite
SHORTEST = 1e3 * COMPLEX_STEP
#: if the field at a share NEAR of the size from its slope moves points by more than sqrt(NEAR), the slope at the origin is not
#: representative: it is small only there
NEAR = 2.0**-40


class Scales(NamedTuple):
    """Sizes of a problem's states and controls.

    Attributes
    ----------
    state : `(d,)`, the standard deviations of the law of X (for coordinates that do not vary, the largest of the others).
    control : `(m,)`, the size at which each parameter alone makes the field move points by the size of the law in the time T.

    Examples
    --------
    >>> Scales(np.ones(1), np.ones(2)).state.tolist()
    [1.0]
    """

    state: np.ndarray
    control: np.ndarray


class Controlled(Protocol):
    """The attributes of a problem on which the sizes depend, see `Problem`."""

    @property
    def field(self) -> Field: ...
    @property
    def few_points(self) -> LabelledRule: ...
    @property
    def horizon(self) -> float: ...
    @property
    def regulariser(self) -> Regulariser: ...
    @property
    def parameters(self) -> int: ...


def scales_of(problem: Controlled) -> Scales:
    """The natural sizes of a problem, estimated from a few points of its law with a fixed seed.

    Parameters
    ----------
    problem : the problem. Its field is evaluated near the control zero, or near the admissible control nearest to zero.

    References
    ----------
    Own construction: docs/theory/units.md.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5, truncation=1.0), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> scales_of(problem).control.shape
    (2,)
    """
    rule = problem.few_points
    state = _spread(*rule)
    origin = np.zeros(problem.parameters)
    return Scales(state, _Displacements(problem, np.asfortranarray(rule.x), rule.w, state, origin).sizes())


def sizes_around(problem: Controlled, control: np.ndarray) -> np.ndarray:
    """`(m,)`: the change of each parameter from a control `(m,)` that moves points by the size of the law further.

    `Scales.control` is the same around the control zero, at which a field may be singular.

    Parameters
    ----------
    problem : the problem.
    control : `(m,)`, the control around which the field is evaluated.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label=np.tanh)
    >>> problem = emfc.Problem(emfc.fields.NeuralField(1), law, emfc.losses.SquaredLoss(), penalty=1.0, horizon=1.0)
    >>> bool((sizes_around(problem, np.zeros(2)) == problem.scales.control).all())
    True
    """
    rule = problem.few_points
    return _Displacements(problem, np.asfortranarray(rule.x), rule.w, _spread(*rule), control).sizes()


def few_points(law: LabelledLaw) -> LabelledRule:
    """At most 256 points of a law, which depend on the law only: a repeated sample counts as one sample with twice the weight.

    Parameters
    ----------
    law : the law of inputs `(n, d)` and labels `(n, q)`.
    """
    if not law.finite:
        x, y = law.sample(POINTS, seed=0)
        return LabelledRule(x, np.full(len(x), 1.0 / len(x)), y)
    x, w, y = law.quadrature()
    pairs, places = np.unique(np.concatenate([x, y], axis=1)[w > 0], axis=0, return_inverse=True)
    weights = np.bincount(places.ravel(), w[w > 0])
    few = np.unique(np.linspace(0, len(pairs) - 1, min(len(pairs), POINTS)).round().astype(int))
    return LabelledRule(pairs[few, : x.shape[1]], weights[few] / weights[few].sum(), pairs[few, x.shape[1] :])


def _spread(x: np.ndarray, w: np.ndarray, y: np.ndarray) -> np.ndarray:
    """`(d,)` standard deviations. Coordinates that do not vary get the largest one, or the size of points or labels, or 1."""
    spread = np.sqrt(np.average((x - np.average(x, axis=0, weights=w)) ** 2, axis=0, weights=w))
    spread = np.where(spread > 1e-12 * np.abs(x).max(axis=0), spread, 0.0)
    for other in (spread.max(), np.abs(x).max(), np.abs(y).max(), 1.0):
        if (spread > 0).all():
            break
        spread = np.where(spread > 0, spread, other)
    return spread


class _Displacements:
    """The displacement of points by a field in the time T, in units of the law's size.

    It is the root mean square over the points, for the coordinate in which it is largest.
    """

    def __init__(
        self, problem: Controlled, x: np.ndarray, w: np.ndarray, state: np.ndarray, origin: np.ndarray
    ) -> None:
        self._problem, self._field, self._x, self._w = problem, problem.field, x, w
        self._unit = state / problem.horizon
        self._times = [s * problem.horizon for s in ((0.5,) if problem.field.autonomous else TIMES)]
        self._origin = problem.regulariser.project(origin)
        with np.errstate(all="ignore"):
            self._values = [np.asarray(self._field(t, self._origin, x)) for t in self._times]

    def sizes(self) -> np.ndarray:
        """`(m,)`: the natural sizes of the parameters."""
        with np.errstate(all="ignore"):
            if not all(np.isfinite(value).all() for value in self._values):
                return self._nearest_to_the_law()
            rates = self._rates()
            known = np.isfinite(rates) & (rates > 0)
            sizes = np.where(known, 1.0 / np.where(known, rates, 1.0), 0.0)
            if not self._field.control_linear:
                for j in map(int, np.flatnonzero(known)):
                    slope = float(sizes[j])
                    sizes[j] = self._before_it_bends(j, slope)
                    if sizes[j] < SHORTEST or self._leaps(j, slope):
                        sizes[j] = self._alone(j)
            return sizes if known.all() else self._jointly(sizes, known)

    def _nearest_to_the_law(self) -> np.ndarray:
        """`(m,)`, if the field is singular at the origin: sizes of one common length in the penalty's metric, as in `_jointly`.

        The length is a power of two at which points move by the size of the law, as closely as any power of two allows, up to a
        factor of two; the largest of several such lengths is taken. If there is no largest one, the field has no scale of its
        own, and the length is 1.
        """
        alone = 1.0 / np.sqrt(self._problem.regulariser.penalties)
        signs = np.random.default_rng(1).normal(size=len(alone))
        still = [np.zeros_like(value) for value in self._values]
        powers, misfits = np.arange(-DOUBLINGS, DOUBLINGS), []
        for length in 2.0**powers:
            steps = (length * sign * signs * alone for sign in (1.0, -1.0))
            moved = [self._moved(self._problem.regulariser.project(self._origin + step), still) for step in steps]
            misfits.append(min(np.abs(np.log2(far)) if far > 0 and np.isfinite(far) else np.inf for far in moved))
        largest = float(powers[np.array(misfits) <= min(misfits) + 1.0].max())
        return alone * (2.0**largest if largest < powers[-1] else 1.0)

    def _leaps(self, j: int, size: float) -> bool:
        """Whether the field moves points far already at a tiny share of the size that follows from its slope at the origin."""
        moved = self._moved(self._beside(j, NEAR * size))
        return bool(moved > np.sqrt(NEAR))

    def _beside(self, j: int, length: float) -> np.ndarray:
        """The origin with parameter j changed by a length, in the direction that the bounds allow."""
        controls = []
        for sign in (1.0, -1.0):
            control = self._origin.copy()
            control[j] += sign * length
            controls.append(self._problem.regulariser.project(control))
        up, down = (abs(control[j] - self._origin[j]) for control in controls)
        return controls[0] if up >= 0.5 * down else controls[1]

    def _alone(self, j: int) -> float:
        """The length along parameter j at which points move by half of the law's size, or half of their largest displacement."""
        lengths = 2.0 ** np.arange(-DOUBLINGS, DOUBLINGS) / np.sqrt(self._problem.regulariser.penalties[j])
        moved = np.array([self._moved(self._beside(j, length)) for length in lengths])
        goal = 0.5 * min(1.0, float(moved[np.isfinite(moved)].max(initial=0.0)))
        return float(lengths[int(np.argmax(~(moved < goal)))])

    def _rates(self) -> np.ndarray:
        """`(m,)`: displacements per unit of each parameter at the origin; random covectors estimate mean squares over points."""
        rng = np.random.default_rng(0)
        n, d = self._x.shape
        largest = np.zeros(self._problem.parameters)
        for t, value in zip(self._times, self._values, strict=True):
            for i in range(d):
                squares = np.zeros(self._problem.parameters)
                for _ in range(PROBES):
                    p = np.zeros((n, d))
                    p[:, i] = rng.choice([-1.0, 1.0], size=n) * np.sqrt(self._w) / self._unit[i]
                    squares += self._field.pullback(At(t, self._origin, self._x, value), p)[1] ** 2
                largest = np.maximum(largest, np.sqrt(squares / PROBES))
        return largest

    def _moved(self, control: np.ndarray, values: list[np.ndarray] | None = None) -> float:
        """The displacement by a control `(m,)`, relative to that by the field's `values` (by default those at the origin)."""
        moves = [
            (self._field(t, control, self._x) - value) / self._unit
            for t, value in zip(self._times, self._values if values is None else values, strict=True)
        ]
        return max(float(np.sqrt(np.average(move**2, axis=0, weights=self._w)).max()) for move in moves)

    def _before_it_bends(self, j: int, size: float) -> float:
        """The size, halved until the field moves points by at least half of the displacement that its slope predicts."""
        first = size
        for _ in range(DOUBLINGS):
            control = self._origin.copy()
            control[j] += size
            change = abs(self._problem.regulariser.project(control)[j] - self._origin[j])
            if change < 0.5 * size:  # a bound limits the change: the displacement says nothing about nonlinearity
                break
            moved = self._moved(self._problem.regulariser.project(control))
            if not moved < 0.5 * change / first:
                break
            size /= 2
        return size

    def _jointly(self, sizes: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Sizes with a common length, in the penalty's metric, for parameters that have no effect alone (factors of a product).

        At this length a random control moves points by the size of the law, or by half of the largest displacement.
        """
        problem = self._problem
        alone = 1.0 / np.sqrt(problem.regulariser.penalties)
        signs = np.random.default_rng(1).normal(size=len(sizes))
        start = problem.regulariser.project(self._origin + np.where(known, signs * sizes, 0.0))
        values = [np.asarray(self._field(t, start, self._x)) for t in self._times]

        def moved(length: float) -> float:
            far = self._moved(
                problem.regulariser.project(np.where(known, start, self._origin + length * signs * alone)), values
            )
            return far if np.isfinite(far) else np.inf

        lengths = 2.0 ** np.arange(-DOUBLINGS, DOUBLINGS, 8.0)
        reached = np.array([moved(length) for length in lengths])
        goal = min(1.0, 0.5 * float(reached[np.isfinite(reached)].max(initial=0.0)))
        if goal == 0.0:  # these parameters have no effect at all: only the penalty defines a size
            return np.where(known, sizes, alone)
        first = int(np.argmax(reached >= goal))
        low, high = lengths[max(first - 1, 0)], lengths[first]
        for _ in range(50):
            middle = np.sqrt(low * high)
            low, high = (low, middle) if moved(middle) >= goal else (middle, high)
        return np.where(known, sizes, high * alone)
