"""Quadrature rules of laws, refined until the integral of a function is known to a tolerance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._validate import integer, positive
from .base import LabelledLaw, LabelledRule
from .charts import BLOCK, Cells, Chart, Values

#: share of the error; the cells that carry it are cut in one round
SHARE = 0.8
#: for a smooth function, the difference of a cell's two rules falls at least by this factor when the cell is cut
SMOOTH = 2.0**-10
#: largest number of rounds: after so many a jump is located to round-off
ROUNDS = 60
#: default limit of a rule's points
POINTS = 200_000


class RefinedRule(NamedTuple):
    """A rule of a law, and its error for the function for which it was refined.

    Attributes
    ----------
    rule : points, weights and labels.
    integral : the integral of the function by the rule.
    error : the estimated error of this integral, in the function's units; 0 if the rule is exact.

    Examples
    --------
    >>> from eulerian_mfc.laws import Empirical, refined_rule
    >>> refined_rule(Empirical([3.0], [1.0]), lambda x, y: x[:, 0], 1e-9).error  # exact
    0.0
    """

    rule: LabelledRule
    integral: float
    error: float


def refined_rule(law: LabelledLaw, values: Values, tolerance: float, limit: int = POINTS) -> RefinedRule:
    """A rule that integrates `values(x (n, d), y (n, q)) -> (n,)` to the tolerance, or that has about `limit` points.

    Every cell has two Gauss-Legendre rules. The error is the sum over cells of the absolute differences of the two, and the
    cells that carry most of it are halved along every axis. Jumps that the law does not declare are thus found by bisection.
    Laws that are a finite sum of point masses are exact. A user's law without charts is integrated on more and more lines, and
    the error is the largest of the last changes.

    Parameters
    ----------
    law : a law of inputs and labels.
    values : the function.
    tolerance : the largest error of its integral, in its units.
    limit : the largest number of points, approximately.

    Raises
    ------
    ArgumentError
        If the tolerance is negative, or the limit is not a positive integer.

    References
    ----------
    A. C. Genz, A. A. Malik, Remarks on algorithm 006: an adaptive algorithm for numerical integration over an N-dimensional
    rectangular region, J. Comput. Appl. Math. 6 (1980), 295-302, doi:10.1016/0771-050X(80)90039-X.

    Examples
    --------
    >>> from eulerian_mfc.laws import Labelled, Uniform, refined_rule
    >>> law = Labelled(Uniform([(0.0, 1.0)]), [[0.0]])
    >>> found = refined_rule(law, lambda x, y: (x[:, 0] > 0.3).astype(float), 1e-9)  # a jump that nobody declared
    >>> round(found.integral, 8), found.error <= 1e-9
    (0.7, True)
    """
    positive("tolerance", tolerance, allow_zero=True)
    integer("limit", limit)
    if law.finite:
        exact = law.quadrature()
        return RefinedRule(exact, _integral(exact, values), 0.0)
    charts = law.charts()
    if charts is None:
        return _on_more_lines(law, values, tolerance, limit)
    pieces = [_Piece(chart, values) for chart in charts]
    for _ in range(ROUNDS):
        errors = np.concatenate([piece.errors for piece in pieces])
        total = float(errors.sum())
        room = limit - sum(piece.points for piece in pieces)
        if not total > tolerance or room <= 0:
            break
        order = np.argsort(-errors)
        fewest = int(np.searchsorted(np.cumsum(errors[order]), SHARE * total)) + 1
        allowed = max(1, room // (len(pieces[0].chart.rules[0][1]) * 2 ** len(charts[0].edges)))
        chosen = np.zeros(len(errors), dtype=bool)
        chosen[order[: min(fewest, allowed)]] = True
        start = 0
        for piece in pieces:
            count = len(piece.cells)
            piece.cut(chosen[start : start + count], values)
            start += count
    rules = [piece.rule() for piece in pieces]
    x, w, y = (np.concatenate(part) for part in zip(*rules, strict=True))
    integral, error = (
        float(sum(part.sum() for part in parts)) for parts in zip(*map(_Piece.found, pieces), strict=True)
    )
    return RefinedRule(LabelledRule(np.asfortranarray(x), w / w.sum(), y), float(integral / w.sum()), error)


class _Piece:
    """A chart with its cells, their integrals and errors."""

    def __init__(self, chart: Chart, values: Values) -> None:
        self.chart, self.cells = chart, chart.cells
        self.integrals, self.errors = chart.integrals(self.cells, values)

    @property
    def points(self) -> int:
        return len(self.cells) * len(self.chart.rules[0][1])

    def cut(self, chosen: np.ndarray, values: Values) -> None:
        """Cut the chosen cells into halves along every axis."""
        if not chosen.any():
            return
        new = self.cells[chosen].halved()
        integrals, errors = self.chart.integrals(new, values)
        # For a smooth function the difference falls by far more than a factor 4, at a jump by about 2. If it falls by a factor in
        # between, the two rules may agree by chance.
        parents = self.errors[chosen]
        sums = errors.reshape(-1, len(parents)).sum(axis=0)
        lucky = (sums > SMOOTH * parents) & (sums < parents / 4)
        raised = np.where(lucky, parents / 4 / np.where(sums > 0, sums, 1.0), 1.0)
        errors = (errors.reshape(-1, len(parents)) * raised).ravel()
        old = self.cells[~chosen]
        self.cells = Cells(np.concatenate([old.low, new.low]), np.concatenate([old.size, new.size]))
        self.integrals = np.concatenate([self.integrals[~chosen], integrals])
        self.errors = np.concatenate([self.errors[~chosen], errors])

    def found(self) -> tuple[np.ndarray, np.ndarray]:
        return self.integrals, self.errors

    def rule(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        x, w, _ = self.chart.rule(self.cells)
        y = np.zeros((len(x), 0)) if self.chart.label is None else self.chart.label(x)
        return x, w, y


def _on_more_lines(law: LabelledLaw, values: Values, tolerance: float, limit: int) -> RefinedRule:
    """The rule of a law without charts: the lines per axis are doubled until the integral does not change."""
    low, high = law.box(1e-12).T
    rule = law.quadrature()
    before, change, error = _integral(rule, values), np.inf, np.inf
    for lines in (2**k for k in range(3, 18)):
        if len(rule.w) > limit:
            break
        rule = law.quadrature([np.linspace(a, b, lines + 1) for a, b in zip(low, high, strict=True)])
        here = _integral(rule, values)
        before, change, last = here, abs(here - before), change
        # Two agreements are required: two by chance are rarer than one.
        error = max(change, last / 4)
        if error <= tolerance:
            break
    return RefinedRule(rule, before, error)


def _integral(rule: LabelledRule, values: Values) -> float:
    total = 0.0
    for start in range(0, len(rule.w), BLOCK):
        block = slice(start, start + BLOCK)
        total += float(rule.w[block] @ values(np.asfortranarray(rule.x[block]), rule.y[block]))
    return total
