"""Densities on boxes for figures: those of the solution's mesh, or samples of the densities on simplices."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..meshes import CartesianMesh, SimplexMesh
from ..results.solution_data import SolutionData

#: boxes per axis
BOXES = {1: 600, 2: 240, 3: 60}


class BoxView:
    """The densities of a solution on a box that is cut into cells.

    Parameters
    ----------
    solution : a solution on a CartesianMesh.
    mesh : the box.
    """

    def __init__(self, solution: SolutionData, mesh: CartesianMesh) -> None:
        self.solution, self.mesh = solution, mesh

    @property
    def densities(self) -> np.ndarray:
        """`(steps + 1, R, *boxes)`, see `SolutionData.densities`."""
        return self.solution.densities

    @property
    def total_density(self) -> np.ndarray:
        """`(steps + 1, *boxes)`: the density of X."""
        return self.solution.total_density

    @property
    def outline(self) -> np.ndarray | None:
        """The boundary of the domain as `(n, 2, 2)` segments; None if the domain is the box."""
        return None


class SampledView(BoxView):
    """The densities of a solution on simplices, sampled at the centres of boxes.

    Parameters
    ----------
    solution : a solution on simplices.
    simplices : its mesh.
    """

    def __init__(self, solution: SolutionData, simplices: SimplexMesh) -> None:
        super().__init__(solution, CartesianMesh(simplices.bounds, BOXES[simplices.dim]))
        self._simplices = simplices

    @cached_property
    def densities(self) -> np.ndarray:
        return self._sampled(self.solution.densities)

    @cached_property
    def total_density(self) -> np.ndarray:
        return self._sampled(self.solution.total_density)

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of the boxes whose centres lie on the mesh, the vertices around each centre, and their weights."""
        cells = self._simplices.locator.find(self.mesh.centres)
        rows = np.flatnonzero(cells >= 0)
        points = np.asfortranarray(self.mesh.centres[rows])
        trace = self._simplices.locator.trace(cells[rows], points, points)
        return rows, trace.cells, trace.barycentric

    def _sampled(self, values: np.ndarray) -> np.ndarray:
        """`(..., vertices)` or `(..., cells)` -> `(..., *boxes)`, zero outside the mesh."""
        rows, cells, weights = self._places
        out = np.zeros((*values.shape[:-1], self.mesh.size))
        if not self.solution.unknowns.masses_in_cells:
            corners = self._simplices.cells[cells]
            for k in range(corners.shape[1]):
                out[..., rows] += weights[:, k] * values[..., corners[:, k]]
        else:
            out[..., rows] = values[..., cells]
        return out.reshape(*values.shape[:-1], *self.mesh.shape)

    @cached_property
    def outline(self) -> np.ndarray | None:
        """In two dimensions, the boundary facets as `(n, 2, 2)` segments."""
        mesh = self._simplices
        if mesh.dim != 2:
            return None
        cell, local = np.nonzero(mesh.locator.neighbours < 0)
        others = np.array([[1, 2], [0, 2], [0, 1]])
        return mesh.points[mesh.cells[cell[:, None], others[local]]]


def on_boxes(solution: SolutionData) -> BoxView:
    """The densities of a solution on boxes: on its own cells, or sampled from its simplices.

    Parameters
    ----------
    solution : a solution with its densities.
    """
    mesh = solution.mesh
    if isinstance(mesh, SimplexMesh):
        return SampledView(solution, mesh)
    assert isinstance(mesh, CartesianMesh)
    return BoxView(solution, mesh)
