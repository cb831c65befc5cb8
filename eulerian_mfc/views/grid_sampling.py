"""Solutions on simplex meshes, sampled on boxes for figures."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..meshes import CartesianMesh, SimplexMesh

if TYPE_CHECKING:
    from ..results.solution_data import SolutionData

#: boxes an axis
BOXES = {1: 600, 2: 240, 3: 60}


class Raster:
    """A solution whose `mesh`, `densities` and `total_density` are those of boxes; all else is the solution's own."""

    def __init__(self, solution: SolutionData) -> None:
        self._solution = solution
        mesh = solution.mesh
        assert isinstance(mesh, SimplexMesh)
        self._simplices = mesh
        self.mesh = CartesianMesh(mesh.bounds, BOXES[mesh.dim])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._solution, name)

    @cached_property
    def densities(self) -> np.ndarray:
        return self._sampled(self._solution.densities)

    @cached_property
    def total_density(self) -> np.ndarray:
        return self._sampled(self._solution.total_density)

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of the boxes whose centres lie on the mesh, the vertices about each, and their weights."""
        cells = self._simplices.locator.find(self.mesh.centres)
        rows = np.flatnonzero(cells >= 0)
        points = np.asfortranarray(self.mesh.centres[rows])
        trace = self._simplices.locator.trace(cells[rows], points, points)
        return rows, trace.cells, trace.barycentric

    def _sampled(self, values: np.ndarray) -> np.ndarray:
        """`(..., vertices)` or `(..., cells)` -> `(..., *boxes)`, zero off the mesh."""
        rows, cells, weights = self._places
        out = np.zeros((*values.shape[:-1], self.mesh.size))
        if self._solution.numerics.continuity.nodal:
            corners = self._simplices.cells[cells]
            for k in range(corners.shape[1]):
                out[..., rows] += weights[:, k] * values[..., corners[:, k]]
        else:
            out[..., rows] = values[..., cells]
        return out.reshape(*values.shape[:-1], *self.mesh.shape)

    @cached_property
    def outline(self) -> np.ndarray | None:
        """Two dimensions: the boundary facets as `(n, 2, 2)` segments."""
        mesh = self._simplices
        if mesh.dim != 2:
            return None
        cell, local = np.nonzero(mesh.neighbours < 0)
        others = np.array([[1, 2], [0, 2], [0, 1]])
        return mesh.points[mesh.cells[cell[:, None], others[local]]]


def rastered(solution: SolutionData) -> Any:
    """The solution itself on boxes, a Raster of it on simplices."""
    return Raster(solution) if isinstance(solution.mesh, SimplexMesh) else solution
