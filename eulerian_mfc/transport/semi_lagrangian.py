"""Semi-Lagrangian transport of the potentials: interpolate at the feet of the characteristics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from .._validate import choice, fail, integer
from ..fields.compiled import is_compiled
from ..flow.flow_of_field import Flow
from ..flow.layers import Layer
from ..meshes import CartesianMesh, Mesh
from ..schemes import ContinuityScheme, TangentOperator, TransportScheme
from ..schemes.declared import boxes
from ..schemes.pairing import BLOCK, nodes_above_roundoff
from .compiled import CompiledLayers
from .interpolation import DEGREES, INTERPOLATIONS, OUTSIDE, Deposit, Interpolation
from .push_forward import PushForward

Nodes = slice | np.ndarray
#: share of nodes with mass above which selecting them costs more than it saves
MOST = 0.8


@dataclass(frozen=True)
class SemiLagrangian(TransportScheme):
    """`psi^n(x_j) = (I psi^{n+1})(Phi_theta(x_j))` at the cell centres x_j.

    Parameters
    ----------
    degree : odd degree p of the interpolation I: 1, 3, 5 or 7.
    interpolation : "spline" (tensor-product, not-a-knot), "lagrange" (local, p + 1 points per axis), or "limited": cubic
        Lagrange, where each value is limited to the range of the nodal values around the foot (R. Bermejo, A. Staniforth,
        Mon. Weather Rev. 120 (1992), 2622-2632). Smooth extrema are limited only by the range of all nodal values. Limited
        transport keeps bounds; it has no adjoint.
    outside : rule for feet outside the hull of the cell centres: "clamp" moves them onto it, axis by axis;
        "extrapolate" continues the linear end pieces; "periodic" wraps around. High-order extrapolation is not offered:
        it amplifies round-off by a constant factor per layer where the field points outwards.

    The error is `O(h^{p+1})` per layer. The order is therefore p at a fixed Courant number, and p + 1 at a fixed number of
    layers once the Courant number exceeds 1. There is no time-step limit.
    The gradient of `I psi` is continuous for splines of degree 3 and more. Otherwise it jumps at the nodes by `O(h^p)`, and J
    has a kink wherever a foot crosses a node, see `solvers.kinks`.

    Raises
    ------
    ArgumentError
        For a degree, interpolation or rule that is not one of these, or another degree than 3 with limited interpolation.

    References
    ----------
    M. Falcone, R. Ferretti, Semi-Lagrangian Approximation Schemes for Linear and Hamilton-Jacobi Equations,
    SIAM 2013, doi:10.1137/1.9781611973051.
    C. de Boor, A Practical Guide to Splines, Springer 2001 (not-a-knot splines).

    Examples
    --------
    >>> import numpy as np
    >>> import eulerian_mfc as emfc
    >>> mesh = emfc.CartesianMesh([(-1.0, 1.0)], cells=10)
    >>> flow = emfc.flow.Flow(emfc.fields.AffineField(1, matrix=False), emfc.LayerMap("rk4"))
    >>> layer = emfc.flow.Layer(0.0, 1.0, np.array([0.2]))  # points move by 0.2, one cell
    >>> operator = emfc.transport.SemiLagrangian(degree=3).on(mesh, flow)
    >>> operator.step(layer, mesh.centres.T)[0, :3].round(6).tolist()  # psi(x) = x becomes x + 0.2
    [-0.7, -0.5, -0.3]
    """

    degree: int = 5
    interpolation: str = "spline"
    outside: str = "clamp"

    largest_courant_number: ClassVar[float] = np.inf
    reference: ClassVar[str] = "doi:10.1137/1.9781611973051"

    def __post_init__(self) -> None:
        choice("degree", integer("degree", self.degree), DEGREES)
        choice("interpolation", self.interpolation, (*INTERPOLATIONS, "limited"))
        choice("outside", self.outside, OUTSIDE)
        if self.interpolation == "limited" and self.degree != 3:
            raise fail("degree", self.degree, "3 for limited interpolation")

    @property
    def linear(self) -> bool:
        """Whether the scheme is linear in the potentials, so that it has an adjoint."""
        return self.interpolation != "limited"

    @property
    def order(self) -> int:
        """Order in the mesh width at a fixed Courant number."""
        return self.degree

    @property
    def stencil(self) -> int:
        """The smallest number of cells per axis that the scheme accepts."""
        return self.degree + 1

    @property
    def kinks(self) -> bool:
        """Whether the gradient of the interpolant jumps at the nodes, so that that of the cost jumps when a foot crosses one."""
        return self.degree == 1 or self.interpolation != "spline"

    @property
    def positive(self) -> bool:
        """Whether potentials stay between their bounds (and the adjoint keeps masses non-negative)."""
        bounded = self.degree == 1 and self.outside != "extrapolate"
        return bounded or self.interpolation == "limited"

    @property
    def boundary(self) -> str:
        """What happens to particles that leave the box: "periodic" wraps them around, "outflow" lets them move on."""
        return "periodic" if self.outside == "periodic" else "outflow"

    @property
    def transpose(self) -> PushForward | None:
        """The push-forward of masses, which makes an adjoint pair with this scheme; None for limited interpolation."""
        return PushForward() if self.linear else None

    def adjoint(self) -> ContinuityScheme:
        """The transpose, a continuity scheme: the push-forward of masses."""
        if not self.linear:
            raise fail(
                "interpolation", self.interpolation, "'spline' or 'lagrange', since a limited scheme has no transpose"
            )
        return super().adjoint()

    def on(self, mesh: Mesh, flow: Flow) -> SemiLagrangianOperator:
        """The scheme on a mesh, for a field."""
        return SemiLagrangianOperator(self, boxes(mesh, self), flow)


class SemiLagrangianOperator(TangentOperator):
    """`SemiLagrangian` bound to a mesh and a flow. Potentials and masses are `(R, *shape)`.

    The flow's threads trace blocks of nodes. Nodes without mass (see `pairing.carrying`) are not pushed forward and do not
    contribute to derivatives.
    """

    def __init__(self, scheme: SemiLagrangian, mesh: CartesianMesh, flow: Flow) -> None:
        self.scheme: SemiLagrangian = scheme
        self.mesh: CartesianMesh = mesh
        self.flow = flow
        kind = scheme.interpolation if scheme.linear else "lagrange"
        self.interpolation: Interpolation = Interpolation(mesh, scheme.degree, kind, scheme.outside, flow.workers)
        compiled = scheme.linear and is_compiled(flow.field)
        self._compiled = CompiledLayers(self.interpolation, flow) if compiled else None

    def step(self, layer: Layer, psi: np.ndarray) -> np.ndarray:
        """`S_theta psi`: potentials at the layer's end -> at its start."""
        if self._compiled is not None and (done := self._compiled.backward(layer, psi)) is not None:
            return done[0].reshape(psi.shape)
        coefficients = self.interpolation.coefficients(psi)
        out = np.empty((len(psi), self.mesh.size))

        def trace(nodes: Nodes) -> None:
            feet = self.flow(layer, self._points(nodes))
            if self.scheme.linear:
                out[:, nodes], _ = self.interpolation.gather(feet, coefficients)
            else:
                out[:, nodes] = self.interpolation.bounded(feet, coefficients)

        self.flow.workers.run(trace, self._blocks)
        return out.reshape(psi.shape)

    def step_with_slope(self, layer: Layer, psi: np.ndarray, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`S_theta psi`, and the derivative in theta, of its shape, of `sum_r <S_theta psi_r, m_r>`, m at the nodes.

        Both come from one pass over the mesh.
        """
        rows = masses.reshape(len(masses), -1)
        if self._compiled is not None and (done := self._compiled.backward(layer, psi, rows)) is not None:
            return done[0].reshape(psi.shape), done[1]
        coefficients = self.interpolation.coefficients(psi)
        out = np.empty((len(psi), self.mesh.size))
        heavy = nodes_above_roundoff(rows)

        def trace(nodes: Nodes) -> np.ndarray | float:
            x = self._points(nodes)
            if not heavy[nodes].any():
                out[:, nodes], _ = self.interpolation.gather(self.flow(layer, x), coefficients)
                return 0.0
            feet, pull = self.flow.trace(layer, x)
            out[:, nodes], covectors = self.interpolation.gather(feet, coefficients, rows[:, nodes])
            return pull(covectors)[1]

        slope = np.zeros_like(layer.theta)
        for part in self.flow.workers.map(trace, self._blocks):
            slope += part
        return out.reshape(psi.shape), slope

    def adjoint_step(self, layer: Layer, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`S_theta^T m`: masses at the layer's start -> at its end; and the mass `(R,)` whose feet were clamped."""
        rows = masses.reshape(len(masses), -1)
        if self._compiled is not None and (done := self._compiled.forward(layer, rows)) is not None:
            return done

        def push(nodes: Nodes) -> Deposit:
            return self.interpolation.scatter(self.flow(layer, self._points(nodes)), rows[:, nodes])

        return self._collect(push, self._carrying_blocks(rows), len(masses))

    def _collect(
        self, push: Callable[[Nodes], Deposit], blocks: list[Nodes], fields: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Nodal masses from the deposits of all blocks, summed in the order of the blocks; and the clamped mass `(R,)`."""
        deposits, clamped = self.interpolation.deposits(fields), np.zeros(fields)
        for part in self.flow.workers.map(push, blocks):
            part.add_to(deposits)
            clamped += part.clamped
        return self.interpolation.nodal_masses(deposits), clamped

    def adjoint_step_tangent(
        self, layer: Layer, dtheta: np.ndarray, masses: np.ndarray, dmasses: np.ndarray
    ) -> np.ndarray:
        """The derivative of `adjoint_step`'s masses in the directions `dtheta`, of theta's shape, and `dmasses`."""
        rows, drows = masses.reshape(len(masses), -1), dmasses.reshape(len(masses), -1)
        deposits = self.interpolation.deposits(len(masses))
        for nodes in self._blocks:
            feet, stages = self.flow.with_stages(layer, self._points(nodes))
            dfeet, _ = self.flow.tangent(layer, stages, dtheta)
            self.interpolation.scatter_tangent(feet, dfeet, rows[:, nodes], drows[:, nodes], deposits)
        return self.interpolation.nodal_masses(deposits)

    def prepared(self, psi: np.ndarray) -> np.ndarray:
        """The interpolation's coefficients of the potentials `(R, *shape)` at a layer's end."""
        return self.interpolation.coefficients(psi)

    def step_with_slope_tangent(
        self,
        layer: Layer,
        dtheta: np.ndarray,
        prepared: np.ndarray,
        dpsi: np.ndarray,
        masses: np.ndarray,
        dmasses: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The directional derivative of `step_with_slope`, `(R, *shape)` and of theta's shape, in theta, psi and the masses."""
        dcoefficients = self.interpolation.coefficients(dpsi)
        rows, drows = masses.reshape(len(masses), -1), dmasses.reshape(len(masses), -1)
        out = np.empty((len(dpsi), self.mesh.size))

        def trace(nodes: Nodes) -> np.ndarray:
            feet, stages = self.flow.with_stages(layer, self._points(nodes))
            dfeet, dstages = self.flow.tangent(layer, stages, dtheta)
            pull, out[:, nodes], dpull = self.interpolation.gather_tangent(
                feet, dfeet, rows[:, nodes], drows[:, nodes], prepared, dcoefficients
            )
            return self.flow.pullback_tangent(layer, stages, pull, dtheta, dstages, dpull)

        change = np.zeros_like(layer.theta)
        for part in self.flow.workers.map(trace, self._blocks):
            change += part
        return out.reshape(dpsi.shape), change

    def deposit(self, points: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Nodal masses `m_j = sum_q w_q L_j(x_q)`, L_j the cardinal functions; points `(N, d)`, weights `(R, N)`."""
        blocks: list[Nodes] = [slice(start, start + BLOCK) for start in range(0, len(points), BLOCK)]
        return self._collect(lambda q: self.interpolation.scatter(points[q], weights[:, q]), blocks, len(weights))[0]

    @property
    def products(self) -> bool:
        return True

    def line_deposit(self, axis: int, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        line = CartesianMesh([self.mesh.bounds[axis]], self.mesh.shape[axis])
        return SemiLagrangianOperator(self.scheme, line, self.flow).deposit(x[:, None], w[None])[0]

    @property
    def lines(self) -> list[np.ndarray]:
        """Coordinates, one array per axis, at which the basis functions are not smooth: the cell centres."""
        return [self.mesh.axis(k) for k in range(self.mesh.dim)]

    def _points(self, nodes: Nodes) -> np.ndarray:
        """The nodes' positions `(n, d)`, columns contiguous in memory."""
        return np.asfortranarray(self.mesh.centres[nodes])

    @cached_property
    def _blocks(self) -> list[Nodes]:
        """All nodes in cache-sized blocks."""
        return [slice(start, min(start + BLOCK, self.mesh.size)) for start in range(0, self.mesh.size, BLOCK)]

    def _carrying_blocks(self, rows: np.ndarray) -> list[Nodes]:
        """The nodes whose masses `(R, n)` are above round-off, in blocks."""
        heavy = np.flatnonzero(nodes_above_roundoff(rows))
        if len(heavy) > MOST * self.mesh.size:
            return self._blocks
        return [heavy[start : start + BLOCK] for start in range(0, len(heavy), BLOCK)]
