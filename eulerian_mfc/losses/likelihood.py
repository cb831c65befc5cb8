"""The log-likelihood of samples under the density of the states."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .._frozen import frozen
from .._validate import array, fail, mismatch, positive
from .density_cost import SmoothDensityCost, StateDensity, StateGrid, same_dim
from .divergence import FLOOR
from .readout import Spec

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

#: the density between the points of a box is the Lagrange polynomial through so many points per axis
POINTS = 6


def logarithm(s: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`log s` with its first and second derivative, each `(n,)`; below the floor its Taylor polynomial of degree 2 there.

    Parameters
    ----------
    s : `(n,)`, a density.
    floor : a positive density.

    Examples
    --------
    >>> [float(part[0]) for part in logarithm(np.array([1.0]), 0.5)]
    [0.0, 1.0, -1.0]
    """
    above, below = np.maximum(s, floor), np.minimum(s - floor, 0.0)
    slope, bend = 1.0 / above, -1.0 / above**2
    return np.log(above) + slope * below + 0.5 * bend * below**2, slope + bend * below, bend


@dataclass(frozen=True, eq=False)
class LogLikelihood(SmoothDensityCost):
    """`G(mu) = - 1/N sum_i log rho(x_i)`: minus the mean log-density of samples, which normalising flows minimise.

    On boxes, rho between the points of the mesh is a polynomial of degree 5 per axis. Below the floor, `log` is replaced by its
    Taylor polynomial of degree 2 at the floor; `notes` says at how many samples.

    Parameters
    ----------
    samples : `(N, d)`, or `(N,)` on a line.
    floor : the density below which the logarithm is continued, in units of one over the volume of the state.

    Raises
    ------
    ArgumentError
        If the samples are not an array, or the floor is not positive; when a system is built, if samples lie outside the mesh, or
        the mesh is not a box.

    References
    ----------
    W. Grathwohl, R. T. Q. Chen, J. Bettencourt, I. Sutskever, D. Duvenaud, FFJORD: free-form continuous dynamics for scalable
    reversible generative models, ICLR 2019, arXiv:1810.01367.

    Examples
    --------
    >>> from eulerian_mfc.losses import LogLikelihood, StateDensity, StateGrid
    >>> x = np.linspace(-8.0, 8.0, 161)
    >>> grid = StateGrid(x[:, None], np.full(161, 0.1), (x,))
    >>> law = StateDensity(grid, 0.1 * np.exp(-x**2 / 2) / np.sqrt(2 * np.pi))
    >>> round(LogLikelihood([0.0]).cost(law), 6)  # log sqrt(2 pi)
    0.918939
    """

    samples: ArrayLike
    floor: float = FLOOR

    def __post_init__(self) -> None:
        samples = array("samples", self.samples, ndim=(1, 2), like="samples=[[0.0, 1.0], [1.0, 0.5]]")
        if not len(samples):
            raise mismatch("samples", "an empty list", "at least one sample")
        positive("floor", self.floor)
        object.__setattr__(self, "samples", frozen(samples.reshape(len(samples), -1)))

    def check_dim(self, dim: int) -> None:
        same_dim("samples", np.shape(self.samples)[1], dim)

    def check(self, density: StateDensity) -> None:
        axes, x = density.grid.axes, np.asarray(self.samples)
        if not axes:
            raise fail(
                "mesh", "a mesh of simplices", "a CartesianMesh, since LogLikelihood has a density between points there"
            )
        if min(map(len, axes)) < POINTS:
            raise mismatch("mesh", f"{min(map(len, axes))} cells along an axis", f"at least {POINTS}")
        half = np.array([0.5 * (axis[1] - axis[0]) for axis in axes])
        low, high = np.array([axis[0] for axis in axes]) - half, np.array([axis[-1] for axis in axes]) + half
        outside = ~((x >= low) & (x <= high)).all(axis=1)
        if outside.any():
            told = f"{int(outside.sum())} samples outside the mesh, such as {x[outside][0].tolist()}"
            raise mismatch("samples", told, "samples within the mesh: use a larger mesh")

    def _interpolation(self, grid: StateGrid) -> csr_matrix:
        """Sparse `(N, n)`: densities at the points to densities at the samples."""
        return grid.derived((self, "interpolation"), lambda: interpolation(grid.axes, np.asarray(self.samples)))

    def densities(self, density: StateDensity) -> np.ndarray:
        """`(N,)`: the density at the samples."""
        return np.asarray(self._interpolation(density.grid) @ density.values)

    def notes(self, density: StateDensity) -> tuple[str, ...]:
        below = int((self.densities(density) < self.floor).sum())
        told = "where the logarithm is replaced by its Taylor polynomial"
        return (
            (f"LogLikelihood: the density is below the floor {self.floor:g} at {below} samples, {told}",)
            if below
            else ()
        )

    def cost(self, density: StateDensity) -> float:
        return -float(np.mean(logarithm(self.densities(density), self.floor)[0]))

    def _pulled(self, grid: StateGrid, at_samples: np.ndarray) -> np.ndarray:
        return -np.asarray(self._interpolation(grid).T @ at_samples) / (len(at_samples) * grid.volumes)

    def potential(self, density: StateDensity) -> np.ndarray:
        return self._pulled(density.grid, logarithm(self.densities(density), self.floor)[1])

    def tangent(self, density: StateDensity, dmasses: np.ndarray) -> np.ndarray:
        change = np.asarray(self._interpolation(density.grid) @ (dmasses / density.volumes))
        return self._pulled(density.grid, logarithm(self.densities(density), self.floor)[2] * change)

    def spec(self) -> Spec:
        return {"type": "log_likelihood", "samples": np.asarray(self.samples).tolist(), "floor": self.floor}


def interpolation(axes: tuple[np.ndarray, ...], x: np.ndarray) -> csr_matrix:
    """Sparse `(N, n)`: the values at points `(N, d)` of tensor-product Lagrange polynomials through values on a grid.

    Parameters
    ----------
    axes : the grid's coordinates along each axis, at equal distances.
    x : the points.

    Examples
    --------
    >>> line = np.arange(8.0)
    >>> float((interpolation((line,), np.array([[2.5]])) @ line**3)[0])
    15.625
    """
    rows = [_lagrange(axis, x[:, k]) for k, axis in enumerate(axes)]
    sizes = [len(axis) for axis in axes]

    def joined(
        a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray], size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        columns = (a[0][:, :, None] * size + b[0][:, None, :]).reshape(len(x), -1)
        return columns, (a[1][:, :, None] * b[1][:, None, :]).reshape(len(x), -1)

    columns, weights = reduce(lambda a, k: joined(a, rows[k], sizes[k]), range(1, len(axes)), rows[0])
    from scipy.sparse import coo_matrix  # slow to import

    places = np.repeat(np.arange(len(x)), columns.shape[1]), columns.ravel()
    return coo_matrix((weights.ravel(), places), (len(x), int(np.prod(sizes)))).tocsr()


def _lagrange(axis: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns and weights `(N, POINTS)` of the polynomials through the nearest points of a line with equal distances."""
    share = (x - axis[0]) / (axis[1] - axis[0])
    first = np.clip(np.floor(share).astype(np.int64) - POINTS // 2 + 1, 0, len(axis) - POINTS)
    local, nodes = share - first, np.arange(POINTS)
    weights = np.ones((len(x), POINTS))
    for j in nodes:
        for k in nodes[nodes != j]:
            weights[:, j] *= (local - k) / (j - k)
    return first[:, None] + nodes, weights
