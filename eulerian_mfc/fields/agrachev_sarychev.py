"""The control-linear family with the strong approximation property."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np

from .._validate import integer
from ..kernels.sums import moments
from .base import Field, Spec
from .points import At, Direction, Pulled


@dataclass(frozen=True)
class AgrachevSarychevField(Field):
    """`F(u, x) = sum_i (u_i + u_{d+i} exp(-|x|^2)) e_i`: the constant fields d_i, then exp(-|x|^2) d_i.

    Parameters
    ----------
    dim : the dimension d of the state; m = 2 d.

    Raises
    ------
    ArgumentError
        For a dimension that is not a positive integer.

    References
    ----------
    A. A. Agrachev, A. V. Sarychev, Control on the manifolds of mappings with a view to the deep learning,
    J. Dyn. Control Syst. 28 (2022), 989-1008, doi:10.1007/s10883-021-09561-2.

    Examples
    --------
    >>> from eulerian_mfc.fields import AgrachevSarychevField
    >>> AgrachevSarychevField(1)(0.0, np.array([2.0, 3.0]), np.array([[0.0]])).tolist()  # 2 + 3 exp(-0)
    [[5.0]]
    """

    dim: int = 2

    control_linear: ClassVar[bool] = True
    any_dim: ClassVar[bool] = True

    def __post_init__(self) -> None:
        integer("dim", self.dim)

    @property
    def parameters(self) -> int:
        return 2 * self.dim

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return tuple(f"u{i + 1}" for i in range(2 * self.dim))

    @staticmethod
    def _bump(x: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(-np.einsum("nd,nd->n", x, x)))

    def __call__(self, t: float, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        bump = self._bump(x)
        return (theta[: self.dim, None] + theta[self.dim :, None] * bump).T

    def pullback(self, at: At, p: np.ndarray) -> Pulled:
        bump = self._bump(at.x)
        radial = -2.0 * bump * (p @ at.theta[self.dim :])
        return (radial * at.x.T).T, np.concatenate([p.sum(axis=0), moments(bump[None], p.T)[0]])

    def tangent(self, at: At, along: Direction) -> np.ndarray:
        dbump = -2.0 * self._bump(at.x) * np.einsum("nd,nd->n", at.x, along.x)
        return self(at.t, along.theta, at.x) + (at.theta[self.dim :, None] * dbump).T

    def pullback_tangent(self, at: At, p: np.ndarray, along: Direction, dp: np.ndarray) -> Pulled:
        bump = self._bump(at.x)
        dbump = -2.0 * bump * np.einsum("nd,nd->n", at.x, along.x)
        u, du = at.theta[self.dim :], along.theta[self.dim :]
        radial, dradial = -2.0 * bump * (p @ u), -2.0 * (dbump * (p @ u) + bump * (dp @ u + p @ du))
        change = moments(dbump[None], p.T) + moments(bump[None], dp.T)
        return (dradial * at.x.T + radial * along.x.T).T, np.concatenate([dp.sum(axis=0), change[0]])

    def spec(self) -> Spec:
        return {"type": "agrachev_sarychev", **asdict(self)}
