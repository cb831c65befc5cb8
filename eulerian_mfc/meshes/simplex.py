"""Simplex meshes: intervals, triangles and tetrahedra of scikit-fem."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np

from .._validate import array, fail, integer, mismatch
from ..errors import ArgumentError, FileFormatError
from ._quiet import quiet
from .base import Mesh
from .checks import neighbours_of
from .location import Locator
from .overlaps import check_overlaps
from .topology import boundary_cells, opposite_facets, with_names


@dataclass(frozen=True, eq=False, repr=False)
class SimplexMesh(Mesh):
    """A scikit-fem mesh of straight simplices; what lives on it is said by `spaces`.

    Parameters
    ----------
    skfem : `skfem.MeshLine`, `skfem.MeshTri` or `skfem.MeshTet`. Named boundaries may have conditions of their own in
        finite volumes.
    walls : the boundary is a wall along which the field flows, not the end of a larger domain: mass near it is then no
        concern. Mass that crosses it, and is made to slide along it, is counted in any case.

    Attributes
    ----------
    dim : the dimension d.
    shape : `(cells,)`.
    points : `(vertices, d)`, in units of the state.
    cells : `(cells, d + 1)`, the vertices of each cell.
    locator : point location; its `neighbours` `(cells, d + 1)` are the cells beyond the facet opposite to each vertex, -1 at
        the boundary.
    volumes : `(cells,)`, in units of the state to the power d.
    centres : `(cells, d)`, the centroids.
    bounds : (low, high) of every axis.

    Raises
    ------
    ArgumentError
        For other meshes; for cells without volume, duplicated, inverted or overlapping cells, unused vertices, hanging
        nodes, each with the first cell where it is found.

    References
    ----------
    T. Gustafsson, G. D. McBain, scikit-fem: A Python package for finite element assembly, J. Open Source Softw. 5
    (2020), 2369, doi:10.21105/joss.02369.

    Examples
    --------
    >>> import numpy as np
    >>> import skfem
    >>> import eulerian_mfc as emfc
    >>> square = emfc.SimplexMesh(skfem.MeshTri())  # the unit square, two triangles
    >>> square.size, float(square.volumes.sum()), square.refined().size
    (2, 1.0, 8)
    >>> square.contains(np.array([[0.2, 0.3], [2.0, 0.0]])).tolist()
    [True, False]
    """

    skfem: Any
    walls: bool = False

    kind: ClassVar[str] = "simplex"

    def __post_init__(self) -> None:
        from skfem import MeshLine1, MeshTet1, MeshTri1

        wanted = "a MeshLine, MeshTri or MeshTet of scikit-fem with straight cells"
        if not isinstance(self.skfem, MeshLine1 | MeshTri1 | MeshTet1):
            raise fail("skfem", self.skfem, wanted)
        if self.skfem.elem.maxdeg > 1:
            raise mismatch("skfem", f"a {type(self.skfem).__name__} of higher order", wanted)
        if not isinstance(self.walls, bool):
            raise fail("walls", self.walls, "True or False")
        array("skfem.p", self.skfem.p, ndim=2)
        locator = self.locator  # with the neighbours, which checks facets and vertices
        if self.dim > 1:
            check_overlaps(self.points, self.cells, locator.neighbours, locator.frames, locator.bins)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> SimplexMesh:
        """Read a mesh file of any format that meshio knows; named groups of facets are kept.

        Groups that have a number and no name are called by it, e.g. "physical_3". Points that no cell uses are dropped.
        Warns with MeshFileWarning where something in the file is left out.

        Raises
        ------
        MissingFileError
            If there is no file.
        FileFormatError
            If meshio cannot read it, with its message; if it is damaged; if its cells are not a mesh.
        StorageError
            If the system does not let it be read.
        """
        from .files import read

        mesh = read(path)
        try:
            return cls(mesh)
        except (ArgumentError, np.linalg.LinAlgError) as error:
            raise FileFormatError(f"{path}: {error}") from error

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write a mesh file; the ending says the format: `.vtu`, `.msh`, `.vtk`, `.xdmf`. All of them keep the names.

        Raises
        ------
        ArgumentError
            For another ending, or where meshio's file of that format would be another mesh. Nothing is touched then.
        StorageError
            If it cannot be written; the old file is intact.
        """
        from .files import write

        write(self.skfem, path)

    def refined(self, cells: Any = None) -> SimplexMesh:
        """The mesh with the given cells (indices, or a boolean a cell) refined, and others so that no node hangs.

        All cells without an argument. Named facets keep their names, on the boundary and inside.
        """
        if cells is None:
            with quiet():
                fine = self.skfem.refined()
        else:
            chosen = np.asarray(cells)
            flags = chosen.dtype == bool
            whole = chosen.dtype.kind in "iu" or chosen.size == 0
            if chosen.ndim != 1 or not (whole or (flags and len(chosen) == self.size)):
                raise fail("cells", cells, f"a list of cells 0 .. {self.size - 1}, or {self.size} booleans")
            chosen = np.flatnonzero(chosen) if flags else chosen.astype(np.int64)
            if len(chosen) and (chosen.min() < 0 or chosen.max() >= self.size):
                raise mismatch("cells", f"a cell {int(chosen[(chosen < 0) | (chosen >= self.size)][0])}",
                               f"cells 0 .. {self.size - 1}")  # fmt: skip
            with quiet():
                fine = self.skfem.refined(np.unique(chosen)) if len(chosen) else self.skfem
        if self.skfem.boundaries and fine is not self.skfem:
            fine = with_names(
                fine,
                self.skfem,
                self.locator,
                self.derived("opposite facets", partial(opposite_facets, self.skfem, self.cells)),
            )
        return SimplexMesh(fine, self.walls)

    @property
    def dim(self) -> int:
        return int(self.skfem.p.shape[0])

    @property
    def shape(self) -> tuple[int, ...]:
        return (int(self.skfem.t.shape[1]),)

    @cached_property
    def points(self) -> np.ndarray:
        """`(points, d)`: the vertices."""
        return np.ascontiguousarray(self.skfem.p.T, dtype=np.float64)

    @cached_property
    def cells(self) -> np.ndarray:
        """`(cells, d + 1)`: the rows of `points` that are the corners of each cell."""
        return np.ascontiguousarray(self.skfem.t.T, dtype=np.int64)

    @cached_property
    def volumes(self) -> np.ndarray:
        """`(cells,)`: lengths, areas or volumes."""
        corners = self.points[self.cells]
        factor = float(np.prod(np.arange(1, self.dim + 1)))
        return np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / factor

    @property
    def centres(self) -> np.ndarray:
        """`(cells, d)`: the barycentres of the cells."""
        return self.locator.centroids

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """The smallest box that holds the mesh: a pair an axis."""
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        return tuple((float(a), float(b)) for a, b in zip(low, high, strict=True))

    @property
    def width(self) -> float:
        corners = self.points[self.cells]
        pairs = [(i, j) for i in range(self.dim + 1) for j in range(i)]
        return float(max(np.linalg.norm(corners[:, i] - corners[:, j], axis=1).max() for i, j in pairs))

    def crossing_rates(self, velocities: np.ndarray) -> np.ndarray:
        """`(cells,)`: the largest rate of change of a barycentric coordinate."""
        rates = np.einsum("cik,ck->ci", self.locator.gradients, velocities)
        return np.asarray(np.abs(rates).max(axis=1))

    @property
    def title(self) -> str:
        plural = {1: "intervals", 2: "triangles", 3: "tetrahedra"}[self.dim]
        return f"{self.size} {plural} with {len(self.points)} vertices in {self.bounds}"

    @cached_property
    def locator(self) -> Locator:
        """Point location on the mesh, which holds the neighbours of the cells."""
        return Locator(self.points, self.cells, neighbours_of(self.points, self.cells))

    def contains(self, points: np.ndarray) -> np.ndarray:
        """`(n,)` booleans: whether each of the `(n, d)` points lies in a cell."""
        return self.locator.find(points) >= 0

    def near_boundary(self, cells: int) -> np.ndarray:
        """`(cells,)` booleans: the cells that a chain of `cells` touching cells joins to the boundary; none at walls."""
        if self.walls:
            return np.zeros(self.size, dtype=bool)
        return boundary_cells(self.cells, self.locator.neighbours, integer("cells", cells))

    def density(self, masses: np.ndarray) -> np.ndarray:
        """Masses of the cells `(..., cells)` -> densities."""
        return masses / self.volumes

    def spec(self) -> dict[str, object]:
        return {"type": self.kind, "walls": self.walls, "boundaries": sorted(self.skfem.boundaries or {})}

    def arrays(self) -> dict[str, np.ndarray]:
        names = self.skfem.boundaries or {}
        facets = {f"boundary/{k}": np.asarray(names[name], dtype=np.int64) for k, name in enumerate(sorted(names))}
        return {"points": self.points, "cells": self.cells, **facets}
