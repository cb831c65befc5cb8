"""Semi-Lagrangian transport on simplices with the Lagrange elements of scikit-fem."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from .._validate import choice, integer
from ..flow.flow_of_field import Flow
from ..flow.layers import Layer
from ..kernels.sums import paired
from ..meshes import Mesh, SimplexMesh
from ..meshes.location import Trace
from ..schemes import Measure, Pairing, TransportScheme, TransposableOperator
from ..schemes.declared import simplices
from ..schemes.pairing import BLOCK, nodes_above_roundoff
from ..spaces import ElementNodes, element_nodes
from .element_interpolation import ElementInterpolation
from .push_forward import PushForward


@dataclass(frozen=True)
class Elements(TransportScheme):
    """`psi^n(x_j) = (I psi^{n+1})(Phi_theta(x_j))` at the nodes x_j of a continuous Lagrange element of degree p.

    Parameters
    ----------
    degree : 1 (unknowns at the vertices), 2 (also at the midpoints of edges), or 3 (triangles only).

    The element is scikit-fem's. Feet are found by walking from the node along the characteristic. A foot that would leave
    the domain slides: the rest of its way is projected onto the wall that it meets. The derivative of this rule is exact,
    and so is the gradient of the cost. The mass that the rule moves is counted.

    The error is `O(h^{p+1})` per layer if feet travel farther than a cell, so the order is p at a fixed Courant number. For
    p > 1 masses may be negative. Across facets the gradient of `I psi` jumps by `O(h^p)`. J therefore has kinks, whose size is
    the mass of one node times this jump. Minima lie on kinks, and the residual there does not fall below that size; solvers
    recognise such a minimum by the gradients around it.

    Raises
    ------
    ArgumentError
        For another degree, degree 3 elsewhere than on triangles, or another mesh than simplices.

    References
    ----------
    M. Falcone, R. Ferretti, Semi-Lagrangian Approximation Schemes for Linear and Hamilton-Jacobi Equations,
    SIAM 2013, doi:10.1137/1.9781611973051.

    Examples
    --------
    >>> import numpy as np
    >>> import skfem
    >>> import eulerian_mfc as emfc
    >>> mesh = emfc.SimplexMesh(skfem.MeshTri().refined(2))
    >>> flow = emfc.flow.Flow(emfc.fields.AffineField(2, matrix=False), emfc.LayerMap("rk4"))
    >>> operator = emfc.transport.Elements(degree=2).on(mesh, flow)
    >>> psi = operator.step(emfc.flow.Layer(0.0, 1.0, np.array([0.1, 0.0])), np.ones((1, operator.mesh.size)))
    >>> bool(np.allclose(psi, 1.0))  # constants stay
    True
    """

    degree: int = 2

    mesh_kind: ClassVar[str] = "simplex"
    linear: ClassVar[bool] = True
    stencil: ClassVar[int] = 1
    largest_courant_number: ClassVar[float] = np.inf
    kinks: ClassVar[bool] = True
    reference: ClassVar[str] = "doi:10.1137/1.9781611973051"

    def __post_init__(self) -> None:
        choice("degree", integer("degree", self.degree), (1, 2, 3))

    @property
    def order(self) -> int:
        """Order in the mesh width at a fixed Courant number."""
        return self.degree

    @property
    def positive(self) -> bool:
        """Whether potentials stay between their bounds (and the adjoint keeps masses non-negative)."""
        return self.degree == 1

    @property
    def transpose(self) -> PushForward:
        """The push-forward of masses, which makes an adjoint pair with this scheme."""
        return PushForward()

    def nodes(self, mesh: Mesh) -> ElementNodes:
        """The element's nodes on a mesh."""
        return element_nodes(simplices(mesh, self), self.degree)

    def on(self, mesh: Mesh, flow: Flow) -> ElementsOperator:
        """The scheme on a mesh, for a field."""
        return ElementsOperator(self, simplices(mesh, self), flow)


