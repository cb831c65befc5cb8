"""Laws with extra coordinates that start at zero."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from .._validate import fail, integer
from .base import LabelledLaw, LabelledRule, Lines, ProductRule
from .charts import Chart


class Augmented(LabelledLaw):
    """The law of `((X, 0), Y)`: inputs with `extra` more coordinates, which are all zero.

    The Dirac masses are exact: the points of every rule have zeros there, and no mesh has to resolve them. Flows in the larger
    space can realise maps that flows in the smaller space cannot, such as separating a ring from the disc that it surrounds.

    Parameters
    ----------
    base : the law of (X, Y).
    extra : number of extra coordinates, which follow those of X.

    Raises
    ------
    ArgumentError
        If `base` is not a law of pairs, or `extra` is not a positive integer.

    References
    ----------
    E. Dupont, A. Doucet, Y. W. Teh, Augmented neural ODEs, NeurIPS 32 (2019), arXiv:1904.01681.

    Examples
    --------
    >>> from eulerian_mfc.laws import Augmented, Empirical
    >>> Augmented(Empirical([2.0], [1.0]), extra=2).quadrature().x.tolist()
    [[2.0, 0.0, 0.0]]
    """

    def __init__(self, base: LabelledLaw, extra: int = 1) -> None:
        if not isinstance(base, LabelledLaw):
            raise fail(
                "base", base, "a law of inputs and labels, such as laws.Labelled(laws.Gaussian([0.0], 1.0), numpy.sign)"
            )
        self.base, self.extra = base, integer("extra", extra)
        self.dim, self.label_dim = base.dim + extra, base.label_dim

    @property
    def input_dim(self) -> int:
        return self.base.input_dim

    @property
    def finite(self) -> bool:
        return self.base.finite

    def charts(self) -> list[Chart] | None:
        found = self.base.charts()
        return None if found is None else [self._raised_chart(chart) for chart in found]

    def _raised_chart(self, chart: Chart) -> Chart:
        label = chart.label
        assert label is not None
        return replace(chart, place=lambda u: self.raised(chart.place(u)), label=lambda x: label(x[:, : self.base.dim]))

    def quadrature(self, lines: Lines = None) -> LabelledRule:
        rule = self.base.quadrature(None if lines is None else lines[: self.base.dim])
        return rule._replace(x=self.raised(rule.x))

    def pieces(self, lines: Lines = None, products: bool = False) -> Iterator[LabelledRule | ProductRule]:
        at_zero = np.zeros(1), np.ones(1)
        for rule in self.base.pieces(None if lines is None else lines[: self.base.dim], products):
            if isinstance(rule, ProductRule):
                yield rule._replace(axes=[*rule.axes, *([at_zero] * self.extra)])
            else:
                yield rule._replace(x=self.raised(rule.x))

    def sample(self, n: int, seed: int | np.random.Generator | None = None) -> tuple[np.ndarray, np.ndarray]:
        x, y = self.base.sample(n, seed)
        return self.raised(x), y

    def box(self, tolerance: float) -> np.ndarray:
        return np.concatenate([self.base.box(tolerance), np.zeros((self.extra, 2))])

    def raised(self, x: np.ndarray) -> np.ndarray:
        """Points `(n, d)` of the base law -> points `(n, d + extra)`."""
        return with_zeros(x, self.extra)


def with_zeros(x: np.ndarray, extra: int) -> np.ndarray:
    """Points `(n, d)` -> `(n, d + extra)`, columns contiguous in memory.

    Examples
    --------
    >>> with_zeros(np.array([[1.0], [2.0]]), 1).tolist()
    [[1.0, 0.0], [2.0, 0.0]]
    """
    return np.concatenate([x.T, np.zeros((extra, len(x)))]).T
