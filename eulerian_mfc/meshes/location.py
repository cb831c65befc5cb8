"""Where points lie on a simplex mesh: by bins for any point, by walking for the feet of characteristics."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..errors import NonFiniteError
from ..kernels import bins as _bins
from ..kernels import walk as _walk


class Trace(NamedTuple):
    """Where segments end on a mesh.

    Attributes
    ----------
    cells : `(n,)`, the cell of each end.
    barycentric : `(n, d + 1)`, its barycentric coordinates there, non-negative.
    feet : `(n, d)`, the ends: the targets, moved along the boundary where that was met.
    projected : `(n,)`, whether the boundary was met.
    jacobian : `(n, d, d)`, the derivative of the foot in the target; meaningful where `projected`.
    """

    cells: np.ndarray
    barycentric: np.ndarray
    feet: np.ndarray
    projected: np.ndarray
    jacobian: np.ndarray

    def pullback(self, p: np.ndarray) -> np.ndarray:
        """Covectors `(n, d)` at the feet -> at the targets."""
        if not self.projected.any():
            return p
        out = np.asfortranarray(p)
        rows = np.flatnonzero(self.projected)
        out[rows] = np.einsum("nkm,nk->nm", self.jacobian[rows], out[rows])
        return out


@dataclass(frozen=True, eq=False)
class Locator:
    """Point location on simplices.

    Parameters
    ----------
    points : `(vertices, d)`.
    cells : `(cells, d + 1)` vertices of each cell.
    neighbours : `(cells, d + 1)`, the cell beyond the facet opposite to each vertex, -1 at the boundary.

    `trace` walks from cell to neighbour along a segment (O. Devillers, S. Pion, M. Teillaud, Walking in a triangulation,
    Int. J. Found. Comput. Sci. 13 (2002), 181-199, doi:10.1142/S0129054102001047), the cost of a few cells each. `find`
    looks a point up in a grid of bins that know the cells overlapping them. Both take memory linear in the cells.
    """

    points: np.ndarray
    cells: np.ndarray
    neighbours: np.ndarray

    @property
    def _size(self) -> tuple[int, ...]:
        return (0,) * self.points.shape[1]

    @cached_property
    def frames(self) -> np.ndarray:
        """`(cells, d + 2, d)`: first vertex, gradients of the barycentric coordinates 1 .. d, and their round-off."""
        corners = self.points[self.cells]
        edges = corners[:, 1:] - corners[:, :1]
        gradients = np.linalg.inv(edges).transpose(0, 2, 1)
        last = np.zeros_like(corners[:, :1])
        reach = np.abs(self.points).max()
        last[:, 0, 0] = 1e-12 + 4e-16 * reach * np.abs(gradients).sum(axis=2).max(axis=1)
        return np.ascontiguousarray(np.concatenate([corners[:, :1], gradients, last], axis=1))

    @property
    def gradients(self) -> np.ndarray:
        """`(cells, d + 1, d)`: the gradients of the barycentric coordinates."""
        last = self.frames[:, 1:-1]
        return np.concatenate([-last.sum(axis=1, keepdims=True), last], axis=1)

    @cached_property
    def centroids(self) -> np.ndarray:
        return self.points[self.cells].mean(axis=1)

    @cached_property
    def bins(self) -> _bins.Bins:
        """A grid of bins that know the cells overlapping them."""
        return _bins.Bins.of(self.points[self.cells])

    def find(self, points: np.ndarray) -> np.ndarray:
        """`(n,)` a cell that holds each of the `(n, d)` points, -1 outside the mesh."""
        return self.bins.find(points, self.frames, self._size)

    def trace(self, starts: np.ndarray, origins: np.ndarray, targets: np.ndarray) -> Trace:
        """Follow the segments from `origins` `(n, d)`, which lie in the cells `starts`, to `targets` `(n, d)`.

        A point that meets the boundary slides along it: it goes on with the projection of its velocity (the segment) onto
        the directions that are open there. On convex domains the foot is a continuous function of the target, on a box it
        is the target clamped; its derivative is exact.

        Raises
        ------
        NonFiniteError
            If a target is not finite, with the first of them.
        """
        n, d = targets.shape
        cells, bary = np.empty(n, dtype=np.int64), np.empty((n, d + 1))
        feet, projected, jacobian = np.empty((d, n)), np.empty(n, dtype=np.bool_), np.empty((n, d, d))
        rows = np.ascontiguousarray(origins.T), np.ascontiguousarray(targets.T)
        arguments = self.frames, self.neighbours, self._size, cells, feet, bary, projected, jacobian
        bad = _walk.trace(starts, *rows, *arguments)
        if bad:
            row = int(np.flatnonzero(cells < 0)[0])
            raise NonFiniteError(f"{bad} of {n} characteristics are not finite, the first at row {row}: {targets[row]}")
        return Trace(cells, bary, feet.T, projected, jacobian)

    def locate(self, points: np.ndarray) -> Trace:
        """Any points `(n, d)`; those outside the mesh are brought to its boundary from the nearest cell's centroid."""
        starts = self.find(points)
        origins = np.array(points, dtype=np.float64, order="F")
        outside = np.flatnonzero(starts < 0)
        if len(outside):
            finite = outside[np.isfinite(points[outside]).all(axis=1)]
            starts[outside] = 0
            starts[finite] = self.nearest(points[finite])
            origins[outside] = self.centroids[starts[outside]]
        return self.trace(starts, origins, points)

    def nearest(self, points: np.ndarray) -> np.ndarray:
        """`(n,)`: the cell whose centroid is nearest to each of the points."""
        from scipy.spatial import cKDTree

        return np.asarray(cKDTree(self.centroids).query(points)[1], dtype=np.int64)
