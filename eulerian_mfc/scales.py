"""The natural sizes of a problem's states and controls.

What would else be an absolute number (a first step, a perturbation, the width of random starts, "as good as zero") is taken in
these sizes, so that no answer depends on the units of x, t, the loss or theta.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from .control.regulariser import Regulariser
from .derivatives.complex_step import COMPLEX_STEP
from .fields import Field
from .fields.points import At
from .laws import LabelledLaw, LabelledRule

#: points of the law, and random covectors, from which the sizes are estimated, to about a tenth
POINTS, PROBES = 256, 64
#: shares of the horizon at which a field that depends on time is looked at
TIMES = (1 / 6, 1 / 2, 5 / 6)
#: factors of two by which a size is made smaller, or larger, at most
DOUBLINGS = 400
#: a size below this is the length of a complex step, not one of the field: the slope at the origin is infinite
SHORTEST = 1e3 * COMPLEX_STEP
#: a field that moves points, at this share of the size that its slope tells, by more than the root of the share is flat at the
#: origin only
NEAR = 2.0**-40


class Scales(NamedTuple):
    """Sizes of a problem's states and controls.

    Attributes
    ----------
    state : `(d,)`, the standard deviations of the law of X (the largest, for coordinates that do not vary).
    control : `(m,)`, how large a parameter is, by itself, where the field moves points by the size of the law in the time T.

    Examples
    --------
    >>> Scales(np.ones(1), np.ones(2)).state.tolist()
    [1.0]
    """

    state: np.ndarray
    control: np.ndarray


class Controlled(Protocol):
    """What of a problem the sizes depend on, see `Problem`."""

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
    """The sizes of a problem: from a few points of its law, with a fixed seed.

    Parameters
    ----------
    problem : whose field is looked at near the control zero, or the one within the bounds that is nearest to it.

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
    """`(m,)`: how far each parameter goes from a control `(m,)` until the field moves points by the size of the law more.

    Beside `Scales.control`, which is this around zero, where a field may be singular.

    Parameters
    ----------
    problem, control : as said.

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
    """Points of a law that depend on the law alone: a sample that is repeated counts as one of twice the weight.

    Parameters
    ----------
    law : of inputs `(n, d)` and labels `(n, q)`; 256 points of it at most.
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
    """`(d,)` standard deviations; of a single point, how far it and its label are from zero."""
    spread = np.sqrt(np.average((x - np.average(x, axis=0, weights=w)) ** 2, axis=0, weights=w))
    spread = np.where(spread > 1e-12 * np.abs(x).max(axis=0), spread, 0.0)
    for other in (spread.max(), np.abs(x).max(), np.abs(y).max(), 1.0):
        if (spread > 0).all():
            break
        spread = np.where(spread > 0, spread, other)
    return spread


class _Displacements:
    """How far a field moves points in the time T, in units of the law's size: the largest root mean square of a coordinate."""

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
        """`(m,)`."""
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
        """`(m,)`, where the field is singular at the origin: one length in the penalty's metric, as in `_jointly`.

        Points are moved there by the size of the law, as nearly as any power of two does it, to a factor of two; of several
        such lengths it is the largest. Where there is no largest, the field has no length of its own, and 1 is taken.
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
        """Whether the field moves points far at a tiny share of the size that its slope at the origin tells."""
        moved = self._moved(self._beside(j, NEAR * size))
        return bool(moved > np.sqrt(NEAR))

    def _beside(self, j: int, length: float) -> np.ndarray:
        """The origin with parameter j moved by a length, to the side where the bounds let it."""
        controls = []
        for sign in (1.0, -1.0):
            control = self._origin.copy()
            control[j] += sign * length
            controls.append(self._problem.regulariser.project(control))
        up, down = (abs(control[j] - self._origin[j]) for control in controls)
        return controls[0] if up >= 0.5 * down else controls[1]

    def _alone(self, j: int) -> float:
        """The length along parameter j at which points move by half of the law's size, or of the farthest that they can."""
        lengths = 2.0 ** np.arange(-DOUBLINGS, DOUBLINGS) / np.sqrt(self._problem.regulariser.penalties[j])
        moved = np.array([self._moved(self._beside(j, length)) for length in lengths])
        goal = 0.5 * min(1.0, float(moved[np.isfinite(moved)].max(initial=0.0)))
        return float(lengths[int(np.argmax(~(moved < goal)))])

    def _rates(self) -> np.ndarray:
        """`(m,)`: displacements per unit of every parameter, at the origin: random covectors give the mean square over points."""
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
        """The displacement by a control `(m,)`, beside that by the field's `values` (those at the origin)."""
        moves = [
            (self._field(t, control, self._x) - value) / self._unit
            for t, value in zip(self._times, self._values if values is None else values, strict=True)
        ]
        return max(float(np.sqrt(np.average(move**2, axis=0, weights=self._w)).max()) for move in moves)

    def _before_it_bends(self, j: int, size: float) -> float:
        """Half the size, and again, until the field moves points by at least half of what it would if it were linear."""
        first = size
        for _ in range(DOUBLINGS):
            control = self._origin.copy()
            control[j] += size
            change = abs(self._problem.regulariser.project(control)[j] - self._origin[j])
            if change < 0.5 * size:  # a bound is nearer
                break
            moved = self._moved(self._problem.regulariser.project(control))
            if not moved < 0.5 * change / first:
                break
            size /= 2
        return size

    def _jointly(self, sizes: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Sizes of the parameters that do nothing alone, as factors of each other do: one length in the penalty's metric.

        It is such that random controls of that length move points by the size of the law, or by half of what they can.
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
        if goal == 0.0:  # they do nothing at all: only what they cost has a size
            return np.where(known, sizes, alone)
        first = int(np.argmax(reached >= goal))
        low, high = lengths[max(first - 1, 0)], lengths[first]
        for _ in range(50):
            middle = np.sqrt(low * high)
            low, high = (low, middle) if moved(middle) >= goal else (middle, high)
        return np.where(known, sizes, high * alone)
