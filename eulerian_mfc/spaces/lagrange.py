"""The nodes of continuous Lagrange elements on a simplex mesh, and their polynomials."""

from __future__ import annotations

from functools import cached_property
from itertools import product
from math import factorial, prod
from typing import TYPE_CHECKING

import numpy as np

from .._validate import choice
from ..meshes import SimplexMesh
from .on_mesh import SpaceOnMesh

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

#: scikit-fem's Lagrange elements by dimension and degree
ELEMENTS = {
    1: {1: "ElementLineP1", 2: "ElementLineP2"},
    2: {1: "ElementTriP1", 2: "ElementTriP2", 3: "ElementTriP3"},
    3: {1: "ElementTetP1", 2: "ElementTetP2"},
}


def element_nodes(mesh: SimplexMesh, degree: int) -> ElementNodes:
    """The nodes of the continuous element of this degree on a mesh; they are computed once per mesh and degree.

    Parameters
    ----------
    mesh : a simplex mesh.
    degree : 1, 2, or on triangles 3.

    Raises
    ------
    ArgumentError
        For another degree.
    """
    return mesh.derived(("element nodes", degree), lambda: ElementNodes(mesh, degree))


class ElementNodes(SpaceOnMesh):
    """The space of continuous Lagrange elements of degree p: unknowns at their nodes, the vertices first.

    Parameters
    ----------
    mesh : the simplex mesh.
    degree : p, which is 1, 2, or on triangles 3.

    Raises
    ------
    ArgumentError
        For another degree.

    Attributes
    ----------
    mesh : the SimplexMesh.
    element : the scikit-fem element.
    dofs : `(cells, n)`, the nodes of each cell.
    exponents : `(K, d + 1)`, the monomials of degree p in the barycentric coordinates.
    coefficients : `(K, n)`: column j holds the monomials' coefficients of the element's j-th basis function.
    """

    def __init__(self, mesh: SimplexMesh, degree: int) -> None:
        import skfem
        from skfem.assembly.dofs import Dofs

        names = ELEMENTS[mesh.dim]
        self.mesh, self.degree = mesh, choice("degree", degree, names)
        self.element = vars(skfem)[names[degree]]()
        dofs = Dofs(mesh.skfem, self.element)
        self.dofs = np.ascontiguousarray(dofs.element_dofs.T, dtype=np.int64)
        self._vertices = dofs.nodal_dofs[0]
        images = mesh.skfem.mapping().F(self.element.doflocs.T)
        self._centres = np.empty((dofs.N, mesh.dim), order="F")
        self._centres[self.dofs] = images.transpose(1, 2, 0)
        lattice = [a for a in product(range(degree + 1), repeat=mesh.dim + 1) if sum(a) == degree]
        self.exponents = np.array(lattice, dtype=np.int64)
        places = self.exponents / degree
        monomials = np.prod(places[:, None, :] ** self.exponents[None], axis=2)
        basis = np.stack(
            [self.element.lbasis(places[:, 1:].T, j)[0] * np.ones(len(places)) for j in range(self.dofs.shape[1])],
            axis=1,
        )
        # Multiples of one half up to degree 3: no round-off, so that constants are reproduced exactly.
        self.coefficients = np.round(2 * np.linalg.solve(monomials, basis)) / 2

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self._centres),)

    @property
    def masses_in_cells(self) -> bool:
        return False

    @property
    def centres(self) -> np.ndarray:
        """`(nodes, d)`: the nodes."""
        return self._centres

    @cached_property
    def cell_of_node(self) -> np.ndarray:
        """`(nodes,)`: a cell that holds each node."""
        out = np.empty(self.size, dtype=np.int64)
        out[self.dofs] = np.arange(len(self.dofs))[:, None]
        return out

    def cells_of(self, held: np.ndarray) -> np.ndarray:
        return np.asarray(held[self.dofs].any(axis=1))

    def near_boundary(self, cells: int) -> np.ndarray:
        mask = self.mesh.near_boundary(cells)
        out = np.zeros(self.size, dtype=bool)
        out[self.dofs[mask]] = True
        return out

    @cached_property
    def hats(self) -> csr_matrix:
        """Sparse `(vertices, nodes)`: values of the vertices' hat functions at the nodes."""
        cell = self.cell_of_node
        b = self.mesh.locator.trace(cell, self.centres, self.centres).barycentric
        rows = self.mesh.cells[cell].ravel()
        columns = np.repeat(np.arange(self.size), self.dim + 1)
        from scipy.sparse import coo_matrix  # slow to import

        return coo_matrix((b.ravel(), (rows, columns)), (len(self.mesh.points), self.size)).tocsr()

    @cached_property
    def hat_volumes(self) -> np.ndarray:
        """`(vertices,)`: the integrals of the hat functions."""
        share = np.repeat(self.mesh.volumes / (self.dim + 1), self.dim + 1)
        return np.bincount(self.mesh.cells.ravel(), weights=share, minlength=len(self.mesh.points))

    @cached_property
    def basis_volumes(self) -> np.ndarray:
        """`(nodes,)`: the integrals of the basis functions; some may be zero or negative."""
        # The integral of a monomial in barycentric coordinates over a simplex: |K| d! prod a_i! / (d + |a|)!.
        dim = self.mesh.dim
        powers = np.array([prod(map(factorial, row)) for row in self.exponents.tolist()], dtype=np.float64)
        shares = (factorial(dim) / factorial(dim + self.degree)) * powers @ self.coefficients
        every = np.multiply.outer(self.mesh.volumes, shares)
        return np.bincount(self.dofs.ravel(), weights=every.ravel(), minlength=self.size)

    def density(self, masses: np.ndarray) -> np.ndarray:
        """Masses `(..., nodes)` -> densities at the vertices `(..., vertices)`.

        The density at vertex i is `int phi_i dm / int phi_i dx` with the hat function phi_i: a weighted mean of the density.
        The integrals are exact, since elements of every degree contain the hat functions. (A basis function of degree 2 may
        have integral zero, so that its mass alone gives no density.)
        """
        rows = masses.reshape(-1, self.size)
        out = (self.hats @ rows.T).T / self.hat_volumes
        return np.ascontiguousarray(out).reshape(*masses.shape[:-1], -1)

    def at_vertices(self, values: np.ndarray) -> np.ndarray:
        """Nodal values `(..., nodes)` at the vertices `(..., vertices)`."""
        return values[..., self._vertices]
