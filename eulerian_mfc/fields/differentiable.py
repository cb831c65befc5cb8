"""The values of a controlled vector field and their derivatives."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from ..derivatives import differences
from .points import At, Direction, Pulled, guess


class DifferentiableField(ABC):
    """The values of a vector field `F(t, theta, x)` and their derivatives in theta and x; the base of `Field`.

    A field of your own is a subclass of `Field`, which adds what a problem uses besides.

    Attributes
    ----------
    dim : the dimension d.
    parameters : the number m.

    Examples
    --------
    Where a field has a `pullback` alone, the other derivatives are taken by differences.

    >>> from eulerian_mfc.fields import AffineField, Direction
    >>> field: DifferentiableField = AffineField(1)
    >>> at = field.at(0.0, np.array([2.0, 1.0]), np.array([[3.0]]))
    >>> along = Direction(np.array([1.0, 0.0]), np.array([[0.0]]))
    >>> DifferentiableField.tangent(field, at, along).round(9).tolist(), field.tangent(at, along).tolist()
    ([[3.0]], [[3.0]])
    """

    dim: int

    @property
    @abstractmethod
    def parameters(self) -> int:
        """The number m of parameters."""

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """One name per parameter, for tables and figures."""
        return tuple(f"theta{i + 1}" for i in range(self.parameters))

    @abstractmethod
    def __call__(self, t: float, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        """The velocities `(n, d)` at the points `x` `(n, d)`."""

    @abstractmethod
    def pullback(self, at: At, p: np.ndarray) -> Pulled:
        """`D_x F(x_j)^T p_j` as rows, `(n, d)`, and `sum_j D_theta F(x_j)^T p_j`, `(m,)`, for covectors p `(n, d)`.

        `at` holds t, theta, x and the value of F there, which a field may use to save work.
        """

    def tangent(self, at: At, along: Direction) -> np.ndarray:
        """`D_theta F dtheta + D_x F dx`, `(n, d)`: the derivative of F in the direction `(dtheta (m,), dx (n, d))`.

        Here it is computed by four-point differences, with an error of about 1e-11; the package's own fields compute it exactly.
        """
        (change,) = differences.along(lambda s: (self.at(*at.moved(s, along)).value,), guess(at, along))
        return change

    def pullback_tangent(self, at: At, p: np.ndarray, along: Direction, dp: np.ndarray) -> Pulled:
        """The derivative of `pullback` in the direction `(dtheta, dx, dp)`: `(n, d)` and `(m,)`; see `tangent`."""

        def moved(s: float) -> Pulled:
            px, ptheta = self.pullback(self.at(*at.moved(s, along)), p)
            return px, ptheta[None]

        # What is summed over points may cancel, but hardly so with random signs: the size of its round-off.
        signs = np.random.default_rng(0).choice([-1.0, 1.0], size=p.shape)
        sizes, sums = self.pullback(at, signs * p)
        changed, (slope,) = differences.along(moved, guess(at, along), (sizes, sums[None]))
        px, ptheta = self.pullback(at, dp)  # linear in p
        return px + changed, ptheta + slope

    def at(self, t: float, theta: np.ndarray, x: np.ndarray) -> At:
        """The place where derivatives are taken: a time, parameters `(m,)` and points `(n, d)`, with the field's value."""
        return At(t, theta, x, self(t, theta, x))
