"""Control-linear fields that are spanned by scalar functions in every direction."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from ..kernels.sums import moments
from .base import Field
from .points import At, Direction, Pulled


class ScalarBasisField(Field):
    """`F(u, x) = sum_k b_k(x) u_k` with `u_k` in R^d; theta = (u_1, .., u_K). Subclasses define the scalar functions b_k.

    Examples
    --------
    >>> from eulerian_mfc.fields import PolynomialField
    >>> PolynomialField(dim=2, degree=1).basis(np.array([[5.0, 7.0]])).ravel().tolist()  # 1, x1, x2
    [1.0, 5.0, 7.0]
    """

    control_linear: ClassVar[bool] = True

    @property
    @abstractmethod
    def basis_names(self) -> tuple[str, ...]:
        """One name per function, K."""

    @abstractmethod
    def basis(self, x: np.ndarray) -> np.ndarray:
        """`(K, n)`: the b_k at points `(n, d)`, real or complex."""

    @abstractmethod
    def basis_gradients(self, x: np.ndarray) -> np.ndarray:
        """`(K, d, n)`: the gradients of the b_k."""

    @abstractmethod
    def basis_curvature(self, x: np.ndarray, weights: np.ndarray, dx: np.ndarray) -> np.ndarray:
        """`(d, n)`: `sum_k weights_k D^2 b_k dx` for weights `(K, n)` and directions `(n, d)`."""

    @property
    def parameters(self) -> int:
        return len(self.basis_names) * self.dim

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return tuple(f"{name} d{i + 1}".strip() for name in self.basis_names for i in range(self.dim))

    def _coefficients(self, theta: np.ndarray) -> np.ndarray:
        """`(K, d)`: the u_k as rows."""
        return theta.reshape(-1, self.dim)

    def __call__(self, t: float, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        return (self._coefficients(theta).T @ self.basis(x)).T

    def pullback(self, at: At, p: np.ndarray) -> Pulled:
        weights = self._coefficients(at.theta) @ p.T
        return np.einsum("kn,kdn->dn", weights, self.basis_gradients(at.x)).T, moments(self.basis(at.x), p.T).ravel()

    def tangent(self, at: At, along: Direction) -> np.ndarray:
        change = np.einsum("kdn,nd->kn", self.basis_gradients(at.x), along.x)
        return self(at.t, along.theta, at.x) + (self._coefficients(at.theta).T @ change).T

    def pullback_tangent(self, at: At, p: np.ndarray, along: Direction, dp: np.ndarray) -> Pulled:
        u, du = self._coefficients(at.theta), self._coefficients(along.theta)
        gradients = self.basis_gradients(at.x)
        px = np.einsum("kn,kdn->dn", u @ dp.T + du @ p.T, gradients) + self.basis_curvature(at.x, u @ p.T, along.x)
        change = np.einsum("kdn,nd->kn", gradients, along.x)
        return px.T, (moments(change, p.T) + moments(self.basis(at.x), dp.T)).ravel()
