"""Steering of mean and covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .._validate import array, mismatch
from .expectation import TOLERANCE, Constraint, Expectation

#: a covariance may differ from its transpose by this share of its largest entry
SYMMETRIC = 1e-12


@dataclass(frozen=True)
class Coordinate:
    """`x_i`, as a function of states.

    Parameters
    ----------
    i : the axis.

    Examples
    --------
    >>> Coordinate(1)(np.array([[2.0, 3.0]])).tolist()
    [3.0]
    """

    i: int

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return x[:, self.i]


@dataclass(frozen=True)
class Product:
    """`(x_i - a)(x_j - b)`, as a function of states.

    Parameters
    ----------
    i, j : the axes.
    a, b : the numbers that are subtracted.

    Examples
    --------
    >>> Product(0, 1, 1.0, 1.0)(np.array([[3.0, 4.0]])).tolist()
    [6.0]
    """

    i: int
    j: int
    a: float
    b: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.asarray((x[:, self.i] - self.a) * (x[:, self.j] - self.b))


@dataclass(frozen=True, eq=False)
class MeanAndCovariance(Constraint):
    """The mean and the covariance of X(T) are given: `d + d (d + 1) / 2` equalities.

    They are `E X_i = mean_i` and `E (X_i - mean_i)(X_j - mean_j) = covariance_ij` for `i <= j`, so that the multiplier of an
    entry off the diagonal counts both entries of the symmetric matrix.

    Parameters
    ----------
    mean : `(d,)`.
    covariance : `(d, d)`, symmetric and positive definite.
    tolerance : as for `Expectation`.

    Raises
    ------
    ArgumentError
        If the covariance is not such a matrix, or the state has another dimension.

    References
    ----------
    Y. Chen, T. T. Georgiou, M. Pavon, Optimal steering of a linear stochastic system to a final probability distribution, part I,
    IEEE Trans. Automat. Control 61 (2016), 1158-1169, doi:10.1109/TAC.2015.2457784.

    Examples
    --------
    >>> from eulerian_mfc.constraints import MeanAndCovariance
    >>> [e.title for e in MeanAndCovariance([1.0], [[0.25]]).expectations(1)]
    ['E x0 = 1', 'E x0 x0 about the mean = 0.25']
    """

    mean: ArrayLike
    covariance: ArrayLike
    tolerance: float = TOLERANCE

    def __post_init__(self) -> None:
        mean = array("mean", self.mean, ndim=1, like="mean=[0.0]")
        matrix = array("covariance", self.covariance, ndim=2, like="covariance=[[1.0]]")
        if matrix.shape != (len(mean), len(mean)):
            raise mismatch("covariance", f"a matrix of shape {matrix.shape}", f"one of shape {(len(mean),) * 2}")
        if np.abs(matrix - matrix.T).max() > SYMMETRIC * np.abs(matrix).max() or np.linalg.eigvalsh(matrix)[0] <= 0:
            raise mismatch("covariance", f"the matrix {matrix.tolist()}", "a symmetric positive definite matrix")

    def expectations(self, dim: int) -> tuple[Expectation, ...]:
        mean, matrix = np.asarray(self.mean, dtype=float).tolist(), np.asarray(self.covariance, dtype=float).tolist()
        if len(mean) != dim:
            raise mismatch("constraints", f"a mean in dimension {len(mean)}", f"the dimension {dim} of the state")
        first = (Expectation(Coordinate(i), equals=mean[i], name=f"x{i}", tolerance=self.tolerance) for i in range(dim))
        second = (
            Expectation(
                Product(i, j, mean[i], mean[j]),
                equals=matrix[i][j],
                name=f"x{i} x{j} about the mean",
                tolerance=self.tolerance,
            )
            for i in range(dim)
            for j in range(i, dim)
        )
        return (*first, *second)
