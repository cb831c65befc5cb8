"""A pair of schemes as an operator of layers, with its derivatives: what sweeps, Hamiltonians and Hessians know of schemes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

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
from ..schemes.pairing import carrying


class Pair(ABC):
    """A layer's map of masses `m^{n+1} = A(theta, m^n)`, and the map of potentials that goes back through it.

    Masses are `(R, *mass_shape)`, potentials `(R, *shape)` of the space `mesh`.

    Parameters
    ----------
    transport : the operator of the potentials.
    continuity : the operator of the masses.
    mesh : the space of both.
    """

    #: whether `pull` is the exact derivative of `push`, so that the gradient is that of the discrete cost
    adjoint: ClassVar[bool]

    def __init__(self, transport: TransportOperator, continuity: ContinuityOperator, mesh: Mesh) -> None:
        self.transport, self.continuity, self.mesh = transport, continuity, mesh

    # --- a layer

    def push(self, layer: Layer, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Masses `(R, *mass_shape)` at the layer's start -> at its end; and the masses `(R,)` that met the boundary."""
        return self.continuity.step(layer, masses)

    @abstractmethod
    def pull(self, layer: Layer, masses: np.ndarray, psi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Potentials at the layer's end -> at its start, `(R, *shape)`; and the slope `(m,)`.

        They are `(dA/dm)^T psi` and `(dA/dtheta)^T psi` at the masses `(R, *mass_shape)` of the layer's start: exactly on an
        adjoint pair, up to the schemes' errors on any other.
        """

    def back(self, layer: Layer, psi: np.ndarray) -> np.ndarray:
        """The potentials `(R, *shape)` of `pull` alone, which do not depend on the masses."""
        return self.transport.step(layer, psi)

    @abstractmethod
    def pairing(self, psi: np.ndarray, masses: np.ndarray) -> Pairing:
        """`layer -> (value, slope (m,))`: the potentials at a layer's end paired with what the layer makes of the masses.

        Its value is the layer's part of the Hamiltonian, its slope at the layer's theta that of `pull`.
        """

    @property
    def tangents(self) -> LayerTangents | None:
        """The exact derivatives of `push` and `pull`, for exact Hessians; None where there are none."""
        return None

    # --- the law

    @property
    def lines(self) -> list[np.ndarray]:
        """Coordinates, one array `(n,)` per axis, at which a rule of the law has to be cut; the ends of the axes among them."""
        ends = np.array(self.mesh.bounds)
        return [np.append(line, pair) for line, pair in zip(self.continuity.lines, ends, strict=True)]

    def initial(self, rule: LabelledRule | ProductRule, moments: np.ndarray) -> np.ndarray:
        """Masses `(R, *mass_shape)` of a rule of the law; `moments` `(R, N)` are the c_r at its points."""
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
        """`(R, n)`: a function at the `points`; `nodal` `(R, *shape)` are its values at the nodes."""

    @abstractmethod
    def pairings(self, psi: np.ndarray, masses: np.ndarray) -> np.ndarray:
        """`(R,)`: `int psi_r dm_r` of potentials `(R, *shape)`; on an adjoint pair the sums over the nodes."""

    def covectors(self, psi: np.ndarray, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points `(n, d)` that carry mass, and `sum_r w_r grad psi_r` `(n, d)` there, for potentials `(R, *shape)`."""
        interpolation = self.between_nodes()
        measure = self.measure(masses)
        kept = carrying(measure.weights)
        points = np.asfortranarray(measure.points[kept])
        return points, interpolation.gradients(points, interpolation.coefficients(psi), measure.weights[:, kept])

    # --- what the schemes declare

    @property
    def interpolates(self) -> bool:
        """Whether the potentials have values and gradients between the nodes."""
        return self.transport.interpolation is not None

    def between_nodes(self) -> Interpolant:
        """The potentials' interpolation; ArgumentError where there is none."""
        return self.transport.between_nodes()

    @property
    def keeps_mass(self) -> bool:
        """Whether mass that meets the boundary of the mesh stays on it; otherwise it leaves, and is gone."""
        return self.continuity.scheme.keeps_mass

    @property
    def boundary(self) -> Boundary:
        """What happens to masses at the sides of the mesh."""
        return self.continuity.boundary


class AdjointPair(Pair):
    """`m^{n+1} = S^T m^n`, `psi^n = S psi^{n+1}`: mass, duality and the gradient of the discrete cost are exact.

    Parameters
    ----------
    transport : the operator `S`.
    continuity : the operator `S^T`.
    mesh : the space of both.

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
    """Any two schemes: the masses are integrated as points and weights against the interpolated potentials.

    Parameters
    ----------
    transport : the operator of the potentials; they have to have gradients between the nodes.
    continuity : the operator of the masses.
    mesh : the space of both.

    Raises
    ------
    ArgumentError
        For a transport scheme without values between the nodes.
    """

    adjoint = False

    def __init__(self, transport: TransportOperator, continuity: ContinuityOperator, mesh: Mesh) -> None:
        super().__init__(transport, continuity, mesh)
        if transport.interpolation is None:
            wanted = (
                "a transport with values between the nodes, or beside this one the scheme that it is the transpose of"
            )
            raise mismatch("transport", f"{transport.scheme!r} beside {continuity.scheme!r}", wanted)

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
    """The derivatives of an adjoint pair's `push` and `pull` as theta, masses and potentials move.

    Parameters
    ----------
    transport : a transport operator with exact derivatives.
    """

    def __init__(self, transport: TangentOperator) -> None:
        self._transport = transport

    def prepared(self, psi: np.ndarray) -> np.ndarray:
        """What `pull` takes of the potentials `(R, *shape)` at a layer's end."""
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
