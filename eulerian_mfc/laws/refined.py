"""Quadrature rules of laws that are refined until the integral of a given function is known to a given error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._validate import integer, positive
from .base import LabelledLaw, LabelledRule
from .charts import BLOCK, Cells, Chart, Values

#: share of the error whose cells are cut in a round
SHARE = 0.8
#: factor by which the difference of a cell's two rules falls at least, as the cell is cut, where the function is smooth
SMOOTH = 2.0**-10
#: rounds at most: a jump is then found to round-off
ROUNDS = 60
#: points a rule may have by default
POINTS = 200_000


class RefinedRule(NamedTuple):
    """A rule of a law, and how well it integrates the function that it was made for.

    Attributes
    ----------
    rule : points, weights and labels.
    integral : of the function, by the rule.
    error : the estimated error of the function's integral, in the function's units; 0 where the rule is exact.

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
    """A rule that integrates `values(x (n, d), y (n, q)) -> (n,)` to the tolerance, or with about as many points as the limit.

    Every cell has two Gauss-Legendre rules; the error is the sum over cells of the moduli of their differences, and the
    cells that carry most of it are cut into halves along every axis. Jumps that nobody declared are so found by bisection. Laws
    that are a finite sum of point masses are exact; a user's law that tells nothing of its shape is integrated on more and
    more lines, and the error is the largest of the last changes.

    Parameters
    ----------
    law : of inputs and labels.
    values : the function.
    tolerance : of its integral, in its units.
    limit : of points.

    Raises
    ------
    ArgumentError
        If the tolerance is negative, or the limit no positive integer.

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
        """Cut the cells that are chosen."""
        if not chosen.any():
            return
        new = self.cells[chosen].halved()
        integrals, errors = self.chart.integrals(new, values)
        # Of a smooth function the difference falls by far more than a factor 4, at a jump by about 2: where it falls by something
        # between, both rules may agree by chance.
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
    """The rule of a law that is not known to consist of charts, on twice as many lines an axis until it changes no more."""
    low, high = law.box(1e-12).T
    rule = law.quadrature()
    before, change, error = _integral(rule, values), np.inf, np.inf
    for lines in (2**k for k in range(3, 18)):
        if len(rule.w) > limit:
            break
        rule = law.quadrature([np.linspace(a, b, lines + 1) for a, b in zip(low, high, strict=True)])
        here = _integral(rule, values)
        before, change, last = here, abs(here - before), change
        # Two agreements by chance are rarer than one.
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
