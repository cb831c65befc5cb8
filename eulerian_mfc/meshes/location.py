"""Location of points on a simplex mesh: with bins for any point, by walking for the feet of characteristics."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..errors import NonFiniteError
from ..kernels import bins as _bins
from ..kernels import walk as _walk


class Trace(NamedTuple):
    """The ends of segments on a mesh.

    Attributes
    ----------
    cells : `(n,)`, the cell of each end.
    barycentric : `(n, d + 1)`, the barycentric coordinates of the end in its cell, non-negative.
    feet : `(n, d)`, the ends: the targets, or points of the boundary if the segment met it.
    projected : `(n,)`, whether the segment met the boundary.
    jacobian : `(n, d, d)`, the derivative of the foot in the target; filled only where `projected`.
    """

    cells: np.ndarray
    barycentric: np.ndarray
    feet: np.ndarray
    projected: np.ndarray
    jacobian: np.ndarray

    def pullback(self, p: np.ndarray) -> np.ndarray:
        """Covectors `(n, d)` at the targets from covectors at the feet, by the transposed derivative of the foot."""
        if not self.projected.any():
            return p
        # Away from the boundary the foot is the target and its derivative the identity: only the others are touched.
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
    Int. J. Found. Comput. Sci. 13 (2002), 181-199, doi:10.1142/S0129054102001047); it visits a few cells per segment.
    `find` looks a point up in a grid of bins that list the cells overlapping them. The memory of both is linear in the cells.
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
        # A coordinate of x has round-off eps |x|, which the gradient of a barycentric coordinate turns into this error. The
        # kernels compare with it, so that thin cells far from the origin do not lose points between them.
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
        """A grid of bins that list the cells overlapping them."""
        return _bins.Bins.of(self.points[self.cells])

    def find(self, points: np.ndarray) -> np.ndarray:
        """`(n,)`: a cell that contains each of the `(n, d)` points, or -1 outside the mesh."""
        return self.bins.find(points, self.frames, self._size)

    def trace(self, starts: np.ndarray, origins: np.ndarray, targets: np.ndarray) -> Trace:
        """Follow the segments from `origins` `(n, d)`, which lie in the cells `starts`, to `targets` `(n, d)`.

        A point that meets the boundary slides along it: it goes on with the projection of its velocity (the segment) onto
        the directions that do not leave the mesh. On convex domains the foot is a continuous function of the target; on a box
        it is the clamped target. The derivative is exact.

        Raises
        ------
        NonFiniteError
            If a target is not finite; the message names the first one.
        """
        n, d = targets.shape
        # The kernel reads and writes positions as contiguous rows `(d, n)`, one row per coordinate.
        cells, bary = np.empty(n, dtype=np.int64), np.empty((n, d + 1))
        feet, projected, jacobian = np.empty((d, n)), np.empty(n, dtype=np.bool_), np.empty((n, d, d))
        rows = np.ascontiguousarray(origins.T), np.ascontiguousarray(targets.T)
        arguments = self.frames, self.neighbours, self._size, cells, feet, bary, projected, jacobian
        bad = _walk.trace(starts, *rows, *arguments)
        if bad:  # the kernel marks such targets by the cell -1
            row = int(np.flatnonzero(cells < 0)[0])
            raise NonFiniteError(f"{bad} of {n} characteristics are not finite, the first at row {row}: {targets[row]}")
        return Trace(cells, bary, feet.T, projected, jacobian)

    def locate(self, points: np.ndarray) -> Trace:
        """Location of any points `(n, d)`; points outside the mesh are moved to its boundary.

        For a point outside, the walk starts at the centroid of the cell whose centroid is nearest.
        """
        starts = self.find(points)
        origins = np.array(points, dtype=np.float64, order="F")
        outside = np.flatnonzero(starts < 0)
        if len(outside):
            finite = outside[np.isfinite(points[outside]).all(axis=1)]
            starts[outside] = 0  # points that are not finite start in any cell, and `trace` raises
            starts[finite] = self.nearest(points[finite])
            origins[outside] = self.centroids[starts[outside]]
        return self.trace(starts, origins, points)

    def nearest(self, points: np.ndarray) -> np.ndarray:
        """`(n,)`: the cell whose centroid is nearest to each of the points."""
        from scipy.spatial import cKDTree

        return np.asarray(cKDTree(self.centroids).query(points)[1], dtype=np.int64)
