"""Densities at Gauss points from cell averages, which integrate functions against the masses at the order of the scheme."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..meshes import CartesianMesh

#: cells of the candidate parabolas, and their linear weights; the quartic of all five cells has the remaining weight
PARABOLAS = {(-2, -1, 0): 0.125, (-1, 0, 1): 0.25, (0, 1, 2): 0.125}
_EPSILON = 1e-40


def point_masses(cells: tuple[int, ...], nodes: np.ndarray) -> np.ndarray:
    """`(g, len(cells))`: the matrix from averages on `cells` to the values of their polynomial at `nodes` (in [-1, 1]).

    The cells are offsets from the cell that holds the nodes.
    """
    offsets, powers = np.array(cells), np.arange(len(cells))
    low, high = (offsets - 0.5)[:, None], (offsets + 0.5)[:, None]
    averages = (high ** (powers + 1) - low ** (powers + 1)) / (powers + 1)
    return (nodes[:, None] / 2) ** powers @ np.linalg.inv(averages)


class GaussPoints:
    """Gauss points in every cell of a mesh, and the map from cell masses to masses at them.

    The map is a central WENO reconstruction, axis by axis. It has order 5 where the density is smooth, and keeps jumps at
    cell faces sharp. It is `sum_k w_k P_k` with nonlinear weights, over three parabolas and `(Q - sum_k d_k P_k) / d_0`, where
    Q is the quartic of all five cells. Each polynomial has the cell's average, and so has the sum: the points of a cell
    carry its mass.

    References
    ----------
    D. Levy, G. Puppo, G. Russo, Compact central WENO schemes for multidimensional conservation laws, SIAM J. Sci.
    Comput. 22 (2000), 656-672, doi:10.1137/S1064827599359461.
    """

    def __init__(self, mesh: CartesianMesh, periodic: list[bool], points: int = 3) -> None:
        self.mesh, self._periodic = mesh, periodic
        self._nodes, self._gauss = np.polynomial.legendre.leggauss(points)
        self._candidates = np.zeros((4, points, 5))
        for k, cells in enumerate(PARABOLAS):
            self._candidates[k][:, np.array(cells) + 2] = point_masses(cells, self._nodes)
        self._linear = np.array([*PARABOLAS.values(), 1.0 - sum(PARABOLAS.values())])
        quartic = point_masses((-2, -1, 0, 1, 2), self._nodes)
        self._candidates[3] = (quartic - np.tensordot(self._linear[:3], self._candidates[:3], axes=1)) / self._linear[3]

    @cached_property
    def points(self) -> np.ndarray:
        """`(n, d)` Gauss points, columns contiguous."""
        axes = [
            (self.mesh.axis(k)[:, None] + self.mesh.widths[k] / 2 * self._nodes).ravel() for k in range(self.mesh.dim)
        ]
        return np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")]).T

    def weights(self, masses: np.ndarray) -> np.ndarray:
        """Masses `(R, *shape)` -> weights `(R, n)` of the points."""
        out = masses
        for k in range(self.mesh.dim):
            out = np.moveaxis(self._along(np.moveaxis(out, k + 1, 0), self._periodic[k]), 0, k + 1)
        return np.ascontiguousarray(out).reshape(len(masses), -1)

    def _along(self, u: np.ndarray, periodic: bool) -> np.ndarray:
        """`(n, ...)` masses of cells along the first axis -> `(n * points, ...)` masses at Gauss points."""
        n, rest = len(u), u.shape[1:]
        padded = np.pad(u.reshape(n, -1), ((2, 2), (0, 0)), mode="wrap" if periodic else "edge")
        a, b, c, d, e = (padded[k : k + n] for k in range(5))
        smoothness = [
            13 / 12 * (a - 2 * b + c) ** 2 + 0.25 * (a - 4 * b + 3 * c) ** 2,
            13 / 12 * (b - 2 * c + d) ** 2 + 0.25 * (b - d) ** 2,
            13 / 12 * (c - 2 * d + e) ** 2 + 0.25 * (3 * c - 4 * d + e) ** 2,
        ]
        tau = np.abs(smoothness[0] - smoothness[2])
        smoothness.append(np.maximum.reduce(smoothness))
        raw = np.stack([w * (1 + (tau / (s + _EPSILON)) ** 2) for w, s in zip(self._linear, smoothness, strict=True)])
        raw /= raw.sum(axis=0)
        stencil = np.stack([a, b, c, d, e])
        out = np.empty((n, len(self._nodes), stencil.shape[2]))
        for g, weight in enumerate(self._gauss / 2):
            values = np.einsum("ks,snm->knm", self._candidates[:, g], stencil)  # not by BLAS, see `kernels.sums`
            out[:, g] = weight * (raw * values).sum(axis=0)
        return out.reshape(-1, *rest)
