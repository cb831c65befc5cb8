"""Affine fields: the case with closed-form optima."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np

from .._validate import choice, integer
from ..kernels.sums import moments
from .base import Field, Spec
from .neural import matrix_bias_names, split_matrix_bias
from .points import At, Direction, Pulled


@dataclass(frozen=True)
class AffineField(Field):
    """`F(theta, x) = W x + b`; theta = (W row by row, b).

    Parameters
    ----------
    dim : the dimension d of the state; m = d^2 + d.
    matrix : whether there is a W, with entries per unit of time; without it `F = b`, m = d.
    bias : whether there is a b, in state units per time; without it `F = W x`, m = d^2.

    Raises
    ------
    ArgumentError
        For a dimension that is not a positive integer, flags that are not booleans, or a field without W and b.

    Examples
    --------
    >>> from eulerian_mfc.fields import AffineField
    >>> AffineField(1)(0.0, np.array([2.0, 1.0]), np.array([[3.0]])).tolist()  # 2 x + 1
    [[7.0]]
    """

    dim: int = 1
    matrix: bool = True
    bias: bool = True

    control_linear: ClassVar[bool] = True
    any_dim: ClassVar[bool] = True

    def __post_init__(self) -> None:
        integer("dim", self.dim)
        choice("matrix", self.matrix, (True, False))
        choice("bias", self.bias, (True, False) if self.matrix else (True,))

    @property
    def parameters(self) -> int:
        return self.dim * (self.dim * int(self.matrix) + int(self.bias))

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return matrix_bias_names(self.dim, self.bias)[0 if self.matrix else self.dim**2 :]

    def __call__(self, t: float, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        if not self.matrix:
            return np.broadcast_to(theta, x.shape)
        matrix, shift = split_matrix_bias(theta, self.dim, self.bias)
        value = matrix @ x.T
        return (value if shift is None else value + shift).T

    def pullback(self, at: At, p: np.ndarray) -> Pulled:
        if not self.matrix:
            return np.zeros_like(p), p.sum(axis=0)
        matrix, _ = split_matrix_bias(at.theta, self.dim, self.bias)
        slope = moments(p.T, at.x.T).ravel()
        return p @ matrix, np.concatenate([slope, p.sum(axis=0)]) if self.bias else slope

    def tangent(self, at: At, along: Direction) -> np.ndarray:
        out = self(at.t, along.theta, at.x)
        return out + along.x @ split_matrix_bias(at.theta, self.dim, self.bias)[0].T if self.matrix else out

    def pullback_tangent(self, at: At, p: np.ndarray, along: Direction, dp: np.ndarray) -> Pulled:
        px, ptheta = self.pullback(at, dp)
        if not self.matrix:
            return px, ptheta
        ptheta[: self.dim**2] += moments(p.T, along.x.T).ravel()
        return px + p @ split_matrix_bias(along.theta, self.dim, self.bias)[0], ptheta

    def spec(self) -> Spec:
        return {"type": "affine", **asdict(self)}
