"""Facets, neighbourhoods and quadrature points of a simplex mesh, for finite volumes."""

from __future__ import annotations

from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from ..meshes import SimplexMesh
from ..meshes.topology import opposite_facets


class Neighbourhood(NamedTuple):
    """The neighbours of every cell, row by row, and the weights of the least-squares gradient."""

    first: np.ndarray
    cells: np.ndarray
    weights: np.ndarray


class SimplexGeometry:
    """The geometry of the mesh: all quantities that do not depend on fields and masses.

    Attributes
    ----------
    left, right : `(facets,)`, the cells on both sides; right is -1 at the boundary.
    outer : `(facets,)`, whether a facet is on the boundary.
    areas : `(facets, d)`, the unit normals from left to right times the facets' areas.
    facet_centres : `(facets, d)`.
    to_left, to_right : `(facets, d)`, from the cells' centroids to the facet's centre.
    facet_offsets : `(cells, d + 1, d)`, from each centroid to the centres of its facets.
    parts : the distinct sets of names that boundary facets have, as sorted tuples; the empty set is last.
    side : `(facets,)`, the index in `parts` of each boundary facet; inner facets have the last index.
    inside : names of facets inside the domain, with the centre of the first such facet.
    points : quadrature points of degree 2 in every cell, `(n, d)`; shares : their weights, summing to 1 in a cell;
        point_offsets : `(cells, q, d)` from the centroid.
    """

    def __init__(self, mesh: SimplexMesh) -> None:
        self.mesh = mesh
        dim, cells, neighbours = mesh.dim, mesh.cells, mesh.locator.neighbours
        cell, local = np.nonzero((neighbours < 0) | (np.arange(mesh.size)[:, None] < neighbours))
        self.left, self.right = cell, neighbours[cell, local]
        self.outer = self.right < 0
        self.areas = -dim * mesh.volumes[cell, None] * mesh.locator.gradients[cell, local]
        corners = mesh.points[cells]
        opposite = (corners.sum(axis=1, keepdims=True) - corners) / dim
        self.facet_offsets = np.ascontiguousarray(opposite - mesh.centres[:, None])
        self.facet_centres = opposite[cell, local]
        self.to_left = self.facet_centres - mesh.centres[cell]
        self.to_right = self.facet_centres - mesh.centres[self.right]
        facets = mesh.derived("opposite facets", partial(opposite_facets, mesh.skfem, mesh.cells))
        self._divide(facets[cell, local])

    def _divide(self, numbers: np.ndarray) -> None:
        """Divide the boundary by the names of its facets; `numbers` are the facets' numbers in scikit-fem."""
        boundaries = self.mesh.skfem.boundaries or {}
        names = sorted(boundaries)
        held = np.zeros((len(numbers), len(names)), dtype=bool)
        for k, name in enumerate(names):
            held[:, k] = np.isin(numbers, np.asarray(boundaries[name]))
        inner = held & ~self.outer[:, None]
        self.inside = {names[k]: self.facet_centres[inner[:, k].argmax()] for k in np.flatnonzero(inner.any(axis=0))}
        found, number = np.unique(held[self.outer], axis=0, return_inverse=True)
        rows = [tuple(name for name, has in zip(names, row, strict=True) if has) for row in found.tolist()]
        self.parts = [*sorted(row for row in rows if row), ()]
        self.side = np.full(len(numbers), len(self.parts) - 1, dtype=np.int64)
        entries = np.array([self.parts.index(row) for row in rows], dtype=np.int64)
        self.side[self.outer] = entries[number.ravel()]

    @cached_property
    def about(self) -> Neighbourhood:
        """The cells that share a vertex with each cell."""
        from scipy.sparse import csr_matrix

        mesh, dim = self.mesh, self.mesh.dim
        rows = np.repeat(np.arange(mesh.size), dim + 1)
        incidence = csr_matrix((np.ones(len(rows), dtype=np.int8), (rows, mesh.cells.ravel())))
        touching = (incidence @ incidence.T).tocsr()
        touching.setdiag(0)
        touching.eliminate_zeros()
        first, cells = touching.indptr.astype(np.int64), touching.indices.astype(np.int64)
        owner = np.repeat(np.arange(mesh.size), np.diff(first))
        offsets = mesh.centres[cells] - mesh.centres[owner]
        normal = np.zeros((mesh.size, dim, dim))
        closeness = 1.0 / (offsets**2).sum(axis=1)  # near cells have larger weights
        np.add.at(normal, owner, closeness[:, None, None] * offsets[:, :, None] * offsets[:, None, :])
        # With too few neighbours (a mesh of one or two cells) the pseudo-inverse gives the smallest gradient that fits.
        inverse = np.linalg.pinv(normal, rcond=1e-10)
        weights = np.einsum("nij,nj->ni", inverse[owner], closeness[:, None] * offsets)
        return Neighbourhood(first, cells, np.ascontiguousarray(weights))

    @cached_property
    def _rule(self) -> tuple[np.ndarray, np.ndarray]:
        from skfem.quadrature import get_quadrature

        places, weights = get_quadrature(self.mesh.skfem.refdom, 2)
        return np.concatenate([1 - places.sum(axis=0, keepdims=True), places]).T, weights / weights.sum()

    @property
    def shares(self) -> np.ndarray:
        return self._rule[1]

    @cached_property
    def points(self) -> np.ndarray:
        corners = self.mesh.points[self.mesh.cells]
        return np.asfortranarray(np.einsum("qi,cik->cqk", self._rule[0], corners).reshape(-1, self.mesh.dim))

    @cached_property
    def point_offsets(self) -> np.ndarray:
        return self.points.reshape(self.mesh.size, -1, self.mesh.dim) - self.mesh.centres[:, None]