class ElementsOperator(TransposableOperator):
    """`Elements` bound to a mesh and a flow. Potentials and masses are `(R, nodes)`."""

    def __init__(self, scheme: Elements, mesh: SimplexMesh, flow: Flow) -> None:
        self.scheme: Elements = scheme
        self.flow = flow
        self.mesh: ElementNodes = element_nodes(mesh, scheme.degree)
        self.interpolation: ElementInterpolation = ElementInterpolation(self.mesh)

    @cached_property
    def lines(self) -> list[np.ndarray]:
        """Coordinates, one array per axis, that make a law's quadrature as fine as the cells.

        Coordinate lines cannot follow facets. Accuracy does not need this: the rule integrates the interpolation error
        of a smooth potential.
        """
        dim = self.mesh.dim
        size = float(np.quantile(self.mesh.mesh.volumes, 0.1)) ** (1 / dim)
        most = {1: 2000, 2: 200, 3: 60}[dim]
        return [np.linspace(a, b, min(int((b - a) / size) + 2, most)) for a, b in self.mesh.bounds]

    def step(self, layer: Layer, psi: np.ndarray) -> np.ndarray:
        """`S_theta psi`: potentials at the layer's end -> at its start."""
        coefficients = self.interpolation.coefficients(psi)
        out = np.empty((len(psi), self.mesh.size))
        for block, x, cells in self.blocks:
            out[:, block], _ = self.interpolation.evaluate(self._feet(layer, x, cells), coefficients)
        return out

    def _feet(self, layer: Layer, x: np.ndarray, cells: np.ndarray) -> Trace:
        return self.interpolation.locator.trace(cells, x, self.flow(layer, x))

    def step_with_slope(self, layer: Layer, psi: np.ndarray, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`S_theta psi`, and the derivative in theta, of its shape, of `sum_r <S_theta psi_r, m_r>`, m at the nodes."""
        coefficients = self.interpolation.coefficients(psi)
        out = np.empty((len(psi), self.mesh.size))
        slope = np.zeros_like(layer.theta)
        for block, x, cells in self.blocks:
            feet, pull = self.flow.trace(layer, x)
            trace = self.interpolation.locator.trace(cells, x, feet)
            out[:, block], covectors = self.interpolation.evaluate(trace, coefficients, masses[:, block])
            slope += pull(covectors)[1]
        return out, slope

    def pairing(self, psi: np.ndarray, measure: Measure) -> Pairing:
        """The function `layer -> (sum_r int (I psi_r) o Phi_theta dm_r, its derivative in theta, of its shape)`.

        Characteristics are followed from the measure's cells. If it does not have them, its points are located first.
        """
        points, weights, cells = measure
        if cells is None:
            cells = self.interpolation.locator.locate(np.asfortranarray(points)).cells
        kept = nodes_above_roundoff(weights)
        rows = np.asfortranarray(points[kept]), cells[kept], weights[:, kept]
        return ElementPairing(self.flow, self.interpolation, psi, *rows)

    def node_measure(self, masses: np.ndarray) -> Measure:
        return super().node_measure(masses)._replace(cells=self.mesh.cell_of_node)

    def adjoint_step(self, layer: Layer, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`S_theta^T m`: masses at the layer's start -> at its end; and the mass `(R,)` that met the boundary."""
        deposits, met = self.interpolation.deposits(len(masses)), np.zeros(len(masses))
        for block, x, cells in self.blocks:
            trace = self._feet(layer, x, cells)
            self.interpolation.scatter(trace, masses[:, block], deposits)
            if trace.projected.any():
                met += masses[:, block][:, trace.projected].sum(axis=1)
        return self.interpolation.nodal_masses(deposits), met

    def deposit(self, points: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Nodal masses `m_j = sum_q w_q L_j(x_q)`, L_j the basis functions; points `(N, d)`, weights `(R, N)`."""
        deposits = self.interpolation.deposits(len(weights))
        for start in range(0, len(points), 16 * BLOCK):
            block = slice(start, start + 16 * BLOCK)
            self.interpolation.scatter(self.interpolation.locator.locate(points[block]), weights[:, block], deposits)
        return self.interpolation.nodal_masses(deposits)

    @cached_property
    def blocks(self) -> list[tuple[slice, np.ndarray, np.ndarray]]:
        """The nodes in cache-sized blocks: rows, points, and a cell of each."""
        return list(self._blocks())

    def _blocks(self) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        for start in range(0, self.mesh.size, BLOCK):
            block = slice(start, min(start + BLOCK, self.mesh.size))
            yield block, np.asfortranarray(self.mesh.centres[block]), self.mesh.cell_of_node[block]


class ElementPairing(Pairing):
    """`sum_rj w_rj (I psi_r)(Phi_theta(x_j))` and its derivative; points `(n, d)` in `cells`, weights `(R, n)`."""

    def __init__(
        self,
        flow: Flow,
        interpolation: ElementInterpolation,
        psi: np.ndarray,
        points: np.ndarray,
        cells: np.ndarray,
        weights: np.ndarray,
    ) -> None:
        self._flow, self._interpolation, self._points = flow, interpolation, points
        self._cells, self._weights = cells, weights
        self._coefficients = interpolation.coefficients(psi)

    def __call__(self, layer: Layer) -> tuple[float, np.ndarray]:
        """The value and its derivative at the layer's theta."""
        value, slope = 0.0, np.zeros_like(layer.theta)
        for start in range(0, len(self._points), BLOCK):
            block = slice(start, start + BLOCK)
            points, weights = self._points[block], self._weights[:, block]
            feet, pull = self._flow.trace(layer, points)
            trace = self._interpolation.locator.trace(self._cells[block], points, feet)
            values, covectors = self._interpolation.evaluate(trace, self._coefficients, weights)
            value += paired(values, weights)
            slope += pull(covectors)[1]
        return value, slope
