"""Interpolation by continuous Lagrange elements on simplices, and its transpose."""

from __future__ import annotations

import numpy as np

from ..kernels import elements as _elements
from ..meshes.location import Trace
from ..schemes import Interpolant
from ..spaces import ElementNodes


class ElementInterpolation(Interpolant):
    """The operator I of an element: nodal values -> a function on the mesh; its transpose: point masses -> nodal masses.

    Parameters
    ----------
    nodes : the element's nodes on a mesh.
    """

    def __init__(self, nodes: ElementNodes) -> None:
        self.nodes, self.locator = nodes, nodes.mesh.locator
        self._size, self._degree = (0,) * nodes.dim, (0,) * nodes.degree

    def coefficients(self, values: np.ndarray) -> np.ndarray:
        """`(R, nodes)` nodal values -> `(cells, R, K)` coefficients of the monomials in every cell."""
        local = values[:, self.nodes.dofs].transpose(1, 0, 2)
        return np.ascontiguousarray(local @ self.nodes.coefficients.T)

    def deposits(self, fields: int) -> np.ndarray:
        """Zeros for `scatter` to add to: `(cells, fields, K)`."""
        return np.zeros((len(self.nodes.dofs), fields, len(self.nodes.exponents)))

    def nodal_masses(self, deposits: np.ndarray) -> np.ndarray:
        """The sums that `scatter` made -> masses of the nodes `(R, nodes)`."""
        out = np.zeros((deposits.shape[1], self.nodes.size))
        _elements.assemble(deposits, self.nodes.coefficients, self.nodes.dofs, out)
        return out

    def scatter(self, trace: Trace, masses: np.ndarray, deposits: np.ndarray) -> None:
        """Add point masses `(R, n)` at located points to `deposits`."""
        arguments = self.nodes.exponents, self._size, self._degree, deposits
        _elements.scatter(trace.cells, trace.barycentric, np.ascontiguousarray(masses), *arguments)

    def evaluate(
        self, trace: Trace, coefficients: np.ndarray, masses: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Values `(R, n)` at located points, and `sum_r m_r grad (I psi_r)` `(n, d)` for masses `(R, n)` (0 by default).

        The covectors are pulled back to the targets of the trace through the derivative of the boundary rule.
        """
        n, fields = len(trace.cells), coefficients.shape[1]
        values, pull = np.empty((fields, n)), np.empty((n, self.nodes.dim), order="F")
        weights = np.zeros((fields, n)) if masses is None else np.ascontiguousarray(masses)
        arguments = coefficients, self.locator.frames, self.nodes.exponents, self._size, self._degree, values, pull
        _elements.gather(trace.cells, trace.barycentric, weights, *arguments)
        return values, trace.pullback(pull)

    def gather(
        self, points: np.ndarray, coefficients: np.ndarray, masses: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """`evaluate` at any points `(n, d)`; points outside the mesh are moved to its boundary."""
        return self.evaluate(self.locator.locate(points), coefficients, masses)
