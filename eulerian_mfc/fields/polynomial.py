"""Polynomial fields."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from math import comb
from typing import ClassVar

import numpy as np

from .._validate import integer
from .base import Spec
from .scalar_basis import ScalarBasisField


@dataclass(frozen=True)
class PolynomialField(ScalarBasisField):
    """`F(u, x) = sum_alpha x^alpha u_alpha` over all monomials of degree at most `degree`, `u_alpha` in R^d.

    Monomials are ordered by degree, and within a degree as in `x1^2, x1 x2, x2^2`. Degree 0 gives constant fields, degree 1
    affine fields.
    Flows of fields of degree 2 and more can reach infinity in finite time.

    Parameters
    ----------
    dim : the dimension d of the state.
    degree : the largest degree, >= 0; m = d times the number of monomials.

    Raises
    ------
    ArgumentError
        For numbers that are not such integers.

    Examples
    --------
    >>> from eulerian_mfc.fields import PolynomialField
    >>> field = PolynomialField(dim=1, degree=2)
    >>> field(0.0, np.array([1.0, 2.0, 3.0]), np.array([[10.0]])).tolist()  # 1 + 2 x + 3 x^2
    [[321.0]]
    """

    dim: int = 2
    degree: int = 2

    any_dim: ClassVar[bool] = True

    def __post_init__(self) -> None:
        integer("dim", self.dim)
        integer("degree", self.degree, minimum=0)

    @property
    def parameters(self) -> int:
        return self.dim * comb(self.dim + self.degree, self.dim)  # without making the monomials

    @cached_property
    def exponents(self) -> np.ndarray:
        """`(K, d)`: one row per monomial."""
        axes = [c for k in range(self.degree + 1) for c in combinations_with_replacement(range(self.dim), k)]
        return np.array([[axis.count(i) for i in range(self.dim)] for axis in axes])

    @cached_property
    def basis_names(self) -> tuple[str, ...]:
        power = lambda i, e: f"x{i + 1}" + (f"^{e}" if e > 1 else "")  # noqa: E731
        return tuple(" ".join(power(i, e) for i, e in enumerate(row) if e) for row in self.exponents.tolist())

    def _derivatives(self, x: np.ndarray, orders: tuple[int, ...]) -> np.ndarray:
        """`(K, n)`: the monomials differentiated `orders[i]` times along axis i."""
        out = np.ones((len(self.exponents), len(x)), dtype=x.dtype)
        for i, order in enumerate(orders):
            e = self.exponents[:, i, None]
            factor = np.prod([e - k for k in range(order)], axis=0) if order else 1
            out *= factor * x[:, i] ** np.maximum(e - order, 0)
        return out

    def basis(self, x: np.ndarray) -> np.ndarray:
        return self._derivatives(x, (0,) * self.dim)

    def basis_gradients(self, x: np.ndarray) -> np.ndarray:
        return np.stack([self._derivatives(x, row) for row in self._units], axis=1)

    def basis_curvature(self, x: np.ndarray, weights: np.ndarray, dx: np.ndarray) -> np.ndarray:
        second = lambda a, b: (weights * self._derivatives(x, tuple(np.add(a, b)))).sum(axis=0)  # noqa: E731
        return np.array([sum(second(a, b) * dx[:, j] for j, b in enumerate(self._units)) for a in self._units])

    @property
    def _units(self) -> list[tuple[int, ...]]:
        return [tuple(row) for row in np.eye(self.dim, dtype=int).tolist()]

    def spec(self) -> Spec:
        return {"type": "polynomial", **asdict(self)}
