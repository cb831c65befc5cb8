"""Uniform laws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._validate import array, fail
from ..quadrature import box_rule
from .base import Law, Lines, Rule, merged


class Uniform(Law):
    """Uniform law on a box; `bounds` holds one pair (low, high) an axis."""

    def __init__(self, bounds: Sequence[tuple[float, float]]) -> None:
        self.bounds = array("bounds", bounds, ndim=2)
        if (
            self.bounds.shape[1] != 2
            or not 1 <= len(self.bounds) <= 3
            or not (self.bounds[:, 0] < self.bounds[:, 1]).all()
        ):
            raise fail("bounds", bounds, "one to three pairs (low, high) with low < high")
        self.dim = len(self.bounds)

    def quadrature(self, lines: Lines = None, breaks: Lines = None) -> Rule:
        x, w = box_rule(self.bounds, np.diff(self.bounds)[:, 0] / 8, merged(lines, breaks))
        return Rule(x, w / w.sum(), np.zeros(len(w), dtype=np.int64))

    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return rng.uniform(self.bounds[:, 0], self.bounds[:, 1], size=(n, self.dim)), np.zeros(n, dtype=np.int64)

    def box(self, tolerance: float) -> np.ndarray:
        return self.bounds.copy()
