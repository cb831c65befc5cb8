"""The maximum mean discrepancy with a Gaussian kernel, to a law or to samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from .._frozen import frozen
from .._validate import array, mismatch, positive
from ..laws import GaussianMixture, Law
from .density_cost import SmoothDensityCost, StateDensity, StateGrid, same_dim
from .readout import Spec
from .targets import target_spec

#: a kernel matrix is kept up to so many entries; larger ones are computed again in blocks of rows
KEPT = 2**24


def gaussian_kernel(x: np.ndarray, y: np.ndarray, bandwidth: float) -> np.ndarray:
    """`(n, N)`: `exp(-|x_i - y_j|^2 / (2 bandwidth^2))`.

    Parameters
    ----------
    x : `(n, d)`.
    y : `(N, d)`.
    bandwidth : a length.

    Examples
    --------
    >>> gaussian_kernel(np.zeros((1, 1)), np.zeros((2, 1)), 1.0).tolist()
    [[1.0, 1.0]]
    """
    square = np.zeros((len(x), len(y)))
    for k in range(x.shape[1]):
        square += (x[:, k, None] - y[None, :, k]) ** 2
    return np.exp(-square / (2.0 * bandwidth**2))


def kernel_sums(x: np.ndarray, y: np.ndarray, weights: np.ndarray, bandwidth: float) -> np.ndarray:
    """`(n,)`: `sum_j k(x_i, y_j) weights_j`, in blocks of rows; no term is left out.

    Parameters
    ----------
    x : `(n, d)`.
    y : `(N, d)`.
    weights : `(N,)`.
    bandwidth : a length.

    Examples
    --------
    >>> kernel_sums(np.zeros((1, 1)), np.zeros((2, 1)), np.array([1.0, 2.0]), 1.0).tolist()
    [3.0]
    """
    rows = max(1, KEPT // max(8 * len(y), 1))
    parts = [gaussian_kernel(x[k : k + rows], y, bandwidth) @ weights for k in range(0, len(x), rows)]
    return np.concatenate(parts) if parts else np.zeros(0)


@dataclass(frozen=True, eq=False)
class MaximumMeanDiscrepancy(SmoothDensityCost):
    """`G(mu) = int int k(x, y) d(mu - nu)(x) d(mu - nu)(y)` with `k(x, y) = exp(-|x - y|^2 / (2 bandwidth^2))`.

    It is the square of the distance in the kernel's Hilbert space, without a unit; zero only at the target nu. All sums are
    exact sums over the points of the mesh: on boxes products of sums along the axes. For normal laws and their mixtures, the
    integrals of the target are known in closed form; for other laws they are those of the law's quadrature rule.

    Parameters
    ----------
    target : a law, or samples `(N, d)` (on a line `(N,)`).
    bandwidth : the kernel's length, in units of the state.

    Raises
    ------
    ArgumentError
        If the target is not a law or an array of samples, or the bandwidth is not positive.

    References
    ----------
    A. Gretton, K. M. Borgwardt, M. J. Rasch, B. Schoelkopf, A. Smola, A kernel two-sample test, J. Mach. Learn. Res. 13 (2012),
    723-773.

    Examples
    --------
    >>> from eulerian_mfc.losses import MaximumMeanDiscrepancy, StateDensity, StateGrid
    >>> at_zero = StateDensity(StateGrid(np.zeros((1, 1)), np.ones(1)), np.ones(1))
    >>> MaximumMeanDiscrepancy([[0.0]], bandwidth=1.0).cost(at_zero)
    0.0
    """

    target: Law | ArrayLike
    bandwidth: float

    at_nodes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        positive("bandwidth", self.bandwidth)
        if not isinstance(self.target, Law):
            like = "a law, or samples such as [[0.0, 1.0], [1.0, 0.5]]"
            samples = array("target", self.target, ndim=(1, 2), like=like)
            if not len(samples):
                raise mismatch("target", "an empty list of samples", "at least one sample")
            object.__setattr__(self, "target", frozen(samples.reshape(len(samples), -1)))

    def check_dim(self, dim: int) -> None:
        found = self.target.dim if isinstance(self.target, Law) else np.shape(self.target)[1]
        same_dim("a law or samples", found, dim)

    def _points(self) -> tuple[np.ndarray, np.ndarray]:
        """The target as points `(N, d)` and weights `(N,)`."""
        if isinstance(self.target, Law):
            rule = self.target.quadrature()
            return rule.x, rule.w
        samples = np.asarray(self.target)
        return samples, np.full(len(samples), 1.0 / len(samples))

    def _target_sums(self, grid: StateGrid) -> tuple[np.ndarray, float]:
        """`int k(x_j, y) dnu(y)` at the points `(n,)`, and `int int k dnu dnu`."""
        if isinstance(self.target, GaussianMixture) and self.target.truncation is None:
            return _normal_sums(self.target, grid.points, self.bandwidth)
        y, weights = self._points()
        sums = kernel_sums(grid.points, y, weights, self.bandwidth)
        return sums, float(weights @ kernel_sums(y, y, weights, self.bandwidth))

    def _sums(self, grid: StateGrid, masses: np.ndarray) -> np.ndarray:
        """`(n,)`: `sum_j k(x_i, x_j) masses_j`."""
        if grid.axes:
            lines = [axis[:, None] for axis in grid.axes]
            factors = grid.derived(
                ("kernel", self.bandwidth), lambda: [gaussian_kernel(a, a, self.bandwidth) for a in lines]
            )
            out = masses.reshape([len(axis) for axis in grid.axes])
            for k, factor in enumerate(factors):
                out = np.moveaxis(np.tensordot(factor, out, axes=(1, k)), 0, k)
            return out.ravel()
        x = grid.points
        if len(x) ** 2 > KEPT:
            return kernel_sums(x, x, masses, self.bandwidth)
        return grid.derived(("kernel", self.bandwidth), lambda: gaussian_kernel(x, x, self.bandwidth)) @ masses

    def cost(self, density: StateDensity) -> float:
        grid, masses = density.grid, density.masses
        sums, constant = grid.derived((self, "target"), lambda: self._target_sums(grid))
        return float(masses @ (self._sums(grid, masses) - 2.0 * sums) + constant)

    def potential(self, density: StateDensity) -> np.ndarray:
        grid = density.grid
        sums, _ = grid.derived((self, "target"), lambda: self._target_sums(grid))
        return 2.0 * (self._sums(grid, density.masses) - sums)

    def tangent(self, density: StateDensity, dmasses: np.ndarray) -> np.ndarray:
        return 2.0 * self._sums(density.grid, dmasses)

    def spec(self) -> Spec | None:
        of_law = isinstance(self.target, Law)
        target = target_spec(self.target) if of_law else np.asarray(self.target).tolist()
        found: Spec = {"type": "maximum_mean_discrepancy", "target": target, "bandwidth": self.bandwidth}
        return None if target is None else found


def _normal_sums(law: GaussianMixture, x: np.ndarray, bandwidth: float) -> tuple[np.ndarray, float]:
    """The kernel's integrals against a mixture of normal laws: at points `(n, d)`, and against the mixture itself."""

    def integral(distance: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """The integral of the kernel against normal laws, for distances of the means `(..., d)` and variances of the law."""
        whole = bandwidth**2 + variance
        return np.asarray(np.prod(bandwidth / np.sqrt(whole) * np.exp(-(distance**2) / (2.0 * whole)), axis=-1))

    at_points = sum(
        weight * integral(x - mean, std**2) for weight, mean, std in zip(law.weights, law.means, law.std, strict=True)
    )
    apart = law.means[:, None] - law.means[None]
    both = integral(apart, law.std[:, None] ** 2 + law.std[None] ** 2)
    return np.asarray(at_points), float(law.weights @ both @ law.weights)
