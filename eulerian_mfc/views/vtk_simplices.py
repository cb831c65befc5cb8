"""ParaView data of solutions on simplex meshes, on the mesh itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._validate import mismatch
from ..meshes import SimplexMesh
from ..results.solution_data import SolutionData
from ..spaces import ElementNodes
from ..transport.element_interpolation import ElementInterpolation
from .vtk_pictures import coloured, with_control

if TYPE_CHECKING:
    import pyvista

#: VTK's cell types of the line, the triangle and the tetrahedron
CELL_TYPES = {1: 3, 2: 5, 3: 10}


def grid(mesh: SimplexMesh) -> pyvista.UnstructuredGrid:
    """The mesh without data."""
    import pyvista

    points = np.zeros((len(mesh.points), 3))
    points[:, : mesh.dim] = mesh.points
    cells = np.column_stack([np.full(mesh.size, mesh.dim + 1), mesh.cells])
    return pyvista.UnstructuredGrid(cells.ravel(), np.full(mesh.size, CELL_TYPES[mesh.dim], dtype=np.uint8), points)


def level(solution: SolutionData, n: int) -> pyvista.UnstructuredGrid:
    """The mesh at time level n.

    The vertices hold `density_NAME`, `density_total` (the cells do, for finite volumes) and `psi_NAME`. The cells hold
    `grad_psi_NAME` at the centroids, and `velocity`.
    """
    mesh = solution.mesh
    assert isinstance(mesh, SimplexMesh)
    out = grid(mesh)
    nodal = not solution.unknowns.masses_in_cells
    densities = out.point_data if nodal else out.cell_data
    values = solution.unknowns.density(solution.masses[n])
    for r, name in enumerate(solution.names):
        densities[f"density_{name}"] = values[r]
    densities["density_total"] = solution.total @ values
    nodes = _nodes(solution)
    interpolation = ElementInterpolation(nodes)
    cells = np.arange(mesh.size)
    trace = mesh.locator.trace(cells, mesh.centres, np.asfortranarray(mesh.centres))
    for r, name in enumerate(solution.names):
        psi = solution.potentials[n, r : r + 1]
        out.point_data[f"psi_{name}"] = nodes.at_vertices(psi)[0]
        _, gradient = interpolation.evaluate(trace, interpolation.coefficients(psi), np.ones((1, mesh.size)))
        out.cell_data[f"grad_psi_{name}"] = _vectors(gradient)
    if solution.numerics.flow is not None:
        out.cell_data["velocity"] = _vectors(solution.controlled_flow.velocity(n, mesh.centres))
    with_control(out, solution, solution.times[n : n + 1])
    coloured(out)
    return out


def _nodes(solution: SolutionData) -> ElementNodes:
    """The nodes of the potentials."""
    mesh = solution.mesh
    nodes = solution.numerics.transport.nodes(mesh)
    if not isinstance(nodes, ElementNodes):
        raise mismatch("transport", repr(solution.numerics.transport), "Lagrange elements, of degree 1 or 2")
    return nodes


def _vectors(rows: np.ndarray) -> np.ndarray:
    out = np.zeros((len(rows), 3))
    out[:, : rows.shape[1]] = rows
    return out


def spacetime(solution: SolutionData) -> pyvista.RectilinearGrid:
    """In one dimension: densities (and potentials, if they live at the same points) on the plane (x, t)."""
    import pyvista

    mesh = solution.mesh
    assert isinstance(mesh, SimplexMesh)
    nodal = not solution.unknowns.masses_in_cells
    x = mesh.points[:, 0] if nodal else mesh.centres[:, 0]
    order = np.argsort(x)
    out = pyvista.RectilinearGrid(x[order], solution.times, np.zeros(1))
    out.point_data["density_total"] = solution.total_density[:, order].ravel()
    psi = _nodes(solution).at_vertices(solution.potentials)
    for r, name in enumerate(solution.names):
        out.point_data[f"density_{name}"] = solution.densities[:, r, order].ravel()
        if nodal:
            out.point_data[f"psi_{name}"] = psi[:, r, order].ravel()
    with_control(out, solution, solution.times)
    return out
