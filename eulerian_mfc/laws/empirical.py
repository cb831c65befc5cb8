"""Laws of samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._validate import affordable, array, generator, integer, mismatch
from .base import LabelledLaw, LabelledRule, Lines
from .weights import checked_weights


class Empirical(LabelledLaw):
    """The empirical law of N samples, `sum_i w_i delta_(x_i, y_i)`.

    Parameters
    ----------
    x : `(N, d)` inputs, or `(N,)` on a line.
    y : `(N, q)` labels, or `(N,)`.
    weights : `(N,)` non-negative, summing to 1; equal by default.

    Raises
    ------
    ArgumentError
        For arrays of other shapes, values that are not finite, weights that are negative or do not sum to 1.

    Examples
    --------
    >>> from eulerian_mfc.laws import Empirical
    >>> law = Empirical(x=[0.0, 1.0], y=[-1.0, 1.0], weights=[0.25, 0.75])
    >>> float(law.quadrature().w @ law.quadrature().y[:, 0])
    0.5
    """

    def __init__(self, x: ArrayLike, y: ArrayLike, weights: ArrayLike | None = None) -> None:
        given = (array(name, a, ndim=(1, 2), like=f"{name}=[0.0, 1.0]") for name, a in (("x", x), ("y", y)))
        self.x, self.y = (a[:, None] if a.ndim == 1 else a for a in given)
        if not len(self.x) or len(self.x) != len(self.y):
            raise mismatch(
                "y",
                f"{len(self.y)} labels",
                f"one label for each of the {len(self.x)} samples, and at least one sample",
            )
        self.dim, self.label_dim = self.x.shape[1], self.y.shape[1]
        if not 1 <= self.dim <= 3:
            raise mismatch("x", f"samples of dimension {self.dim}", "dimension 1, 2 or 3, with samples as rows")
        self.weights = checked_weights(weights, len(self.x))

    @property
    def finite(self) -> bool:
        return True

    def quadrature(self, lines: Lines = None) -> LabelledRule:
        return LabelledRule(self.x, self.weights, self.y)

    def sample(self, n: int, seed: int | np.random.Generator | None = None) -> tuple[np.ndarray, np.ndarray]:
        affordable("n", integer("n", n), n * (self.dim + self.label_dim), "this many samples")
        rows = generator(seed).choice(len(self.x), size=n, p=self.weights)
        return self.x[rows], self.y[rows]

    def box(self, tolerance: float) -> np.ndarray:
        return np.stack([self.x.min(axis=0), self.x.max(axis=0)], axis=1)
