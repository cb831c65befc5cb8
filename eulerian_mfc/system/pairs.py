"""A pair of schemes as an operator per layer, with its derivatives: sweeps, Hamiltonians and Hessians use schemes only so."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from .._validate import mismatch
from ..flow.layers import Layer
from ..laws import LabelledRule, ProductRule
from ..meshes import Mesh
from ..schemes import (
    AdjointOperator,
    Boundary,
    ContinuityOperator,
    Interpolant,
    Measure,
    Pairing,
    TangentOperator,
    TransportOperator,
)
from ..schemes.pairing import nodes_above_roundoff

#: (layer, values at its end) -> values at its start
Step = Callable[[Layer, np.ndarray], np.ndarray]


class Pair(ABC):
    """The map of masses `m^{n+1} = A(theta, m^n)` of a layer, and the map of potentials backwards through the layer.

    Masses are `(R, *mass_shape)`, potentials `(R, *shape)` on `mesh`.

    Parameters
    ----------
    transport : the operator of the potentials.
    continuity : the operator of the masses.
    mesh : the mesh as both operators see it.
    """

    #: whether `pull` is the exact derivative of `push`, so that the gradient is that of the discrete cost
    adjoint: bool

    def __init__(self, transport: TransportOperator, continuity: ContinuityOperator, mesh: Mesh) -> None:
        self.transport, self.continuity, self.mesh = transport, continuity, mesh

    # --- a layer

    def push(self, layer: Layer, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map masses `(R, *mass_shape)` at a layer's start to those at its end; also masses `(R,)` that met the boundary."""
        return self.continuity.step(layer, masses)

    @abstractmethod
    def pull(self, layer: Layer, masses: np.ndarray, psi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map potentials `(R, *shape)` at the layer's end to those at its start; also the slope `(m,)`.

        The results are `(dA/dm)^T psi` and `(dA/dtheta)^T psi` for the masses `(R, *mass_shape)` at the layer's start: exactly on
        an adjoint pair, otherwise up to the errors of the schemes.
        """

    def back(self, layer: Layer, psi: np.ndarray) -> np.ndarray:
        """Only the potentials `(R, *shape)` of `pull`, which do not depend on the masses."""
        return self.transport.step(layer, psi)

    def through(self, layer: Layer, values: np.ndarray, step: Step) -> np.ndarray:
        """Values `(k, *shape)` carried back through a layer by `step`; with noise, by its pieces and the noise between them."""
        return step(layer, values)

    @abstractmethod
    def pairing(self, psi: np.ndarray, masses: np.ndarray) -> Pairing:
        """`layer -> (value, slope (m,))`: the potentials at the layer's end paired with the masses that the layer has moved.

        The value is the layer's Hamiltonian without the penalty. The slope at the layer's theta is that of `pull`.
        """

    @property
    def tangents(self) -> LayerTangents | None:
        """The exact derivatives of `push` and `pull`, for exact Hessians; None if the schemes have none."""
        return None

    # --- the law

    @property
    def lines(self) -> list[np.ndarray]:
        """Coordinates at which a rule of the law must be split, one array `(n,)` per axis, including the ends of the axis."""
        ends = np.array(self.mesh.bounds)
        return [np.append(line, pair) for line, pair in zip(self.continuity.lines, ends, strict=True)]

    def initial(self, rule: LabelledRule | ProductRule, moments: np.ndarray) -> np.ndarray:
        """Masses `(R, *mass_shape)` of a rule of the law; `moments` `(R, N)` are the values of c_r at its N points."""
        return self.continuity.initial(rule, moments)

    # --- functions against masses

    @property
    @abstractmethod
    def points(self) -> np.ndarray:
        """`(n, d)`: the points of `measure`."""

    @abstractmethod
    def measure(self, masses: np.ndarray) -> Measure:
        """Masses `(R, *mass_shape)` as points and weights."""

    @abstractmethod
    def at_points(self, nodal: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """`(R, n)`: a function at the `points`; `nodal` `(R, *shape)` are the values of the same function at the nodes."""

    @abstractmethod
    def pairings(self, psi: np.ndarray, masses: np.ndarray) -> np.ndarray:
        """`(R,)`: `int psi_r dm_r` for potentials `(R, *shape)`; on an adjoint pair these are sums over the nodes."""

    def covectors(self, psi: np.ndarray, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points `(n, d)` that carry mass, and covectors `sum_r w_r grad psi_r` `(n, d)` there; potentials are `(R, *shape)`."""
        interpolation = self.between_nodes()
        measure = self.measure(masses)
        kept = nodes_above_roundoff(measure.weights)
        points = np.asfortranarray(measure.points[kept])
        return points, interpolation.gradients(points, interpolation.coefficients(psi), measure.weights[:, kept])

    def noise_rate(self, t: float, psi: np.ndarray, masses: np.ndarray) -> float:
        """`sum_r int 1/2 sum_a sigma_a^2 d_aa psi_r dm_r` at time t: the cost that noise makes per unit of time; 0 without it.

        Potentials are `(R, *shape)`, masses `(R, *mass_shape)`.
        """
        return 0.0

    # --- what the schemes declare

    @property
    def interpolates(self) -> bool:
        """Whether the potentials have values and gradients between the nodes."""
        return self.transport.interpolation is not None

    def between_nodes(self) -> Interpolant:
        """The interpolation of the potentials; raises an ArgumentError if there is none."""
        return self.transport.between_nodes()

    @property
    def keeps_mass(self) -> bool:
        """Whether mass that meets the boundary of the mesh stays on the boundary; otherwise it is lost."""
        return self.continuity.scheme.keeps_mass

    @property
    def boundary(self) -> Boundary:
        """The boundary conditions at the sides of the mesh."""
        return self.continuity.boundary


class AdjointPair(Pair):
    """`m^{n+1} = S^T m^n`, `psi^n = S psi^{n+1}`: mass, duality and the gradient of the discrete cost are exact.

    Parameters
    ----------
    transport : the operator `S`.
    continuity : the operator `S^T`.
    mesh : the mesh as both operators see it.

    References
    ----------
    docs/theory/duality.md.
    """

    adjoint = True

    def __init__(self, transport: AdjointOperator, continuity: ContinuityOperator, mesh: Mesh) -> None:
        super().__init__(transport, continuity, mesh)
        self._transport = transport

    def pull(self, layer: Layer, masses: np.ndarray, psi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self._transport.step_with_slope(layer, psi, masses)

    def pairing(self, psi: np.ndarray, masses: np.ndarray) -> Pairing:
        return self._transport.nodal_pairing(psi, masses)

    @property
    def tangents(self) -> LayerTangents | None:
        return LayerTangents(self._transport) if isinstance(self._transport, TangentOperator) else None

    @property
    def points(self) -> np.ndarray:
        """`(n, d)`: the nodes."""
        return self.mesh.centres

    def measure(self, masses: np.ndarray) -> Measure:
        return self._transport.node_measure(masses)

    def at_points(self, nodal: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        return nodal.reshape(len(nodal), -1)

    def pairings(self, psi: np.ndarray, masses: np.ndarray) -> np.ndarray:
        return (psi * masses).reshape(len(psi), -1).sum(axis=1)


class MeasuredPair(Pair):
    """Any two schemes: integrals take the masses as points with weights, and interpolate the potentials there.

    Parameters
    ----------
    transport : the operator of the potentials, which must have gradients between the nodes.
    continuity : the operator of the masses.
    mesh : the mesh as both operators see it.

    Raises
    ------
    ArgumentError
        If the transport scheme has no values between the nodes.
    """

    adjoint = False

    def __init__(self, transport: TransportOperator, continuity: ContinuityOperator, mesh: Mesh) -> None:
        super().__init__(transport, continuity, mesh)
        if transport.interpolation is None:
            wanted = (
                "a transport with values between the nodes; or together with this transport, the scheme "
                "whose transpose it is"
            )
            raise mismatch("transport", f"{transport.scheme!r} together with {continuity.scheme!r}", wanted)

    def pull(self, layer: Layer, masses: np.ndarray, psi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.back(layer, psi), self.pairing(psi, masses)(layer)[1]

    def pairing(self, psi: np.ndarray, masses: np.ndarray) -> Pairing:
        return self.transport.pairing(psi, self.measure(masses))

    @property
    def points(self) -> np.ndarray:
        return self.continuity.points

    def measure(self, masses: np.ndarray) -> Measure:
        return self.continuity.measure(masses)

    def at_points(self, nodal: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        return function(self.points)

    def pairings(self, psi: np.ndarray, masses: np.ndarray) -> np.ndarray:
        interpolation, measure = self.between_nodes(), self.measure(masses)
        values, _ = interpolation.gather(measure.points, interpolation.coefficients(psi))
        return (values * measure.weights).sum(axis=1)


class LayerTangents:
    """The derivatives of an adjoint pair's `push` and `pull` in theta, masses and potentials.

    Parameters
    ----------
    transport : a transport operator with exact derivatives.
    """

    def __init__(self, transport: TangentOperator) -> None:
        self._transport = transport

    def prepared(self, psi: np.ndarray) -> np.ndarray:
        """The potentials `(R, *shape)` at a layer's end in the form that `pull` needs: computed once, used per product."""
        return self._transport.prepared(psi)

    def push(self, layer: Layer, dtheta: np.ndarray, masses: np.ndarray, dmasses: np.ndarray) -> np.ndarray:
        """The change of the masses `(R, *shape)` at the layer's end, for changes `(m,)` of theta and of the masses."""
        return self._transport.adjoint_step_tangent(layer, dtheta, masses, dmasses)

    def pull(
        self,
        layer: Layer,
        dtheta: np.ndarray,
        masses: np.ndarray,
        dmasses: np.ndarray,
        prepared: np.ndarray,
        dpsi: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The changes of the potentials `(R, *shape)` at the layer's start and of the slope `(m,)`."""
        return self._transport.step_with_slope_tangent(layer, dtheta, prepared, dpsi, masses, dmasses)
