"""Meshes that the tests of simplices share."""

import numpy as np
import skfem
from scipy.spatial import Delaunay

from eulerian_mfc import SimplexMesh

KINDS = {1: skfem.MeshLine, 2: skfem.MeshTri, 3: skfem.MeshTet}


def box(dim, cells, low=-1.0, high=1.0, shake=0.15, seed=0):
    """A box in `cells` parts an axis, its inner vertices moved at random by a share of the width."""
    line = np.linspace(low, high, cells + 1)
    mesh = KINDS[dim](line) if dim == 1 else KINDS[dim].init_tensor(*[line] * dim)
    points = mesh.p.copy()
    inner = ((points > low + 1e-9) & (points < high - 1e-9)).all(axis=0)
    width = (high - low) / cells
    points[:, inner] += np.random.default_rng(seed).uniform(-shake, shake, (dim, inner.sum())) * width
    return SimplexMesh(KINDS[dim](points, mesh.t))


def delaunay(dim, count, rng, stretch=1.0):
    """A random mesh of the convex hull of random points, cells of almost no volume included; axes stretched."""
    while True:
        points = rng.uniform(-1.5, 1.5, (count, dim))
        if dim == 1:
            return SimplexMesh(skfem.MeshLine(np.sort(points[:, 0])))
        cells = Delaunay(points).simplices
        volumes = np.abs(np.linalg.det(points[cells[:, 1:]] - points[cells[:, :1]]))
        if volumes.min() > 1e-9 and len(np.unique(cells)) == count:
            points[:, 0] *= stretch
            return SimplexMesh(KINDS[dim](points.T.copy(), cells.T.copy()))


def lshape(cells=6):
    """The square [-1, 1]^2 without its upper right quarter."""
    mesh = skfem.MeshTri.init_tensor(*[np.linspace(-1, 1, 2 * cells + 1)] * 2)
    centres = mesh.p[:, mesh.t].mean(axis=1)
    return SimplexMesh(mesh.remove_elements(np.flatnonzero((centres > 0).all(axis=0))))


def swiss(dim, rng):
    """Points inside a Delaunay mesh, some at its vertices and some on its facets: a function of the mesh."""

    def points(mesh, count):
        cells = mesh.cells[rng.integers(mesh.size, size=count)]
        weights = rng.dirichlet(np.ones(dim + 1), size=count)
        weights[: count // 4] = np.eye(dim + 1)[rng.integers(dim + 1, size=count // 4)]
        weights[count // 4 : count // 2, 0] = 0.0
        weights /= weights.sum(axis=1, keepdims=True)
        return np.einsum("ni,nik->nk", weights, mesh.points[cells])

    return points
