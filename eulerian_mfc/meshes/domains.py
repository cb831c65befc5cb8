"""Meshes of plane domains that are not boxes; their boundaries are walls."""

from __future__ import annotations

import numpy as np

from .._validate import affordable, fail, integer, positive
from .simplex import SimplexMesh

__all__ = ["channel", "disc", "l_shape"]

#: least number of numbers in memory per triangle, for the mesh and its tables
NUMBERS = 40


def disc(refinements: int = 5) -> SimplexMesh:
    """The unit disc, as a polygon. Every refinement cuts each triangle into four and doubles the polygon's corners.

    Parameters
    ----------
    refinements : number of refinements, 1 or more.

    Raises
    ------
    ArgumentError
        If `refinements` is not a positive integer, or the triangles do not fit into memory.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> mesh = emfc.meshes.domains.disc(refinements=4)
    >>> mesh.size, bool(abs(mesh.volumes.sum() - 3.14159) < 0.01)
    (1024, True)
    """
    import skfem

    triangles = 4 ** min(integer("refinements", refinements) + 1, 100)
    affordable("refinements", refinements, NUMBERS * triangles, "the triangles of this mesh")
    return SimplexMesh(skfem.MeshTri.init_circle(refinements), walls=True)


def l_shape(cells: int = 24) -> SimplexMesh:
    """The square [-1, 1]^2 without its upper right quarter, meshed by triangles.

    Inner vertices are moved at random (with a fixed seed) by up to 0.15 of the width. Otherwise edges would follow the
    symmetries of the domain, and feet of characteristics would lie on facets, where the cost has kinks.

    Parameters
    ----------
    cells : number of intervals per side, even.

    Raises
    ------
    ArgumentError
        If `cells` is not an even positive integer, or the triangles do not fit into memory.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> mesh = emfc.meshes.domains.l_shape(cells=4)
    >>> mesh.size, round(float(mesh.volumes.sum()), 6)
    (24, 3.0)
    """
    import skfem

    if integer("cells", cells) % 2:
        raise fail("cells", cells, "an even number")
    affordable("cells", cells, NUMBERS * 2 * cells**2, "the triangles of this mesh")
    square = skfem.MeshTri.init_tensor(*[np.linspace(-1.0, 1.0, cells + 1)] * 2)
    centres = square.p[:, square.t].mean(axis=1)
    mesh = square.remove_elements(np.flatnonzero((centres > 0).all(axis=0)))
    points = mesh.p.copy()
    inner = np.setdiff1d(np.arange(mesh.nvertices), mesh.boundary_nodes())
    points[:, inner] += np.random.default_rng(0).uniform(-0.15, 0.15, (2, len(inner))) * 2 / cells
    return SimplexMesh(skfem.MeshTri(points, mesh.t), walls=True)


def channel(width: float = 0.1, radius: float = 0.4) -> SimplexMesh:
    """The channel [-2, 2] x [-1, 1] around a disc at the origin, with cells of about `width`, finer at the disc.

    Its boundaries are named "inlet", "outlet", "walls" and "obstacle".

    Parameters
    ----------
    width : the width of a cell, at most 0.5, in units of the state.
    radius : the radius of the disc, below 0.9, in units of the state.

    Raises
    ------
    ArgumentError
        If `width` or `radius` is out of range, or the triangles do not fit into memory.

    Examples
    --------
    >>> import numpy as np
    >>> import eulerian_mfc as emfc
    >>> mesh = emfc.meshes.domains.channel(width=0.5)
    >>> sorted(mesh.skfem.boundaries)
    ['inlet', 'obstacle', 'outlet', 'walls']
    >>> mesh.contains(np.array([[0.0, 0.0], [1.0, 0.0]])).tolist()
    [False, True]
    """
    import skfem
    from scipy.spatial import Delaunay

    if not 0 < positive("radius", radius) < 0.9:
        raise fail("radius", radius, "a number between 0 and 0.9, so that the disc lies in the channel")
    if positive("width", width) > 0.5:
        raise fail("width", width, "at most 0.5")
    affordable("width", width, NUMBERS * int(16 / width**2), "the triangles of this mesh")
    columns, rows = int(np.ceil(4 / width)), int(np.ceil(2 / width))
    x, y = np.meshgrid(np.linspace(-2, 2, columns + 1), np.linspace(-1, 1, rows + 1), indexing="ij")
    shift = (np.arange(rows + 1) % 2) * 0.5 * 4 / columns  # every second row is shifted: nearly equilateral triangles
    x = np.where(
        np.abs(x) < 2 - 1e-9, x + np.where((np.arange(rows + 1) > 0) & (np.arange(rows + 1) < rows), shift, 0), x
    )
    grid = np.stack([np.minimum(x, 2.0).ravel(), y.ravel()], axis=1)
    grid = grid[~((grid[:, 0] > 2 - 0.3 * width) & (grid[:, 0] < 2 - 1e-9))]
    count = max(int(np.ceil(2 * np.pi * radius / (0.6 * width))), 12)
    angles = 2 * np.pi * np.arange(count) / count
    rings, r, k = [], radius, 0
    step = 2 * np.pi * radius / count
    while step < width and r < radius + 3 * width and r < 0.95:
        phase = angles + (k % 2) * np.pi / count
        rings.append(r * np.stack([np.cos(phase), np.sin(phase)], axis=1))
        r, k = r + 0.87 * step, k + 1
        step = 2 * np.pi * r / count
    ring_points = np.concatenate(rings)
    ring_points = ring_points[np.abs(ring_points[:, 1]) < 1 - 0.5 * width]
    grid = grid[np.linalg.norm(grid, axis=1) > r - 0.4 * width]
    points = np.concatenate([grid, ring_points])
    cells = Delaunay(points).simplices
    corners = points[cells]
    area = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / 2
    inside = np.linalg.norm(corners.mean(axis=1), axis=1) < radius * np.cos(np.pi / count) * (1 - 1e-9)
    cells = cells[~inside & (area > 1e-6 * width**2)]
    mesh = skfem.MeshTri(np.ascontiguousarray(points.T), np.ascontiguousarray(cells.T))
    mesh = mesh.remove_unused_nodes()
    return SimplexMesh(
        mesh.with_boundaries(
            {
                "inlet": lambda p: np.isclose(p[0], -2.0),
                "outlet": lambda p: np.isclose(p[0], 2.0),
                "walls": lambda p: np.isclose(np.abs(p[1]), 1.0),
                "obstacle": lambda p: np.hypot(*p) < radius * (1 + 1e-9),
            }
        ),
        walls=True,
    )
