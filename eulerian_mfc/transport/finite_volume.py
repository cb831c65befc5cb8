"""The transport equation by upwind differences: the non-conservative twin of finite volumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from .._validate import choice, fail, positive
from ..errors import NonFiniteError
from ..flow.flow_of_field import Flow
from ..flow.integrators import INTEGRATORS, State, substeps
from ..flow.layers import Layer
from ..kernels import tensor_interpolation as _kernels
from ..meshes import CartesianMesh, Mesh
from ..meshes.padded import PaddedMesh, boundary_kinds
from ..schemes import TransportOperator, TransportScheme
from ..schemes.declared import boxes
from .interpolation import Interpolation


class Difference(NamedTuple):
    """A one-sided difference: its order, its default integrator and CFL number, and the degree that its pairing needs."""

    order: int
    integrator: str
    cfl: float
    degree: int


DIFFERENCES = {"upwind": Difference(1, "euler", 0.9, 3), "weno5": Difference(5, "ssprk104", 1.0, 5)}


@dataclass(frozen=True)
class FiniteVolume(TransportScheme):
    """`d_t psi + <F, grad psi> = 0` backwards in time at the cell centres, by differences on the side to which F points.

    Parameters
    ----------
    reconstruction : "upwind" (order 1) or "weno5" (WENO-Z differences, order 5).
    integrator : "euler", "ssprk2", "ssprk3" or "ssprk104"; by default euler for upwind, ssprk104 for weno5.
    cfl : Courant number (dimensionless) of a substep, `dt sum_k |F_k| / h_k`, at most the integrator's SSP coefficient.
    boundary : as for `continuity.FiniteVolume`; psi is continued as a constant beyond sides that are not periodic.

    The scheme is not the transpose of finite volumes for the masses: the pair is not adjoint. For the transpose of upwind finite
    volumes use `continuity.FiniteVolume("upwind").adjoint()`.

    Raises
    ------
    ArgumentError
        For a name that is not one of these, or a `cfl` above the integrator's coefficient.
    SubstepError
        While a layer is stepped, for a control that would carry mass more than ten times across the box in a layer.

    References
    ----------
    G.-S. Jiang, D. Peng, Weighted ENO schemes for Hamilton-Jacobi equations, SIAM J. Sci. Comput. 21 (2000),
    2126-2143, doi:10.1137/S106482759732455X.
    R. Borges, M. Carmona, B. Costa, W. S. Don, An improved weighted essentially non-oscillatory scheme for hyperbolic
    conservation laws, J. Comput. Phys. 227 (2008), 3191-3211, doi:10.1016/j.jcp.2007.11.038 (WENO-Z).
    S. Gottlieb, D. Ketcheson, C.-W. Shu, Strong Stability Preserving Runge-Kutta and Multistep Time Discretizations,
    World Scientific 2011, doi:10.1142/7498; D. Ketcheson, Highly efficient strong stability-preserving Runge-Kutta methods with
    low-storage implementations, SIAM J. Sci. Comput. 30 (2008), 2113-2136, doi:10.1137/07070485X (ssprk104).

    Examples
    --------
    >>> import numpy as np
    >>> import eulerian_mfc as emfc
    >>> mesh = emfc.CartesianMesh([(-1.0, 1.0)], cells=10)
    >>> flow = emfc.flow.Flow(emfc.fields.AffineField(1, matrix=False), emfc.LayerMap("rk4"))
    >>> layer = emfc.flow.Layer(0.0, 1.0, np.array([0.2]))  # points move by 0.2, one cell
    >>> operator = emfc.transport.FiniteVolume().on(mesh, flow)
    >>> operator.step(layer, np.ones((1, 10))).round(6).tolist() == np.ones((1, 10)).tolist()  # constants stay
    True
    """

    reconstruction: str = "weno5"
    integrator: str | None = None
    cfl: float | None = None
    boundary: str | Mapping[str, str] = "outflow"

    reference: ClassVar[str] = "doi:10.1137/S106482759732455X"

    def __post_init__(self) -> None:
        suits = DIFFERENCES[choice("reconstruction", self.reconstruction, DIFFERENCES)]
        chosen = suits.integrator if self.integrator is None else choice("integrator", self.integrator, INTEGRATORS)
        limit = INTEGRATORS[chosen].coefficient
        cfl = min(suits.cfl, limit) if self.cfl is None else positive("cfl", self.cfl)
        if cfl > limit:
            raise fail("cfl", cfl, f"at most {limit:g} for {chosen}")
        object.__setattr__(self, "integrator", chosen)
        object.__setattr__(self, "cfl", cfl)

    @property
    def order(self) -> int:
        """Order in the mesh width at a fixed Courant number."""
        return DIFFERENCES[self.reconstruction].order

    @property
    def stencil(self) -> int:
        """Cells per axis that the scheme needs at least."""
        return DIFFERENCES[self.reconstruction].degree + 1

    @property
    def largest_courant_number(self) -> float:
        return INTEGRATORS[str(self.integrator)].coefficient

    @property
    def positive(self) -> bool:
        """Whether potentials stay between their bounds."""
        return self.reconstruction == "upwind"

    @property
    def linear(self) -> bool:
        """Whether the scheme is linear in the potentials. (Its transpose is not among the continuity schemes.)"""
        return self.reconstruction == "upwind"

    def on(self, mesh: Mesh, flow: Flow) -> FiniteVolumeOperator:
        """The scheme on a mesh, for a field."""
        return FiniteVolumeOperator(self, boxes(mesh, self), flow)


class FiniteVolumeOperator(TransportOperator):
    """`FiniteVolume` for the potentials, bound to a mesh and a flow. Potentials are `(R, *shape)`."""

    def __init__(self, scheme: FiniteVolume, mesh: CartesianMesh, flow: Flow) -> None:
        self.scheme: FiniteVolume = scheme
        self.mesh: CartesianMesh = mesh
        self.flow = flow
        self.grid = PaddedMesh(mesh, boundary_kinds(scheme.boundary, mesh.dim))
        periodic = all(self.grid.periodic(k) for k in range(mesh.dim))
        degree = DIFFERENCES[scheme.reconstruction].degree
        #: evaluates potentials between the cell centres, for the control equation
        self.interpolation: Interpolation = Interpolation(mesh, degree, "spline", "periodic" if periodic else "clamp")

    def step(self, layer: Layer, psi: np.ndarray) -> np.ndarray:
        """Potentials at the layer's end -> at its start."""
        times = layer.sample_times(self.flow.field.autonomous).tolist()
        speeds = [np.abs(self._velocity(t, layer.at_time(t))) / self.mesh.widths[:, None] for t in times]
        courant = layer.length * max(float(speed.sum(axis=0).max()) for speed in speeds)
        crossings = layer.length * max(float((speed.max(axis=1) / self.mesh.shape).max()) for speed in speeds)
        count = substeps(courant, crossings, float(self.scheme.cfl or 1.0), self.scheme.largest_courant_number)
        method = INTEGRATORS[str(self.scheme.integrator)]
        state: State = (psi, np.array(layer.start + layer.length))
        for _ in range(count):
            state = method.step(lambda s, tau: self._euler(s, tau, layer), state, layer.length / count)
        return state[0]

    def _velocity(self, t: float, theta: np.ndarray) -> np.ndarray:
        """`(d, padded size)`: the field at the cell centres, padded with zeros."""
        value = self.flow.field(t, theta, self.mesh.centres)
        if not np.isfinite(value).all():
            raise NonFiniteError("the velocity at the cell centres is not finite")
        out = np.zeros((self.mesh.dim, *self.grid.shape))
        out[(slice(None), *self.grid.inside)] = value.T.reshape(-1, *self.mesh.shape)
        return out.reshape(self.mesh.dim, -1)

    def _euler(self, state: State, dt: float, layer: Layer) -> State:
        """A step of length dt backwards in time."""
        psi, t = state
        velocity = self._velocity(float(t), layer.at_time(float(t)))
        kernel = _kernels.upwind_difference if self.scheme.reconstruction == "upwind" else _kernels.weno_difference
        out = np.empty_like(psi)
        for r, field in enumerate(psi):
            padded = self.grid.pad(field)
            new = padded.copy()
            for v, s, h in zip(velocity, self.grid.strides, self.mesh.widths, strict=True):
                kernel(padded, s, v, dt / h, new)
            out[r] = self.grid.unpad(new)
        return out, t - dt
