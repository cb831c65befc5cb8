"""Finite volumes for the continuity equation: conservative, unsplit, on Cartesian boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from .._validate import choice, fail, mismatch, positive
from ..errors import NonFiniteError
from ..flow.flow_of_field import Flow
from ..flow.integrators import INTEGRATORS, State, checked_substeps, substeps
from ..flow.layers import Layer
from ..meshes import CartesianMesh, Mesh
from ..meshes.padded import BOUNDARIES, PaddedMesh, boundary_kinds
from ..schemes import ContinuityScheme, Scheme, TransportOperator
from ..schemes.declared import boxes
from .cells import CellOperator
from .euler_step import EulerStep
from .face_velocities import FaceVelocities
from .limiters import Limiter, resolved


class Reconstruction(NamedTuple):
    """A reconstruction: its order, the cells per axis that it needs, and its default integrator and CFL number."""

    order: int
    stencil: int
    integrator: str
    cfl: float
    reference: str


RECONSTRUCTIONS = {
    "upwind": Reconstruction(1, 1, "euler", 0.9, "R. LeVeque, Finite Volume Methods, 2002, section 4.9"),
    "muscl": Reconstruction(2, 3, "ssprk3", 0.4, "doi:10.1016/0021-9991(79)90145-1"),
    "weno5": Reconstruction(5, 5, "ssprk104", 1.0, "doi:10.1016/j.jcp.2007.11.038"),
}


@dataclass(frozen=True)
class FiniteVolume(ContinuityScheme):
    """Cell averages of the densities, `d m_j / dt = - sum of the fluxes out of cell j`, upwind in the face velocities.

    Parameters
    ----------
    reconstruction : "upwind" (order 1), "muscl" (order 2), "weno5" (WENO-Z, order 5).
    limiter : for "muscl": "none", "minmod", "van_leer", "mc", "superbee" or "van_albada", the name of a limiter that you
        registered, or a `Limiter`.
    integrator : "euler", "ssprk2", "ssprk3" or "ssprk104" (ten stages, order 4); by default euler for upwind, ssprk3 for
        muscl, ssprk104 for weno5.
    cfl : the largest Courant number (dimensionless) of a substep, `dt sum_k |v_k| / h_k`; by default 0.9 for upwind, 0.4 for
        muscl, 1.0 for weno5. It may not exceed the integrator's SSP coefficient (1, or 6 for ssprk104).
    boundary : "outflow" (mass may leave, none enters), "no_flux" or "periodic": one for all sides, or a mapping such as
        `{"x_low": "no_flux", "x_high": "outflow"}` with the axes x, y, z; sides not in the mapping are outflow.
    substeps : number of substeps per layer, instead of the choice by `cfl` (which refuses controls that would carry mass
        more than ten times across the box in one layer).
    positivity : whether densities that are not signed moments are kept non-negative, by limiting antidiffusive fluxes.

    Face velocities are point values at the face centres; for "weno5" the flux is integrated over the face by Legendre
    moments of velocity and density, so that order 5 holds in two and three dimensions too.

    Positivity: the flux is the upwind flux plus an antidiffusive flux, which is limited so that each cell gives away at most
    the mass that it has after the upwind step (the donor's share of S. Zalesak's flux-corrected transport,
    doi:10.1016/0021-9991(79)90051-2; for WENO: X. Hu, N. Adams, C.-W. Shu, doi:10.1016/j.jcp.2013.01.024). Unlike the scaling
    of point values by Zhang and Shu, this holds up to Courant number 1 per stage in every dimension.

    Raises
    ------
    ArgumentError
        For a name that is not one of these, a `cfl` above the integrator's coefficient, substeps that are not a positive integer.
    SubstepError
        During a step, if the control is too large, or if `substeps` are too few for it.

    References
    ----------
    R. LeVeque, Finite Volume Methods for Hyperbolic Problems, Cambridge 2002, section 4.9 (upwind), chapter 6 (limiters);
    B. van Leer, Towards the ultimate conservative difference scheme V, J. Comput. Phys. 32 (1979), 101-136,
    doi:10.1016/0021-9991(79)90145-1 (MUSCL); P. K. Sweby, High resolution schemes using flux limiters for hyperbolic conservation
    laws, SIAM J. Numer. Anal. 21 (1984), 995-1011, doi:10.1137/0721062; G. D. van Albada, B. van Leer, W. W. Roberts, A
    comparative study of computational methods in cosmic gas dynamics, Astron. Astrophys. 108 (1982), 76-84; R. Borges, M.
    Carmona, B. Costa, W. S. Don, An improved weighted essentially non-oscillatory scheme for hyperbolic conservation laws, J.
    Comput. Phys. 227 (2008), 3191-3211, doi:10.1016/j.jcp.2007.11.038 (WENO-Z). S. Gottlieb, D. Ketcheson, C.-W. Shu, Strong
    Stability Preserving Runge-Kutta and Multistep Time Discretizations, World Scientific 2011, doi:10.1142/7498; D.
    Ketcheson, Highly efficient strong stability-preserving Runge-Kutta methods with low-storage implementations, SIAM J. Sci.
    Comput. 30 (2008), 2113-2136, doi:10.1137/07070485X (ssprk104).

    Examples
    --------
    >>> import numpy as np
    >>> import eulerian_mfc as emfc
    >>> mesh = emfc.CartesianMesh([(-1.0, 1.0)], cells=10)
    >>> flow = emfc.flow.Flow(emfc.fields.AffineField(1, matrix=False), emfc.LayerMap("rk4"))
    >>> layer = emfc.flow.Layer(0.0, 1.0, np.array([0.2]))  # points move by 0.2, one cell
    >>> scheme = emfc.continuity.FiniteVolume("upwind")
    >>> operator = scheme.on(mesh, flow, emfc.transport.SemiLagrangian(1).on(mesh, flow))
    >>> masses, crossed = operator.step(layer, np.eye(10)[:1])  # all mass in the first cell
    >>> scheme.linear, bool((masses >= 0).all()), round(float(masses.sum() + crossed.sum()), 12)
    (True, True, 1.0)
    """

    reconstruction: str = "muscl"
    limiter: str | Limiter = "mc"
    integrator: str | None = None
    cfl: float | None = None
    boundary: str | Mapping[str, str] = "outflow"
    substeps: int | None = None
    positivity: bool = True

    keeps_mass: ClassVar[bool] = False

    def __post_init__(self) -> None:
        choice("reconstruction", self.reconstruction, RECONSTRUCTIONS)
        object.__setattr__(self, "limiter", resolved(self.limiter))
        suits = RECONSTRUCTIONS[self.reconstruction]
        chosen = suits.integrator if self.integrator is None else choice("integrator", self.integrator, INTEGRATORS)
        object.__setattr__(self, "integrator", chosen)
        limit = INTEGRATORS[chosen].coefficient
        cfl = min(suits.cfl, limit) if self.cfl is None else positive("cfl", self.cfl)
        if cfl > limit:
            raise fail(
                "cfl",
                cfl,
                f"at most {limit:g} for the integrator {chosen}: use cfl <= {limit:g}, or set a larger number of "
                "substeps",
            )
        object.__setattr__(self, "cfl", cfl)
        if self.substeps is not None:
            checked_substeps(self.substeps)
        kinds = self.boundary if isinstance(self.boundary, Mapping) else {"all": self.boundary}
        for kind in kinds.values():
            choice("boundary", kind, BOUNDARIES)

    @property
    def order(self) -> int:
        """Order in the mesh width at a fixed Courant number."""
        return RECONSTRUCTIONS[self.reconstruction].order

    @property
    def stencil(self) -> int:
        """The smallest number of cells per axis that the scheme accepts."""
        return RECONSTRUCTIONS[self.reconstruction].stencil

    @property
    def largest_courant_number(self) -> float:
        return INTEGRATORS[str(self.integrator)].coefficient

    @property
    def linear(self) -> bool:
        """Whether the scheme is linear in the masses: upwind, or MUSCL without a limiter."""
        unlimited = self.reconstruction == "muscl" and self.limiter == "none" and not self.positivity
        return self.reconstruction == "upwind" or unlimited

    @property
    def positive(self) -> bool:
        return self.positivity or self.reconstruction == "upwind"

    @property
    def reference(self) -> str:
        return RECONSTRUCTIONS[self.reconstruction].reference

    def adjoint(self) -> Scheme:
        """The transpose, a transport scheme; ArgumentError unless the scheme is upwind with Euler steps."""
        if self.reconstruction != "upwind" or self.integrator != "euler":
            raise mismatch(
                "adjoint",
                f"{self.reconstruction} with {self.integrator}, which is not linear in the masses or takes several stages",
                'a linear scheme of one stage: FiniteVolume("upwind")',
            )
        return super().adjoint()

    def on(
        self, mesh: Mesh, flow: Flow, transport: TransportOperator | None = None, signed: Sequence[bool] = ()
    ) -> FiniteVolumeOperator:
        """The scheme on a mesh, for a field; `signed` says for each field of masses whether it may be negative."""
        return FiniteVolumeOperator(self, boxes(mesh, self), flow, signed)


class FiniteVolumeOperator(CellOperator):
    """`FiniteVolume` bound to a mesh and a flow, whose threads it uses. Masses are `(R, *shape)`."""

    def __init__(self, scheme: FiniteVolume, mesh: CartesianMesh, flow: Flow, signed: Sequence[bool]) -> None:
        if min(mesh.shape) < scheme.stencil:
            wanted = f"at least {scheme.stencil} cells on every axis for {scheme.reconstruction}"
            raise fail("cells", mesh.shape, wanted)
        super().__init__(scheme, mesh, signed)
        self.scheme: FiniteVolume = scheme
        self.grid = PaddedMesh(mesh, boundary_kinds(scheme.boundary, mesh.dim))
        self._autonomous = flow.field.autonomous
        self.velocities = FaceVelocities(self.grid, flow, moments=scheme.order > 2)
        self._euler_step = EulerStep(self.grid, scheme.reconstruction, scheme.limiter, scheme.positivity, flow.workers)

    def substeps(self, layer: Layer) -> int:
        """Number of substeps: the scheme's own, or the one for which its `cfl` holds; SubstepError as in `integrators`."""
        limit = self.scheme.largest_courant_number
        rates = [self._rates(t, layer.at_time(t)) for t in layer.sample_times(self._autonomous).tolist()]
        courant, crossings = np.max(rates, axis=0) * layer.length
        return substeps(courant, crossings, float(self.scheme.cfl or limit), limit, self.scheme.substeps)

    def _rates(self, t: float, theta: np.ndarray) -> tuple[float, float]:
        """The Courant number of a step of length 1, and how often the fastest velocity crosses the box per unit of time."""
        widths = [high - low for low, high in self.mesh.bounds]
        crossings = max(float(np.abs(v.mean).max()) / w for v, w in zip(self.velocities(t, theta), widths, strict=True))
        return self.velocities.rate(t, theta), crossings

    def step(self, layer: Layer, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Masses at the layer's start -> at its end; and the mass `(R,)` that left the box."""
        out, ledger = self.step_with_ledger(layer, masses)
        return out, ledger.reshape(len(ledger), -1).sum(axis=1)

    def step_with_ledger(self, layer: Layer, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Masses at the layer's end, and the mass `(R, d, 2)` that left through the low and high side of each axis."""
        count = self.substeps(layer)
        method = INTEGRATORS[str(self.scheme.integrator)]
        state = self._state(layer, masses)
        for _ in range(count):
            state = method.step(lambda s, tau: self._euler(s, tau, layer), state, layer.length / count)
        if not np.isfinite(state[0]).all():
            raise NonFiniteError("masses are not finite")
        return state[0], state[1]

    def euler_step(self, layer: Layer, masses: np.ndarray) -> np.ndarray:
        """One forward Euler step over the whole layer: masses -> masses."""
        return self._euler(self._state(layer, masses), layer.length, layer)[0]

    def _state(self, layer: Layer, masses: np.ndarray) -> State:
        """Masses, ledger and time: the integrator forms the same linear combinations of all three."""
        return masses, np.zeros((len(masses), self.mesh.dim, 2)), np.array(layer.start)

    def _euler(self, state: State, dt: float, layer: Layer) -> State:
        masses, ledger, t = state
        velocities = self.velocities(float(t), layer.at_time(float(t)))
        out, crossed = np.empty_like(masses), ledger.copy()
        for r, field in enumerate(masses):
            out[r] = self._euler_step(field, dt / self.mesh.widths, velocities, crossed[r], self.may_be_negative(r))
        return out, crossed, t + dt
